"""Work beside calls that takes from them as little as it can of what they share: the interpreter and the processor.

It is done in steps (`featdsl/steps.py`), and a step begins when no call is in hand, if that comes soon enough. So a
call meets at most the rest of one step. Where there are calls most of the time, nothing is to be had by waiting, and a
thread with little weight would never be done: there the work goes on as if it were a call.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featdsl.steps import between_steps
from online.calls_in_hand import CALLS
from online.thread_weight import stand_back

_SWITCH_S = 0.0001
"""So long this work may hold the interpreter when a call wants it, …"""
_SWITCH_WITHOUT_LULLS_S = 0.0005
"""… and so long where calls have no lulls."""
_LONGEST_S = 0.02
"""A step waits no longer for calls, …"""
_PATIENCE_S = 0.1
"""… and all steps of one piece of work together no longer than this."""
_TOO_LONG_S = 0.25
"""A piece of work that has waited longer for a processor stood back too far."""
_NAPS, _NAP_S, _MOST_NAPPED_S = 12, 1e-6, 0.02
"""So many naps of so long take longer than this where something else has the processors."""
_AGAIN_S = 10.0
_AGAIN_AT_MOST_S = 640.0

_lock = threading.Lock()
_at_work = 0
_usual_s = 0.0


class Backstage:
    """Does work in a thread that stands back and gives way, or in the caller's with full weight where that would keep
    it from being done: where calls have no lulls, or something else has the processors. Then a thread that stands back
    comes late each time that it has slept: this is tried with short naps before, and what the work has waited for a
    processor is looked at afterwards. If either took too long, all work has full weight for a while, and if it is no
    better then, for twice as long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "back", initializer=stand_back)
        self._again_at = -math.inf
        self._again_s = _AGAIN_S

    def do(self, work: Callable[[], bool]) -> None:
        """Returns when it is done. `work` tells whether there was anything to do, and does not raise."""
        begun = self._clock()
        if begun < self._again_at or not CALLS.have_lulls():
            _with_full_weight(work)
            return
        naps = self._thread.submit(_napped)
        late = naps.result() > _MOST_NAPPED_S
        if late:
            _with_full_weight(work)
        else:
            did, waited_s = self._thread.submit(_giving_way, work).result()
            late = waited_s > _TOO_LONG_S
        if late:
            self._again_at = self._clock() + self._again_s
            self._again_s = min(2 * self._again_s, _AGAIN_AT_MOST_S)
        elif did:
            self._again_s = _AGAIN_S

    def close(self) -> None:
        self._thread.shutdown(wait=False)


def _with_full_weight(work: Callable[[], bool]) -> None:
    with giving_way(wanted=False):
        work()


def _giving_way(work: Callable[[], bool]) -> tuple[bool, float]:
    """What work tells, and how long it waited for a processor, in seconds."""
    before_s = _waited_s()
    with giving_way():
        did = work()
    return did, _waited_s() - before_s


def _waited_s() -> float:
    """How long this thread has waited for a processor; 0 where the kernel does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _napped() -> float:
    """How long short naps take here, with what it takes to wake up, in seconds."""
    begun = time.monotonic()
    for _ in range(_NAPS):
        time.sleep(_NAP_S)
    return time.monotonic() - begun


@contextlib.contextmanager
def giving_way(wanted: bool = True) -> Iterator[None]:
    """Within it no call waits long for the interpreter, which it shares with this work, and steps wait for calls, if
    that is `wanted` and calls have lulls."""
    if not wanted or not CALLS.have_lulls():
        with _quick_changes(_SWITCH_WITHOUT_LULLS_S):
            yield
        return
    left_s = _PATIENCE_S

    def wait() -> None:
        nonlocal left_s
        if left_s > 0:
            waited_s = CALLS.wait_for_none(min(left_s, _LONGEST_S))
            left_s = left_s - waited_s if waited_s < _LONGEST_S else 0.0

    with _quick_changes(_SWITCH_S), between_steps(wait):
        yield


@contextlib.contextmanager
def _quick_changes(switch_s: float) -> Iterator[None]:
    """Within it the interpreter changes hands after so long, for all threads; the first that enters says it, and the
    last that leaves puts back what was usual."""
    global _at_work, _usual_s
    with _lock:
        if not _at_work:
            _usual_s = sys.getswitchinterval()
            sys.setswitchinterval(switch_s)
        _at_work += 1
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1
            if not _at_work:
                sys.setswitchinterval(_usual_s)
