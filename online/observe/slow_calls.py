"""Calls that took long are told in the log, a line each, with the stage that cost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from online.observe.key_hash import key_hash
from online.observe.logs import fields
from online.observe.record import CallRecord

log = logging.getLogger("featdsl.slow")

MOST_LINES_A_SECOND = 5


class SlowCalls:
    """A watcher of calls: tells those of `slow_ms` or more, a few a second at most; the next line says how many
    were left out. Thread safe."""

    def __init__(self, slow_ms: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slow_ms = slow_ms
        self._clock = clock
        self._lock = threading.Lock()
        self._second = -1
        self._said = 0
        self._unsaid = 0

    def __call__(self, record: CallRecord) -> None:
        milliseconds = record.seconds * 1e3
        if milliseconds < self._slow_ms:
            return
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._said = second, 0
            if self._said == MOST_LINES_A_SECOND:
                self._unsaid += 1
                return
            self._said += 1
            unsaid, self._unsaid = self._unsaid, 0
        stages = _by_stage(record)
        elsewhere = milliseconds - sum(stages.values())
        worst = max(stages, key=lambda name: stages[name], default="")
        if elsewhere > stages.get(worst, 0.0):
            worst, stages["elsewhere"] = "elsewhere", elsewhere
        keys = {entity: key_hash(found[0]) for entity, found in record.keys.items() if len(found) == 1}
        log.warning(
            "a slow call: %s %s, %.1f ms, most in %s (%.1f ms): %s; %d items, %d distinct, version %d%s%s",
            record.method,
            record.outcome,
            milliseconds,
            worst,
            stages.get(worst, 0.0),
            ", ".join(f"{name} {spent:.1f}" for name, spent in stages.items()),
            record.items,
            record.distinct_items,
            record.version,
            "".join(f"; the hash of {entity}: {hashed}" for entity, hashed in keys.items()),
            f"; {unsaid} more were slow and are not told" if unsaid else "",
            extra=fields(
                method=record.method,
                outcome=record.outcome,
                milliseconds=round(milliseconds, 3),
                worst_stage=worst,
                stage_ms={name: round(spent, 3) for name, spent in stages.items()},
                items=record.items,
                distinct_items=record.distinct_items,
                version=record.version,
                key_hashes=keys,
                not_told=unsaid,
            ),
        )


def _by_stage(record: CallRecord) -> dict[str, float]:
    """Milliseconds by stage in the order in which they began, rounds added up."""
    spent: dict[str, float] = {}
    for name, started, ended in record.stages:
        spent[name] = spent.get(name, 0.0) + (ended - started) * 1e3
    return spent
