"""How many calls a process answers, and whether there is time between them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

_MOST_BUSY = 0.5
"""Calls have lulls where they take less than this share of the time."""
_REMEMBERED_S = 0.1
"""After so long a moment counts for 1 / e of what it did."""
_LULL_S = 0.0004
"""So long an answer that is made is still on its way."""


class CallsInHand:
    """How many calls this process answers now. Thread safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._none = threading.Condition(threading.Lock())
        self._count = 0
        self._waits = 0
        self._busy = 0.0
        self._busy_at = clock()

    def begin(self) -> None:
        with self._none:
            if not self._count:
                self._busy, self._busy_at = self._busy_now()
            self._count += 1

    def end(self) -> None:
        with self._none:
            if self._count == 1:
                self._busy, self._busy_at = self._busy_now()
            self._count -= 1
            if self._waits and not self._count:
                self._none.notify_all()

    def have_lulls(self) -> bool:
        """Whether in most of the time that has just passed none was in hand."""
        with self._none:
            return self._busy_now()[0] < _MOST_BUSY

    def _busy_now(self) -> tuple[float, float]:
        """In what share of the time there were any, where what is older counts for less; and now. The lock is held."""
        now = self._clock()
        left = math.exp((self._busy_at - now) / _REMEMBERED_S)
        return left * self._busy + (1 - left) * bool(self._count), now

    def wait_for_none(self, longest_s: float) -> float:
        """Returns when none is in hand, or after so long; how long it took, in seconds."""
        if not self._count:
            return 0.0
        begun = now = time.monotonic()
        while self._count and now - begun < longest_s:
            with self._none:
                self._waits += 1
                self._none.wait_for(lambda: not self._count, longest_s - (now - begun))
                self._waits -= 1
            time.sleep(_LULL_S)
            now = time.monotonic()
        return now - begun


CALLS = CallsInHand()
"""Of this process."""
