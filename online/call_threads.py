"""The threads of calls, and what is said of a call that gets none."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from grpc import _server as grpc_server

from online.budget import NO_LIMIT_S
from online.errors import CallError, to_details

_here = threading.local()

_ENDED: Future[Any] = Future()
_ENDED.set_result(None)


class CallThreads(ThreadPoolExecutor):
    """Runs gRPC's calls. A call that is refused anyway is answered at once by the thread that took it from gRPC: where
    far more calls come than can be answered, handing each to a thread would be most of the work, and those that are
    answered would wait for it. For the same reason gRPC does not call a method that has a `refused`, which is told
    why in its place."""

    def __init__(self, threads: int, refusal: Callable[[float], CallError | None]) -> None:
        """`refusal`: why a call with so many seconds left would get no answer, if that is known now."""
        super().__init__(threads, "call")
        self._refusal = refusal
        self._end = _end_of_grpc()
        self._details: tuple[str, Any] = ("", ())
        """What the last one was told, and the trailing metadata of that: most are told the same as the one before."""

    def submit(self, run: Any, /, *args: Any, **named: Any) -> Future[Any]:
        refusal = self._refusal(_left_s(args))
        if refusal is None:
            return super().submit(run, *args, **named)
        if self._ended(refusal, args):
            return _ENDED
        _here.refusal = refusal
        try:
            run(*args, **named)
        finally:
            _here.refusal = None
        return _ENDED

    def _ended(self, why: CallError, args: tuple[Any, ...]) -> bool:
        """Whether a call could be ended without its method, by what gRPC itself ends calls with."""
        if self._end is None:
            return False
        try:
            _, event, state, method, *_ = args
            tell, call = method.refused, event.call
        except (AttributeError, ValueError):
            return False
        if self._details[0] != why.message:
            self._details = why.message, to_details(why)
        state.trailing_metadata = self._details[1]
        tell(why)
        self._end(state, call, why.reason.code.value[0], why.message.encode())
        return True


def _end_of_grpc() -> Callable[..., None] | None:
    """How gRPC itself ends a call, which it does not promise to keep; None where it has another way than is known."""
    end: Callable[..., None] | None = getattr(grpc_server, "_abort", None)
    known = ["state", "call", "code", "details"]
    return end if end is not None and list(inspect.signature(end).parameters) == known else None


def refused_here() -> CallError | None:
    """Asked by a call: why it is refused, if it is and has no thread of its own."""
    found: CallError | None = getattr(_here, "refusal", None)
    return found


def _left_s(args: tuple[Any, ...]) -> float:
    """The time that a call has, by its deadline, which gRPC hands on with what it wants to be run."""
    for one in args:
        details = getattr(one, "call_details", None)
        if details is not None:
            left_s: float = details.deadline - time.time()
            return min(NO_LIMIT_S, max(0.0, left_s))
    return NO_LIMIT_S
