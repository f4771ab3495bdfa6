"""One call's time: a single deadline over all stages, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from online.errors import cancelled, deadline_exceeded
from online.observe.record import CallRecord, Stage, StoreTrip

_MARGIN_S = 0.010
"""Kept back, so that the error can still reach the caller; at most a tenth of the time there is."""

NO_LIMIT_S = 86_400.0
"""gRPC tells a call without a deadline by one that is centuries away."""


class Budget:
    """The caller's time is `record.left_s`, None (or more than a day) for `default_s`. What happens is written
    down in `record`."""

    def __init__(
        self, record: CallRecord, default_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        left_s = record.left_s
        given = default_s if left_s is None or left_s > NO_LIMIT_S else left_s
        self.record = record
        self._clock = clock
        self._until = clock() + given - min(_MARGIN_S, given / 10)

    @property
    def timings(self) -> list[tuple[str, float]]:
        """(stage, seconds) in the order in which stages ended."""
        return [(stage.name, stage.ended - stage.started) for stage in self.record.stages]

    def left(self) -> float:
        """Seconds that are left; negative when the time is up."""
        return self._until - self._clock()

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Times a stage. Errors: `CallError` when the time is up before it or after it, or nobody waits for the
        answer any more."""
        return _TimedStage(self, name)

    def store_trip(self, keys: int) -> AbstractContextManager[None]:
        """Times one question to the store, which asks for so many keys."""
        return _TimedTrip(self, keys)

    def begin(self, name: str) -> float:
        """What `stage` does before the stage. Returns when that was."""
        record, started = self.record, self._clock()
        record.failed_in = name
        if started >= self._until:  # which gRPC tells as a caller that went away
            raise deadline_exceeded(name)
        if record.cancelled:
            raise cancelled(name)
        return started

    def end(self, name: str, started: float, failed: bool) -> None:
        """What `stage` does after it."""
        ended = self._clock()
        self.record.stages.append(Stage(name, started, ended))
        if failed:
            return
        if ended >= self._until:
            raise deadline_exceeded(name)
        self.record.failed_in = ""

    def now(self) -> float:
        return self._clock()


class _TimedStage:
    """A class and not a generator: there are ten of them a call."""

    __slots__ = ("_budget", "_name", "_started")

    def __init__(self, budget: Budget, name: str) -> None:
        self._budget = budget
        self._name = name

    def __enter__(self) -> None:
        self._started = self._budget.begin(self._name)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._budget.end(self._name, self._started, kind is not None)


class _TimedTrip:
    __slots__ = ("_budget", "_keys", "_started")

    def __init__(self, budget: Budget, keys: int) -> None:
        self._budget = budget
        self._keys = keys

    def __enter__(self) -> None:
        self._started = self._budget.now()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        trip = StoreTrip(self._keys, self._started, self._budget.now(), kind is None)
        self._budget.record.store_trips.append(trip)
