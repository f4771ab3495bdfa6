"""The gRPC face of the scorer: bytes in, bytes out, and an answer to everything that arrives."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from online.errors import CallError, Reason, to_details
from online.proto import SERVICE

log = logging.getLogger("featdsl.service")


Method = Callable[[bytes, float | None], bytes]
"""Takes the request's bytes and the seconds that the caller gives (None: no limit)."""


class ScorerService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Requests are parsed in the method, not by gRPC, so that bytes which are no request get a reason too.

    Whether a call is admitted is decided when it arrives, before it waits for a thread: what had arrived when
    `drain` was called is answered, what arrives later is refused as DRAINING. Calls run on threads of their
    own, so that health is told while all of these are busy.
    """

    def __init__(self, methods: Mapping[str, Method], threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "call")
        self._methods = {f"/{SERVICE}/{name}": method for name, method in methods.items()}
        self._draining = False

    def drain(self) -> None:
        self._draining = True

    def service(self, handler_call_details: Any) -> Any:
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return None
        admitted = not self._draining

        def handle(data: bytes, context: Any) -> bytes:
            if not admitted:
                _abort(context, CallError(Reason.DRAINING, "the server is stopping", help="ask another one"))
            return _answer(method, data, context)

        handle.experimental_thread_pool = self._pool  # type: ignore[attr-defined] # gRPC looks for it
        return grpc.unary_unary_rpc_method_handler(handle)


def _answer(method: Method, data: bytes, context: Any) -> bytes:
    try:
        return method(data, context.time_remaining())
    except CallError as error:
        if error.reason in (Reason.MODEL_FAILED, Reason.INTERNAL):
            log.error("a call failed: %s: %s", error.reason.name, error.message)
        _abort(context, error)
    except Exception:
        number = uuid.uuid4().hex[:12]
        log.exception("a call failed: %s", number)
        _abort(
            context,
            CallError(
                Reason.INTERNAL,
                f"a fault of the server, in its log under: {number}",
                metadata={"id": number},
            ),
        )


def _abort(context: Any, error: CallError) -> NoReturn:
    context.set_trailing_metadata(to_details(error))
    context.abort(error.reason.code, error.message)
    raise AssertionError("abort raises")
