"""The gRPC face of the scorer: bytes in, bytes out, and an answer to everything that arrives."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import grpc

from online.admission import Admission
from online.budget import NO_LIMIT_S
from online.call_threads import CallThreads, refused_here
from online.errors import CallError, Reason, to_details
from online.observe.record import ANSWERED, CANCELLED, CallRecord, Stage, Watcher, current_call
from online.observe.tracing import CallTraces
from online.proto import SERVICE
from online.receiving import Receiving

log = logging.getLogger("featdsl.service")


Method = Callable[[bytes, CallRecord], bytes]
"""Takes the request's bytes and the call's record, in which it writes down what happens."""


_THREADS_BESIDE = 64
"""For calls that arrive while as many wait as may: they are told so at once."""

_TURN_S = 0.01
_QUIET_TURNS = 5
_SETTLES_IN_S = 1.0
"""At most, where calls come all the time."""


class ScorerService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Requests are parsed in the method, not by gRPC, so that bytes which are no request get a reason too.

    Whether a call is admitted is decided when it arrives, before it waits for a thread: what had arrived when
    `drain` was called is answered, what arrives later is refused as DRAINING. Calls run on threads of their
    own, so that health is told while all of these are busy.

    A call has a thread from its arrival on, and waits in it for the rest of its request, then for its turn: a
    client that sends slowly keeps no other from its turn. To gRPC the methods take a stream of requests, which
    is the same on the wire; so they are called before the request is there, and can give it up.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        admission: Admission,
        threads: int,
        watchers: Sequence[Watcher] = (),
        traces: CallTraces | None = None,
    ) -> None:
        """`threads`: for calls that run or wait. Each of `watchers` is shown every call that has ended; so is
        `traces`, which is told of its begin, too."""
        self._admission = admission
        self._receiving = Receiving()
        self._pool = CallThreads(threads + _THREADS_BESIDE, self._refusal)
        self._methods = {f"/{SERVICE}/{name}": (name, method) for name, method in methods.items()}
        self._traces = traces
        self._watchers: tuple[Watcher, ...] = tuple(watchers) if traces is None else (*watchers, traces)
        self._draining = False
        self._running: set[CallRecord] = set()
        self._given_up = False
        self._arrived = 0

    def drain(self) -> None:
        self._draining = True

    def settle(self) -> None:
        """Returns when gRPC has handed on the calls that it holds: it would end them without a word. It hands them on
        in a thread that waits for its turns of Python as the one that calls this does."""
        give_up, quiet = time.monotonic() + _SETTLES_IN_S, 0
        while quiet < _QUIET_TURNS and time.monotonic() < give_up:
            arrived = self._arrived
            time.sleep(_TURN_S)
            quiet = quiet + 1 if arrived == self._arrived else 0

    def give_up(self) -> None:
        """Ends the calls that still run, whatever they wait for: they are told that the server stops."""
        self._given_up = True
        self._receiving.stop()
        for record in list(self._running):
            record.cancel()

    def close(self) -> None:
        """Ends its threads, when gRPC hands on no more calls."""
        self._receiving.end()
        self._pool.shutdown(wait=False)

    def waiting(self) -> int:
        """How many calls wait for their turn now."""
        return self._admission.waiting

    def receiving(self) -> int:
        """How many calls wait for the rest of their request now."""
        return self._receiving.count

    def service(self, handler_call_details: Any) -> Any:
        found = self._methods.get(handler_call_details.method)
        if found is None:
            return None
        name, method = found
        admitted, arrived = not self._draining, time.monotonic()
        self._arrived += 1

        def handle(requests: Iterator[bytes], context: Any) -> bytes:
            record = CallRecord(name, arrived=arrived)
            refusal = refused_here()
            if refusal is not None:
                self._fail(refusal, record, context)
            try:
                data = self._receiving.take(requests, context)
            except CallError as error:
                self._fail(error, record, context)
            record.left_s = context.time_remaining()
            if not context.add_callback(record.cancel):
                record.cancel()
            if self._traces is not None:
                self._traces.begin(record, context.invocation_metadata())
            return self._answer(method if admitted else _refuse, data, record, context)

        def refused(why: CallError) -> None:
            self._show(CallRecord(name, arrived=arrived), why.reason.name)

        handle.refused = refused  # type: ignore[attr-defined] # `CallThreads` looks for it
        handle.experimental_thread_pool = self._pool  # type: ignore[attr-defined] # gRPC looks for it
        return grpc.stream_unary_rpc_method_handler(handle)

    def _refusal(self, left_s: float) -> CallError | None:
        """Why a call that arrives now gets no answer, if that is known."""
        if self._draining:
            return CallError(Reason.DRAINING, "the server is stopping", help="ask another one")
        return self._admission.refusal(left_s)

    def _in_turn(self, method: Method, data: bytes, record: CallRecord, context: Any) -> bytes:
        record.failed_in = "queue"
        # a call without a deadline comes with one that is centuries away
        left_s = min(NO_LIMIT_S, NO_LIMIT_S if record.left_s is None else record.left_s)
        waiting = self._admission.arrive(left_s)
        if waiting is not None:
            with record.waits(waiting.cancel):
                waiting.wait()
            record.left_s = context.time_remaining()
        started, whole = time.monotonic(), True
        before = current_call.set(record)
        try:
            record.stages.append(Stage("queue", record.arrived, started))
            return method(data, record)
        except CallError as error:
            whole = error.reason not in (Reason.DEADLINE_EXCEEDED, Reason.CANCELLED)
            raise
        finally:
            current_call.reset(before)
            self._admission.leave(time.monotonic() - started, whole=whole)

    def _answer(self, method: Method, data: bytes, record: CallRecord, context: Any) -> bytes:
        self._running.add(record)
        try:
            answer = self._in_turn(method, data, record, context)
        except CallError as error:
            self._fail(error, record, context)
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

    def _fail(self, error: CallError, record: CallRecord, context: Any) -> NoReturn:
        if error.reason is Reason.CANCELLED and self._given_up:
            error = CallError(
                Reason.DRAINING, "the server stops and had no more time", help="ask another one"
            )
        if error.reason in (Reason.MODEL_FAILED, Reason.INTERNAL):
            log.error("a call failed: %s: %s", error.reason.name, error.message)
        self._end(record, error.reason.name, context)
        _abort(context, error)

    def _end(self, record: CallRecord, outcome: str, context: Any) -> None:
        self._running.discard(record)
        self._show(record, CANCELLED if outcome == ANSWERED and not context.is_active() else outcome)

    def _show(self, record: CallRecord, outcome: str) -> None:
        record.ended, record.outcome = time.monotonic(), outcome
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
