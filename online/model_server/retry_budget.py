"""How often calls may be asked again: a share of all calls, so that retries never double a load."""

from __future__ import annotations

import threading

SHARE = 0.1
BURST = 10.0


class RetryBudget:
    """A bucket of tokens: each call puts in `share` of one, each retry takes one out, `burst` fit in. It begins
    full, so that a few calls a minute are retried too. Thread safe."""

    def __init__(self, share: float = SHARE, burst: float = BURST) -> None:
        self._share = share
        self._burst = burst
        self._tokens = burst
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A call that is asked for the first time."""
        with self._lock:
            self._tokens = min(self._burst, self._tokens + self._share)

    def take(self) -> bool:
        """Whether one may be asked again."""
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
