"""Connections of redis-py that keep to the time which a thread has for all that it asks, redis-py's own retries
and new connections among it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import redis

_SHORTEST_S = 0.001
_until = threading.local()


class OutOfTime(Exception):
    """The thread's time is up. None of redis-py's errors, after which it would ask again: a cluster's client does so
    command by command."""


@contextlib.contextmanager
def answer_within(seconds: float | None) -> Iterator[None]:
    """For this thread: how long all that it asks may take, None for as long as timeouts allow. One within another has
    its own time."""
    before = getattr(_until, "at", None)
    _until.at = None if seconds is None else time.monotonic() + seconds
    try:
        yield
    finally:
        _until.at = before


def left_s() -> float | None:
    """What is left of it; None where there is no limit."""
    until = getattr(_until, "at", None)
    return None if until is None else max(0.0, until - time.monotonic())


class _InTime:
    """What both kinds of connection have in common. Their timeouts hold as well, for each step."""

    socket_connect_timeout: float
    socket_timeout: float

    def _connect(self) -> Any:
        own = self.socket_connect_timeout, self.socket_timeout
        self.socket_connect_timeout, self.socket_timeout = _shorter(own[0]), _shorter(own[1])
        try:
            connected = super()._connect()  # type: ignore[misc]
        except TimeoutError as fault:
            raise _out_of_time(fault) from fault
        finally:
            self.socket_connect_timeout, self.socket_timeout = own
        connected.settimeout(self.socket_timeout)
        return connected

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            pause_s = _shorter(self.socket_timeout)
        except OutOfTime:
            self.disconnect()  # type: ignore[attr-defined] # or the next one would read the answer that is to come
            raise
        if pause_s < self.socket_timeout:
            options.setdefault("timeout", pause_s)
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except redis.TimeoutError as fault:
            raise _out_of_time(fault) from fault


class ConnectionInTime(_InTime, redis.Connection):  # type: ignore[misc]
    pass


class SSLConnectionInTime(_InTime, redis.SSLConnection):  # type: ignore[misc]
    pass


def _shorter(pause_s: float) -> float:
    """A timeout, or what is left where that is less. Errors: `OutOfTime`."""
    left = left_s()
    if left is None:
        return pause_s
    if left == 0.0:
        raise OutOfTime("the time for the answer is up")
    return min(pause_s, max(left, _SHORTEST_S))


def _out_of_time(fault: Exception) -> Exception:
    return OutOfTime(f"{fault}, and the time for the answer is up") if left_s() == 0.0 else fault
