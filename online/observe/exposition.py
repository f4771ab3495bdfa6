"""The server's numbers in Prometheus' words, and the port where they are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from compiler.bundle import Bundle
from featdsl.errors import InputError
from online.observe.families import BY_NAME, FAMILIES
from online.observe.histogram import Histogram
from online.observe.metrics import CallMetrics

if TYPE_CHECKING:
    from online.admission import Admission
    from online.item_cache import ItemCache
    from online.row_cache import RowCache
    from online.versions import VersionWatcher

Samples = list[tuple[tuple[str, ...], Any]]
"""(labels, value): a number, or a `Histogram`."""


class ServerCollector:
    """What a scrape shows, read when it is asked for. `well`: whether calls can be answered."""

    def __init__(
        self,
        bundle: Bundle,
        calls: CallMetrics,
        versions: VersionWatcher,
        admission: Admission,
        items: ItemCache | None,
        well: Callable[[], bool],
        now_s: Callable[[], float] = time.time,
        kept_rows: RowCache | None = None,
    ) -> None:
        self._program = (bundle.schema.namespace, versions.model, bundle.fingerprint)
        self._calls = calls
        self._versions = versions
        self._admission = admission
        self._items = items
        self._well = well
        self._now = now_s
        self._kept_rows = kept_rows

    def collect(self) -> Iterator[Any]:
        """Prometheus' metric families. A family without labels is always there."""
        samples = {
            **self._of_calls(),
            **self._of_items(),
            **self._of_rows(),
            **samples_of_versions(self._versions, self._now()),
        }
        samples["featdsl_program"] = [(self._program, 1)]
        samples["featdsl_serving"] = [((), int(self._well()))]
        samples["featdsl_calls_waiting"] = [((), self._admission.waiting)]
        samples["featdsl_expected_wait_seconds"] = [((), self._admission.expected_wait_s)]
        counts = self._admission.counts
        samples["featdsl_calls_turned_away"] = [
            (("refused",), counts.refused),
            (("late",), counts.late),
            (("cancelled",), counts.cancelled),
        ]
        for family in FAMILIES:
            yield family_of(family.name, samples.get(family.name, []))

    def _of_calls(self) -> dict[str, Samples]:
        totals = self._calls.totals()
        return {
            "featdsl_calls": list(totals.calls.items()),
            "featdsl_call_seconds": [((method,), one) for method, one in totals.seconds.items()],
            "featdsl_stage_seconds": [((stage,), one) for stage, one in totals.stages.items()],
            "featdsl_call_items": [((), totals.items)],
            "featdsl_distinct_items": [((), totals.distinct_items)],
            "featdsl_rows": list(totals.rows.items()),
            "featdsl_calls_on_defaults": [((), totals.calls_on_defaults)],
            "featdsl_nonfinite_outputs": [((output,), count) for output, count in totals.nonfinite.items()],
            "featdsl_store_trip_seconds": [((), totals.store_trips)],
            "featdsl_store_trip_keys": [((), totals.store_keys)],
            "featdsl_store_errors": [((), totals.store_errors)],
        }

    def _of_items(self) -> dict[str, Samples]:
        if self._items is None:
            return {}
        stats = self._items.stats()
        found = {
            "hit": stats.hits,
            "miss": stats.misses - stats.stale - stats.expired,
            "stale": stats.stale,
            "expired": stats.expired,
        }
        return {
            "featdsl_item_cache_lookups": [((result,), count) for result, count in found.items()],
            "featdsl_item_cache_hit_age_seconds": [((), stats.mean_hit_age_s * stats.hits)],
            "featdsl_item_cache_inserted": [((), stats.inserted)],
            "featdsl_item_cache_evicted": [((), stats.evicted)],
            "featdsl_item_cache_drops": [((), stats.drops)],
            "featdsl_item_cache_trusted": [((), int(self._items.trusted))],
            "featdsl_item_cache_entries": [((), stats.entries)],
            "featdsl_item_cache_bytes": [((), stats.num_bytes)],
            "featdsl_item_cache_limit_bytes": [((), stats.limit_bytes)],
            "featdsl_item_part_lookups": [(("hit",), stats.part_hits), (("miss",), stats.part_misses)],
            "featdsl_item_parts": [((), stats.part_entries)],
            "featdsl_item_part_bytes": [((), stats.part_bytes)],
        }

    def _of_rows(self) -> dict[str, Samples]:
        if self._kept_rows is None:
            return {}
        stats = self._kept_rows.stats()
        return {
            "featdsl_row_cache_lookups": [(("hit",), stats.hits), (("miss",), stats.misses)],
            "featdsl_row_cache_entries": [((), stats.entries)],
            "featdsl_row_cache_bytes": [((), stats.num_bytes)],
        }


def samples_of_versions(versions: VersionWatcher, now_s: float) -> dict[str, Samples]:
    """What is told of a model's versions."""
    serving = versions.serving
    label = (versions.model,)
    published_s = 0.0 if serving is None else versions.published_us(serving) / 1e6
    return {
        "featdsl_model_version": [(label, 0 if serving is None else serving.version)],
        "featdsl_parameters_age_seconds": [(label, max(0.0, now_s - published_s))] if published_s else [],
        "featdsl_versions_loading": [(label, versions.loading)],
        "featdsl_versions_resident": [(label, versions.resident)],
        "featdsl_version_switches": [(label, versions.switches_total)],
        "featdsl_versions_refused": [(label, versions.refused_total)],
    }


def family_of(name: str, samples: Samples) -> Any:
    """A family as prometheus-client has it."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    family = BY_NAME[name]
    kinds = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    made = kinds[family.kind](name, family.help, labels=family.labels)
    for labels, value in samples:
        if isinstance(value, Histogram):
            made.add_metric(labels, value.cumulative(), value.sum)
        else:
            made.add_metric(labels, value)
    return made


class MetricsPort:
    """An HTTP server of `/metrics`, on a thread of its own."""

    def __init__(self, collector: Any, host: str, port: int) -> None:
        """`port` 0: any free one. Errors: `InputError` when the port is taken, or prometheus-client is not
        installed."""
        try:
            from prometheus_client import (
                CollectorRegistry,
                GCCollector,
                PlatformCollector,
                ProcessCollector,
                start_http_server,
            )
        except ImportError as missing:
            raise InputError(
                "the package that tells metrics is not installed: prometheus-client",
                help="install it: `pip install 'featdsl[metrics]'`",
            ) from missing
        registry = CollectorRegistry(auto_describe=False)
        for of_process in (ProcessCollector, GCCollector, PlatformCollector):
            of_process(registry=registry)
        registry.register(collector)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as fault:
            raise InputError(
                f"cannot tell metrics on {host}:{port}", help="another program may have the port"
            ) from fault
        self.port: int = self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
