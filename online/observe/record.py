"""What happened to one call: filled in on its way, shown to every watcher once it has been answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from online.observe.tracing import CallTrace

ANSWERED = "OK"
"""The outcome of a call that got its answer; of any other it is the name of its `Reason`."""

CANCELLED = "CANCELLED"
"""The outcome of a call whose caller went away."""


class Stage(NamedTuple):
    """A stage that ended, in seconds of `time.monotonic`. A stage may run several times a call."""

    name: str
    started: float
    ended: float


class StoreTrip(NamedTuple):
    """One question to the store: how many keys, when (as in `Stage`), whether it was answered."""

    keys: int
    started: float
    ended: float
    answered: bool


class RowCounts(NamedTuple):
    """Rows of a source that a call read from the store, by what became of them."""

    source: str
    ok: int
    missing: int
    unreadable: int
    store_down: int


@dataclass(slots=True)
class CallRecord:
    """`left_s`: the seconds that the caller gave, None for no limit. `keys` holds the call's keys by entity as
    they came; they must not be shown as they are. `nonfinite`: by model output how many were no numbers.
    `cancelled`: the caller went away, or has its answer."""

    method: str
    left_s: float | None = None
    arrived: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    outcome: str = ANSWERED
    cancelled: bool = False
    failed_in: str = ""
    items: int = 0
    distinct_items: int = 0
    version: int = 0
    stages: list[Stage] = field(default_factory=list)
    store_trips: list[StoreTrip] = field(default_factory=list)
    rows: list[RowCounts] = field(default_factory=list)
    nonfinite: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    trace: CallTrace | None = None

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def seconds(self) -> float:
        """From its arrival, waiting included, to its answer."""
        return self.ended - self.arrived


Watcher = Callable[[CallRecord], None]
"""Looks at a call that has ended. Called on the call's own thread, so it must be quick; it must not raise."""
