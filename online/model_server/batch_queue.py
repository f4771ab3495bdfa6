"""Which of the calls that wait are run together, and which are too late for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Of = TypeVar("Of")


@dataclass(frozen=True, slots=True)
class Waiting(Generic[Of]):
    """A call. `caller`: the process that asks. `arrived` and `by`, its deadline, are on one clock, in seconds."""

    call: Of
    caller: int
    rows: int
    arrived: float
    by: float


@dataclass(frozen=True, slots=True)
class Taken(Generic[Of]):
    """What is to be run together, and what nobody waits for any more."""

    batch: list[Of]
    late: list[Of]


class BatchQueue(Generic[Of]):
    """Calls by caller, each caller's in the order of their arrival.

    Callers have turns, so one that asks much does not keep the others waiting; the first call of a batch is always
    taken, however large. Not safe among threads, and it knows no clock.
    """

    def __init__(self, max_rows: int, max_delay_s: float) -> None:
        self._max_rows = max_rows
        self._max_delay_s = max_delay_s
        self._callers: dict[int, deque[Waiting[Of]]] = {}
        self._turns: dict[int, int] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._callers.values()))

    def add(self, waiting: Waiting[Of]) -> None:
        self._callers.setdefault(waiting.caller, deque()).append(waiting)
        self._turns.setdefault(waiting.caller, 0)

    def drop(self, call: Of) -> bool:
        """Forgets a call whose caller is gone. Returns whether it was there."""
        for calls in self._callers.values():
            for waiting in calls:
                if waiting.call is call:
                    calls.remove(waiting)
                    return True
        return False

    def forget(self, caller: int) -> None:
        """Forgets a caller that has no call here."""
        if not self._callers.get(caller):
            self._callers.pop(caller, None)
            self._turns.pop(caller, None)

    def wait_s(self, now: float, others: int) -> float | None:
        """How long nothing is to be taken yet: None while no call is here, 0 if a batch is ripe. `others`: callers
        that asked a moment ago and have no call here or in hand, so that one may come."""
        calls = [waiting for of_caller in self._callers.values() for waiting in of_caller]
        if not calls:
            return None
        if others == 0 or not self._max_delay_s or sum(waiting.rows for waiting in calls) >= self._max_rows:
            return 0.0
        ripe = min(waiting.arrived for waiting in calls) + self._max_delay_s
        if any(waiting.by <= ripe for waiting in calls):
            return 0.0
        return max(0.0, ripe - now)

    def take(self, now: float) -> Taken[Of]:
        """The next batch. Calls whose deadline has passed cost nothing more."""
        late: list[Of] = []
        for caller, calls in self._callers.items():
            late += [waiting.call for waiting in calls if waiting.by <= now]
            self._callers[caller] = deque(waiting for waiting in calls if waiting.by > now)
        batch: list[Of] = []
        rows = 0
        full: set[int] = set()
        while True:
            ready = [caller for caller, calls in self._callers.items() if calls and caller not in full]
            if not ready:
                return Taken(batch, late)
            caller = min(ready, key=lambda one: (self._turns[one], self._callers[one][0].arrived))
            first = self._callers[caller][0]
            if batch and rows + first.rows > self._max_rows:
                full.add(caller)
                continue
            self._callers[caller].popleft()
            self._turn += 1
            self._turns[caller] = self._turn
            batch.append(first.call)
            rows += first.rows
