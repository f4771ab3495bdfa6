"""Work beside calls that takes from them as little as it can of what they share: the interpreter and the processor."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
import threading
from collections.abc import Iterator

_SWITCH_S = 0.0005
_SLICE_NS = 20_000_000
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""Of `sched_setattr`: size, policy, flags, nice, priority, runtime, deadline, period."""
_RESET_ON_FORK = 1
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())

_lock = threading.Lock()
_at_work = 0
_usual_s = 0.0


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """Within it no call waits long for the interpreter, which it shares with this work."""
    global _at_work, _usual_s
    with _lock:
        if not _at_work:
            _usual_s = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_S)
        _at_work += 1
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1
            if not _at_work:
                sys.setswitchinterval(_usual_s)


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
