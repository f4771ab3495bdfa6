"""What happened to one call: filled in on its way, shown to every watcher once it has been answered."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
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


@dataclass(slots=True, eq=False)
class CallRecord:
    """`left_s`: the seconds that the caller gave, None for no limit. `keys` holds the call's keys by entity as
    they came; they must not be shown as they are. `nonfinite`: by model output how many were no numbers.
    `cancelled`: nobody waits for the answer any more, as the caller went away, has it, or is told that the server
    stops."""

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
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _end_wait: Callable[[], None] | None = None

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            if self._end_wait is not None:
                self._end_wait()

    def waits(self, end: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """The call waits in the block for something that `end`, which is quick and does not raise, ends: when the
        call is cancelled, also if it has been already. It is not called once the block has been left."""
        return _Wait(self, end)

    @property
    def seconds(self) -> float:
        """From its arrival, waiting included, to its answer."""
        return self.ended - self.arrived


Watcher = Callable[[CallRecord], None]
"""Looks at a call that has ended. Called on the call's own thread, so it must be quick; it must not raise."""


class _Wait:
    """A class and not a generator: every call has one."""

    __slots__ = ("_end", "_record")

    def __init__(self, record: CallRecord, end: Callable[[], None]) -> None:
        self._record = record
        self._end = end

    def __enter__(self) -> None:
        record = self._record
        with record._lock:
            record._end_wait = self._end
            if record.cancelled:
                self._end()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._record._lock:
            self._record._end_wait = None


current_call: ContextVar[CallRecord | None] = ContextVar("current_call", default=None)
"""The call that runs on this thread, for those who wait on its behalf."""


def waiting(end: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
    """`CallRecord.waits` of the call that runs on this thread, if one does."""
    record = current_call.get()
    return contextlib.nullcontext() if record is None else record.waits(end)


def is_cancelled() -> bool:
    """Whether a call runs on this thread that nobody waits for any more."""
    record = current_call.get()
    return record is not None and record.cancelled
