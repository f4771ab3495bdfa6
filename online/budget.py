"""One call's time: a single deadline over all stages, and how long each took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

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

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage. Errors: `CallError` when the time is up before it or after it, or nobody waits for the
        answer any more."""
        record, started = self.record, self._clock()
        record.failed_in = name
        if record.cancelled:
            raise cancelled(name)
        if started >= self._until:
            raise deadline_exceeded(name)
        try:
            yield
        finally:
            ended = self._clock()
            record.stages.append(Stage(name, started, ended))
        if ended >= self._until:
            raise deadline_exceeded(name)
        record.failed_in = ""

    @contextlib.contextmanager
    def store_trip(self, keys: int) -> Iterator[None]:
        """Times one question to the store, which asks for so many keys."""
        started, answered = self._clock(), False
        try:
            yield
            answered = True
        finally:
            self.record.store_trips.append(StoreTrip(keys, started, self._clock(), answered))
