"""Work beside calls that takes from them as little as it can of what they share: the interpreter and the processor.

It is done in steps (`featdsl/steps.py`), and a step begins when no call is in hand, if that comes soon enough. So a
call meets at most the rest of one step. Where there are calls most of the time, nothing is to be had by waiting, and a
thread with little weight would never be done: there the work goes on as if it were a call.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featdsl.steps import between_steps

_SWITCH_S = 0.0001
_SWITCH_WITHOUT_LULLS_S = 0.0005
_LONGEST_S = 0.02
"""A step waits no longer for calls, …"""
_PATIENCE_S = 0.1
"""… and all steps of one piece of work together no longer than this."""
_LULL_S = 0.0004
"""So long an answer that is made is still on its way."""
_NICER = 10
"""A tenth of the weight."""
_TOO_LONG_S = 0.25
_NAPS, _NAP_S, _MOST_NAPPED_S = 12, 1e-6, 0.02
_AGAIN_S = 10.0
_AGAIN_AT_MOST_S = 640.0
_MOST_BUSY = 0.5
_REMEMBERED_S = 0.1
_SLICE_NS = 20_000_000
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""Of `sched_setattr`: size, policy, flags, nice, priority, runtime, deadline, period."""
_RESET_ON_FORK = 1
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())

_lock = threading.Lock()
_at_work = 0
_usual_s = 0.0


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
        """Returns when none is in hand, or after so long; how long it took."""
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


class Backstage:
    """Does work in a thread that stands back and gives way, where calls have lulls and nothing else has the processors:
    then that thread comes late again after each moment that it slept. This is tried before; where it does, or where
    work waited for a processor for too long, all is done with full weight for a while, and if it is no better then, for
    twice as long."""

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


def stand_back() -> None:
    """This thread has long slices, and a tenth of a call's share of the processor. So has what it
    starts: that is nothing that calls need. It cannot be taken back."""
    with contextlib.suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICER))
    take_long_slices()


def take_long_slices() -> bool:
    """This thread has as much of the processor as before, in longer slices: a thread that wakes up with a shorter one,
    as those of calls do, need not wait until it is over. Unlike a lower priority it keeps nobody waiting for what this
    thread holds. No thread or process that it starts is so. Linux from 6.12 on; returns whether the system took it."""
    with contextlib.suppress(OSError):  # a filter of system calls may forbid to ask
        if _SCHED_SETATTR is not None and os.sched_getscheduler(0) == os.SCHED_OTHER:
            nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            if nice < 0:  # what it starts would not inherit that either
                return False
            attributes = _ATTRIBUTES.pack(
                _ATTRIBUTES.size, os.SCHED_OTHER, _RESET_ON_FORK, nice, 0, _SLICE_NS, 0, 0
            )
            return bool(ctypes.CDLL(None).syscall(_SCHED_SETATTR, 0, attributes, 0) == 0)
    return False
