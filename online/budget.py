"""One call's time: a single deadline over all stages, and how long each took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from online.errors import deadline_exceeded

_MARGIN_S = 0.010
"""Kept back, so that the error can still reach the caller; at most a tenth of the time there is."""

_NO_LIMIT_S = 86_400.0
"""gRPC tells a call without a deadline by one that is centuries away."""


class Budget:
    """`left_s` is the time that the caller gives, None (or more than a day) for `default_s`. `timings` has
    (stage, seconds) in the order in which stages ended."""

    def __init__(
        self, left_s: float | None, default_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        given = default_s if left_s is None or left_s > _NO_LIMIT_S else left_s
        self._clock = clock
        self._until = clock() + given - min(_MARGIN_S, given / 10)
        self.timings: list[tuple[str, float]] = []

    def left(self) -> float:
        """Seconds that are left; negative when the time is up."""
        return self._until - self._clock()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage. Errors: `CallError` when the time is up before it or after it."""
        started = self._clock()
        if started >= self._until:
            raise deadline_exceeded(name)
        yield
        ended = self._clock()
        self.timings.append((name, ended - started))
        if ended >= self._until:
            raise deadline_exceeded(name)
