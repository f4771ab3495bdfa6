"""Counts of calls, kept in plain Python so that a call pays one lock for all of them."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from online.observe.histogram import SIZES, Histogram
from online.observe.record import ANSWERED, CallRecord

_STATUSES = ("ok", "missing", "unreadable", "store_down")


@dataclass(slots=True)
class CallTotals:
    """Since the server's start. `rows`: by (source, status)."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (method, outcome)."""
    seconds: dict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    """Of whole calls, by method."""
    stages: dict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    """By stage, the rounds of a call added up. The wait for a thread is the stage `queue`."""
    items: Histogram = field(default_factory=lambda: Histogram(SIZES))
    distinct_items: int = 0
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls_on_defaults: int = 0
    """Answered though the store was down."""
    nonfinite: Counter[str] = field(default_factory=Counter)
    """By output of the model."""
    store_trips: Histogram = field(default_factory=Histogram)
    store_keys: Histogram = field(default_factory=lambda: Histogram(SIZES))
    store_errors: int = 0


class CallMetrics:
    """A watcher of calls. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = CallTotals()

    def __call__(self, record: CallRecord) -> None:
        stages: dict[str, float] = {}
        for name, started, ended in record.stages:
            stages[name] = stages.get(name, 0.0) + (ended - started)
        with self._lock:
            totals = self._totals
            totals.calls[record.method, record.outcome] += 1
            totals.seconds[record.method].add(record.seconds)
            for name, seconds in stages.items():
                totals.stages[name].add(seconds)
            for trip in record.store_trips:
                totals.store_trips.add(trip.ended - trip.started)
                totals.store_keys.add(trip.keys)
                totals.store_errors += not trip.answered
            if record.outcome == ANSWERED and record.method == "Score":
                totals.items.add(record.items)
                totals.distinct_items += record.distinct_items
            on_defaults = False
            for source, *counts in record.rows:
                for status, count in zip(_STATUSES, counts, strict=True):
                    if count:
                        totals.rows[source, status] += count
                on_defaults = on_defaults or counts[-1] > 0
            totals.calls_on_defaults += on_defaults and record.outcome == ANSWERED
            for output, count in record.nonfinite.items():
                totals.nonfinite[output] += count

    def totals(self) -> CallTotals:
        """A copy that no call changes any more."""
        with self._lock:
            now = self._totals
            return CallTotals(
                calls=Counter(now.calls),
                seconds={name: one.copy() for name, one in now.seconds.items()},
                stages={name: one.copy() for name, one in now.stages.items()},
                items=now.items.copy(),
                distinct_items=now.distinct_items,
                rows=Counter(now.rows),
                calls_on_defaults=now.calls_on_defaults,
                nonfinite=Counter(now.nonfinite),
                store_trips=now.store_trips.copy(),
                store_keys=now.store_keys.copy(),
                store_errors=now.store_errors,
            )
