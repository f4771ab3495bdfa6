"""The gRPC face of the scorer: bytes in, bytes out, and an answer to everything that arrives."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from online.errors import CallError, Reason, to_details
from online.observe.record import ANSWERED, CANCELLED, CallRecord, Stage, Watcher
from online.proto import SERVICE

log = logging.getLogger("featdsl.service")


Method = Callable[[bytes, CallRecord], bytes]
"""Takes the request's bytes and the call's record, in which it writes down what happens."""


class ScorerService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Requests are parsed in the method, not by gRPC, so that bytes which are no request get a reason too.

    Whether a call is admitted is decided when it arrives, before it waits for a thread: what had arrived when
    `drain` was called is answered, what arrives later is refused as DRAINING. Calls run on threads of their
    own, so that health is told while all of these are busy.
    """

    def __init__(self, methods: Mapping[str, Method], threads: int, watchers: Sequence[Watcher] = ()) -> None:
        """Each of `watchers` is shown every call that has ended."""
        self._pool = ThreadPoolExecutor(threads, "call")
        self._methods = {f"/{SERVICE}/{name}": (name, method) for name, method in methods.items()}
        self._watchers = tuple(watchers)
        self._draining = False

    def drain(self) -> None:
        self._draining = True

    def waiting(self) -> int:
        """How many calls wait for a thread now."""
        return self._pool._work_queue.qsize()

    def service(self, handler_call_details: Any) -> Any:
        found = self._methods.get(handler_call_details.method)
        if found is None:
            return None
        name, method = found
        admitted, arrived = not self._draining, time.monotonic()

        def handle(data: bytes, context: Any) -> bytes:
            record = CallRecord(name, context.time_remaining(), arrived)
            record.stages.append(Stage("queue", arrived, time.monotonic()))
            return self._answer(method if admitted else _refuse, data, record, context)

        handle.experimental_thread_pool = self._pool  # type: ignore[attr-defined] # gRPC looks for it
        return grpc.unary_unary_rpc_method_handler(handle)

    def _answer(self, method: Method, data: bytes, record: CallRecord, context: Any) -> bytes:
        try:
            answer = method(data, record)
        except CallError as error:
            if error.reason in (Reason.MODEL_FAILED, Reason.INTERNAL):
                log.error("a call failed: %s: %s", error.reason.name, error.message)
            self._end(record, error.reason.name, context)
            _abort(context, error)
        except Exception:
            number = uuid.uuid4().hex[:12]
            log.exception("a call failed: %s", number)
            self._end(record, Reason.INTERNAL.name, context)
            _abort(
                context,
                CallError(
                    Reason.INTERNAL,
                    f"a fault of the server, in its log under: {number}",
                    metadata={"id": number},
                ),
            )
        self._end(record, ANSWERED, context)
        return answer

    def _end(self, record: CallRecord, outcome: str, context: Any) -> None:
        record.ended = time.monotonic()
        record.outcome = CANCELLED if outcome == ANSWERED and not context.is_active() else outcome
        for watcher in self._watchers:
            try:
                watcher(record)
            except Exception:
                log.exception("a watcher of calls failed")


def _refuse(data: bytes, record: CallRecord) -> bytes:
    raise CallError(Reason.DRAINING, "the server is stopping", help="ask another one")


def _abort(context: Any, error: CallError) -> NoReturn:
    context.set_trailing_metadata(to_details(error))
    context.abort(error.reason.code, error.message)
    raise AssertionError("abort raises")
