"""Requests that are still coming: a client that sends slowly, or never all, is given up after a while."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from online.errors import CallError, Reason, cancelled, deadline_exceeded

log = logging.getLogger("featdsl.service")

RECEIVED_IN_S = 10.0
"""A request of which so long after its call's start a part is still missing is given up."""

_BROKEN_IN_S = 0.05


@dataclass(slots=True)
class _Coming:
    since: float
    given_up: bool = False


class Receiving:
    """The calls whose request is still coming; those that take too long are ended. To gRPC their methods take a stream
    of requests, which is the same on the wire as one: so they are called before the request is there."""

    def __init__(self) -> None:
        self._coming: dict[Any, _Coming] = {}
        self._stopping = False
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="receiving", daemon=True).start()

    @property
    def count(self) -> int:
        return len(self._coming)

    def take(self, requests: Iterator[bytes], context: Any) -> bytes:
        """Waits for a call's request. Errors: `CallError` for one that does not come."""
        coming = self._coming[context] = _Coming(time.monotonic())
        request = None
        try:
            with contextlib.suppress(grpc.RpcError):
                request = next(requests, None)
        finally:
            del self._coming[context]
        if request is None:
            raise self._why_none(coming, context)
        return request

    def stop(self) -> None:
        """Ends the calls that still wait: they are told that the server stops."""
        self._stopping = True
        self._give_up(grpc.StatusCode.UNAVAILABLE, "the server stops, and the request has not come")

    def end(self) -> None:
        """Ends its thread."""
        self._ended.set()

    def _why_none(self, coming: _Coming, context: Any) -> CallError:
        if coming.given_up or not context.time_remaining():
            return cancelled("receive") if self._stopping else deadline_exceeded("receive")
        ended = threading.Event()
        # that a connection has broken is told a moment after the end of what came on it
        if not context.add_callback(ended.set) or ended.wait(_BROKEN_IN_S):
            return cancelled("receive")
        return CallError(
            Reason.MALFORMED_REQUEST,
            "the call ended before its request was there",
            help="send one message whole",
        )

    def _give_up(self, code: grpc.StatusCode, message: str, before: float = math.inf) -> int:
        """Ends the calls that began before then; returns how many."""
        slow = [(context, one) for context, one in list(self._coming.items()) if one.since < before]
        for context, one in slow:
            one.given_up = True
            _end_with(context, code, message)
        return len(slow)

    def _watch(self) -> None:
        message = f"the request did not come in {RECEIVED_IN_S:.0f} s"
        while not self._ended.wait(RECEIVED_IN_S / 10):
            before = time.monotonic() - RECEIVED_IN_S
            slow = self._give_up(grpc.StatusCode.DEADLINE_EXCEEDED, message, before)
            if slow:
                log.warning("%d calls are given up: their requests did not come", slow)


def _end_with(context: Any, code: grpc.StatusCode, message: str) -> None:
    """Ends a call from another thread than its own. What gRPC has for that tells no reason, but that which it calls
    itself does."""
    try:
        context._rpc_event.call.cancel(code.value[0], message)
    except AttributeError:
        context.cancel()
