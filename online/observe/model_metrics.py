"""What `feat model-server` counts and tells: the calls of its protocols, its versions, and how their calls are run."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from online.observe.exposition import Samples, family_of, samples_of_versions
from online.observe.families import MODEL_FAMILIES
from online.observe.histogram import SIZES, Histogram

if TYPE_CHECKING:
    from online.versions import VersionWatcher

_RUNS = {
    "calls": "featdsl_model_run_calls",
    "runs": "featdsl_model_runs",
    "late": "featdsl_model_late",
    "left": "featdsl_model_left",
}
RunCounts = Callable[[int], Mapping[str, int]]
"""By what a version is known by, what its process has done for it: see `dispatcher.Counts`, `Residents.counts`. May
raise `Exception`."""


class ModelCalls:
    """Counters of calls. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, Histogram] = defaultdict(Histogram)
        self._rows = Histogram(SIZES)

    def ended(self, method: str, code: str, seconds: float) -> None:
        with self._lock:
            self._calls[method, code] += 1
            self._seconds[method].add(seconds)

    def asked(self, rows: int) -> None:
        """A prediction of so many candidates."""
        with self._lock:
            self._rows.add(rows)

    def samples(self) -> dict[str, Samples]:
        with self._lock:
            return {
                "featdsl_model_calls": list(self._calls.items()),
                "featdsl_model_call_seconds": [((m,), one.copy()) for m, one in self._seconds.items()],
                "featdsl_model_call_rows": [((), self._rows.copy())],
            }


class ModelCollector:
    """What a scrape shows, read when it is asked for."""

    def __init__(
        self,
        calls: ModelCalls,
        versions: VersionWatcher,
        counts: RunCounts,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._versions = versions
        self._counts = counts
        self._now = now_s

    def collect(self) -> Iterator[Any]:
        """Prometheus' metric families."""
        samples = {
            **self._calls.samples(),
            **samples_of_versions(self._versions, self._now()),
            **self._of_runs(),
        }
        for family in MODEL_FAMILIES:
            yield family_of(family.name, samples.get(family.name, []))

    def _of_runs(self) -> dict[str, Samples]:
        found: dict[str, Samples] = defaultdict(list)
        tables: dict[int, int] = {}
        for one in self._versions.loaded():
            try:
                counts = self._counts(one.handle)
            except Exception:  # its process is being started again: the next scrape tells
                continue
            label = (str(one.version),)
            for name, family in _RUNS.items():
                found[family].append((label, counts.get(name, 0)))
            if "process" in counts:
                tables[counts["process"]] = counts["table_bytes"]
                found["featdsl_model_table_rows"].append((label, counts["table_rows"]))
                found["featdsl_model_applied_rows"].append((label, counts["applied_rows"]))
                found["featdsl_model_load_seconds"].append((label, counts["load_us"] / 1e6))
        if tables:
            found["featdsl_model_table_bytes"].append(((), sum(tables.values())))
        return found
