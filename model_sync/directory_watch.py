"""Waiting for what comes into a directory: the kernel tells of it (inotify, by libc, for which the standard library has
no words). What it does not tell of, as what another host does on a network's file system, is to be looked for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

_MOVED_TO, _DELETE_SELF, _MOVE_SELF, _UNMOUNT, _IGNORED = 0x80, 0x400, 0x800, 0x2000, 0x8000
_OF_ITSELF = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
"""It is gone, moved, on a file system that is, or not watched any more."""
_HEAD_BYTES = 16
_MOST_BYTES = 1 << 16

LOOK_S = 0.05
LOOK_UNTOLD_S = 0.01
"""Where the kernel has no inotify, or no more of it for this user."""


class DirectoryWatch:
    """For files that are renamed into a directory. Thread safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._close_fd: Callable[[], object] = _nothing
        self._closed = False

    def wait(self, seconds: float) -> None:
        """Returns when something has come since it last returned, after so long, or when it is time to look for what
        was not told."""
        with self._lock:
            if self._fd is None and not self._closed:
                self._begin()
            fd = self._fd
            if fd is not None:
                told = select.poll()
                told.register(fd, select.POLLIN)
                if told.poll(min(seconds, LOOK_S) * 1e3) and _is_of_itself(os.read(fd, _MOST_BYTES)):
                    self._end()
                return
        time.sleep(min(seconds, LOOK_UNTOLD_S))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._end()

    def _begin(self) -> None:
        """The lock is held, as it is for `_end`."""
        self._fd = _watching(self._folder)
        if self._fd is not None:
            self._close_fd = closes = weakref.finalize(self, os.close, self._fd)
            closes.atexit = False  # somebody may still be waiting then

    def _end(self) -> None:
        self._close_fd()
        self._fd = None


def _nothing() -> None:
    pass


def _watching(folder: Path) -> int | None:
    """An inotify that watches it; None where that cannot be."""
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None, use_errno=True)
        fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if fd >= 0:
            if libc.inotify_add_watch(fd, os.fsencode(folder), _MOVED_TO | _DELETE_SELF | _MOVE_SELF) >= 0:
                return fd
            os.close(fd)
    return None


def _is_of_itself(events: bytes) -> bool:
    """Whether one of these is about the directory, which may be another one now. An event: the watch, what happened,
    a cookie, the size of a name, the name (inotify(7))."""
    at = 0
    while at + _HEAD_BYTES <= len(events):
        if int.from_bytes(events[at + 4 : at + 8], "little") & _OF_ITSELF:
            return True
        at += _HEAD_BYTES + int.from_bytes(events[at + 12 : at + 16], "little")
    return False
