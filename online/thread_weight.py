"""How much of the processor a thread gets, beside those that answer calls."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import threading

_NICER = 10
"""What is added to a thread's nice value: the kernel gives it a tenth of the weight then."""
_SLICE_NS = 20_000_000
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""Of `sched_setattr`: size, policy, flags, nice, priority, runtime, deadline, period."""
_RESET_ON_FORK = 1
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())
"""The number of the system call."""


def stand_back() -> None:
    """Gives this thread long slices, and a tenth of a call's share of the processor. What it starts has the same: it is
    nothing that calls need. It cannot be taken back."""
    with contextlib.suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICER))
    take_long_slices()


def take_long_slices() -> bool:
    """Gives this thread as much of the processor as before, in longer slices: a thread that wakes up with a shorter
    one, as those of calls do, need not wait until it is over. Unlike a lower priority it keeps nobody waiting for what
    this thread holds. Threads and processes that it starts have usual slices. Linux from 6.12 on; returns whether the
    system took it."""
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
