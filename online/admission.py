"""Which calls run, which wait, and which are refused before any work is done for them.

So many calls run at once, the others wait in the order in which they came. Little's law says for how long: as many
as are ahead, times the time that a call takes, shared by those that run at once. A call whose wait would be longer
than the queue's bound, or than half of what its own deadline leaves beside its work, is refused at once, with the wait
as the hint when to come again; one that has less time left than a call takes is not begun. So however many come, hardly
any work is done for calls that are late then, and the queue's length follows how fast calls are now. While nothing runs
a call is let through whatever the estimate: after a stall it finds its way back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from online.calls_in_hand import CALLS
from online.errors import CallError, Reason, cancelled, deadline_exceeded

_WEIGHT = 0.05
"""Of the newest call's time in the mean: it follows a change within some tens of calls."""

_SHORTEST_HINT_S = 0.01

_SAME_MOMENT_S = 0.01
"""By so much gRPC's clock and ours may differ on when a call's time is up."""


@dataclass(slots=True)
class AdmissionCounts:
    """Calls since the start: let through; refused when they came; their time was up, or the caller went away,
    while they waited."""

    admitted: int = 0
    refused: int = 0
    late: int = 0
    cancelled: int = 0


class Waiting:
    """A call that waits for its turn."""

    __slots__ = ("_turn", "admission", "outcome", "until")

    def __init__(self, admission: Admission, until: float) -> None:
        self.admission = admission
        self.until = until
        self.outcome = ""
        """"": it waits still; or `turn`, `late`, `cancelled`."""
        self._turn = threading.Event()

    def wait(self) -> None:
        """Returns when it is this call's turn. Errors: `CallError` when its time is up, or its caller gone."""
        if not self._turn.wait(max(0.0, self.until - self.admission.clock())):
            self.admission.drop(self, "late")
        if self.outcome == "late":
            raise deadline_exceeded("queue")
        if self.outcome == "cancelled":
            raise cancelled("queue")

    def cancel(self) -> None:
        """The caller went away, or its time was up, which gRPC tells alike; nothing happens once it is this call's
        turn."""
        late = self.admission.clock() >= self.until - _SAME_MOMENT_S
        self.admission.drop(self, "late" if late else "cancelled")

    def end(self, outcome: str) -> None:
        self.outcome = outcome
        self._turn.set()


class Admission:
    """`at_once`: calls that run at once. At most `most_waiting` wait, and none longer than is expected to be
    `longest_wait_s`. Thread safe."""

    def __init__(
        self,
        at_once: int,
        most_waiting: int,
        longest_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.counts = AdmissionCounts()
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._longest_wait_s = longest_wait_s
        self._lock = threading.Lock()
        self._queue: deque[Waiting] = deque()
        self._running = 0
        self._mean_s = 0.0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        return self._running

    @property
    def expected_wait_s(self) -> float:
        """How long a call that came now would wait."""
        if self._running < self._at_once:
            return 0.0
        return (len(self._queue) + 1) * self._mean_s / self._at_once

    def arrive(self, left_s: float) -> Waiting | None:
        """None: the call runs now. Either way `leave` follows, once it ran. `left_s`: until its deadline.
        Errors: `CallError` of the reason QUEUE_FULL."""
        with self._lock:
            if self._runs_now(left_s):
                self._running += 1
                CALLS.begin()
                self.counts.admitted += 1
                return None
            refusal = self._refusal(left_s)
            if refusal is not None:
                raise refusal
            waiting = Waiting(self, self.clock() + left_s)
            self._queue.append(waiting)
            return waiting

    def refusal(self, left_s: float) -> CallError | None:
        """Why a call that came now, with so many seconds left, would be refused, if it would; it is counted then."""
        with self._lock:
            return None if self._runs_now(left_s) else self._refusal(left_s)

    def _runs_now(self, left_s: float) -> bool:
        """While nothing runs any call does that has time at all: the estimate finds its way back so."""
        if self._running >= self._at_once or self._queue:
            return False
        return left_s > (self._mean_s if self._running else 0.0)

    def _refusal(self, left_s: float) -> CallError | None:
        if left_s <= self._mean_s:
            self.counts.late += 1
            return deadline_exceeded("queue")
        wait_s = self.expected_wait_s
        most = min(self._longest_wait_s, (left_s - self._mean_s) / 2)
        if len(self._queue) < self._most_waiting and wait_s <= most:
            return None
        self.counts.refused += 1
        return _full(len(self._queue), wait_s)

    def leave(self, seconds: float, *, whole: bool = True) -> None:
        """A call that ran has ended, after so long; the next one's turn. `whole`: it was not given up before."""
        with self._lock:
            if whole or seconds > self._mean_s:
                self._mean_s += (seconds - self._mean_s) * (_WEIGHT if self._mean_s else 1.0)
            now = self.clock()
            while self._queue:
                waiting = self._queue.popleft()
                if waiting.until - now > self._mean_s:
                    self.counts.admitted += 1
                    waiting.end("turn")
                    return
                self.counts.late += 1
                waiting.end("late")
            self._running -= 1
            CALLS.end()

    def drop(self, waiting: Waiting, outcome: str) -> None:
        """Takes a call out of the queue, if it is in it still."""
        with self._lock:
            if waiting.outcome:
                return
            self._queue.remove(waiting)
            if outcome == "late":
                self.counts.late += 1
            else:
                self.counts.cancelled += 1
            waiting.end(outcome)


def _full(ahead: int, wait_s: float) -> CallError:
    return CallError(
        Reason.QUEUE_FULL,
        f"too many calls are waiting: {ahead}, for about {wait_s * 1000:.0f} ms",
        help="come again later, or ask another server",
        retry_after_s=max(wait_s, _SHORTEST_HINT_S),
    )
