"""A model's versions behind gRPC, for clients of TensorFlow Serving and of the KServe v2 protocol."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from compiler.signature import ModelSignature
from featdsl.errors import InputError
from online.admission import Admission
from online.budget import NO_LIMIT_S
from online.call_threads import CallThreads, refused_here
from online.errors import CallError, to_details
from online.listening import SERVER_OPTIONS
from online.model_server.labels import Labels
from online.model_server.tfserving_tensors import NotATensor
from online.models import CallerGone, ModelFailed, ModelServer, ModelServerDown, ModelTimeout
from online.observe.model_metrics import ModelCalls
from online.observe.record import CallRecord, current_call
from online.receiving import Receiving
from online.versions import Serving, VersionWatcher

log = logging.getLogger("featdsl.models")

DEFAULT_TIMEOUT_S = 10.0
"""Of calls that name none."""

_LAST_WORDS_S = 1.0
"""Beyond the grace, for calls that gRPC ends to end."""

_PREDICTIONS = ("Predict", "ModelInfer")
_MOST_WAITING = 500
_LONGEST_WAIT_S = 10.0
_THREADS_BESIDE = 64
"""For predictions that come while as many wait as may."""
_THREADS_OF_THE_REST = 16

Arrays = dict[str, npt.NDArray[Any]]
Method = Callable[[bytes, float], bytes]
"""Takes the request's bytes and the seconds that are left. Errors: `FaceError`."""


class FaceError(Exception):
    """What a caller is told."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class FacedModel:
    """One model with its versions, as every protocol needs it."""

    def __init__(
        self,
        signature: ModelSignature,
        server: ModelServer,
        versions: VersionWatcher,
        labels: Labels | None = None,
        calls: ModelCalls | None = None,
    ) -> None:
        self.signature = signature
        self.versions = versions
        self.calls = calls or ModelCalls()
        self._server = server
        self._labels = labels

    def named(self, name: str) -> None:
        """Errors: `FaceError` for another model than this one."""
        if name != self.signature.name:
            raise FaceError(
                grpc.StatusCode.NOT_FOUND, f"no such model: {name}; here is {self.signature.name}"
            )

    def labelled(self, label: str) -> int:
        """The version that a label names. Errors: `FaceError`."""
        known = {} if self._labels is None else self._labels.known()
        if label not in known:
            raise FaceError(grpc.StatusCode.INVALID_ARGUMENT, f"no such label: {label}")
        return known[label]

    @contextmanager
    def version(self, number: int | None) -> Iterator[Serving]:
        """The version for one call: the one that serves, or one by its number that is loaded.
        Errors: `FaceError`."""
        try:
            with self.versions.pin(number) as serving:
                yield serving
        except CallError as error:
            code = grpc.StatusCode.UNAVAILABLE if number is None else grpc.StatusCode.NOT_FOUND
            raise FaceError(code, error.message) from error

    def ready(self, number: int | None = None) -> bool:
        """Whether a version would answer."""
        try:
            with self.version(number) as serving:
                self._server.ping(serving.handle)
        except (FaceError, ModelServerDown):
            return False
        return True

    def predict(self, serving: Serving, tensors: Arrays, left_s: float) -> Arrays:
        """Errors: `FaceError`."""
        self._check(tensors)
        self.calls.asked(next((len(tensors[t.name]) for t in self.signature.inputs if not t.per_request), 1))
        try:
            return self._server.predict(serving.handle, tensors, left_s)
        except ModelTimeout as fault:
            raise FaceError(grpc.StatusCode.DEADLINE_EXCEEDED, str(fault)) from fault
        except CallerGone as fault:
            raise FaceError(grpc.StatusCode.CANCELLED, "the caller went away") from fault
        except ModelServerDown as fault:
            raise FaceError(grpc.StatusCode.UNAVAILABLE, str(fault)) from fault
        except ModelFailed as fault:
            raise FaceError(grpc.StatusCode.INTERNAL, f"the model failed: {fault}") from fault

    def wanted(self, names: list[str]) -> list[str]:
        """The outputs that are asked for, all if none is named. Errors: `FaceError`."""
        known = [column.name for column in self.signature.outputs]
        for name in names:
            if name not in known:
                raise FaceError(
                    grpc.StatusCode.INVALID_ARGUMENT, f"no such output: {name}; there are {', '.join(known)}"
                )
        return names or known

    def _check(self, tensors: Arrays) -> None:
        known = {tensor.name: tensor for tensor in self.signature.inputs}
        for name in tensors:
            if name not in known:
                raise _bad(f"no such input: {name}; there are {', '.join(known)}")
        rows = None
        for name, tensor in known.items():
            if name not in tensors:
                raise _bad(f"an input is missing: {name}")
            given, shape = tensors[name], tensor.shape
            if given.dtype != np.dtype(tensor.dtype):
                raise _bad(f"input {name} is {given.dtype.name}, the model wants {tensor.dtype}")
            if len(given.shape) != len(shape) or any(
                size is not None and size != found for size, found in zip(shape, given.shape, strict=True)
            ):
                wanted = ", ".join("n" if size is None else str(size) for size in shape)
                raise _bad(f"input {name} has shape {list(given.shape)}, the model wants [{wanted}]")
            if not tensor.per_request:
                if rows is not None and rows != given.shape[0]:
                    raise _bad(f"input {name} has {given.shape[0]} rows, another has {rows}")
                rows = given.shape[0]


def _bad(message: str) -> FaceError:
    return FaceError(grpc.StatusCode.INVALID_ARGUMENT, message)


class ModelFace(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the methods of some protocols on a port.

    Predictions have threads of their own, in which they wait for the rest of their request and then for their turn;
    those that would wait too long are refused when they come. So what tells of health and versions is answered while
    all of these are busy, and a client that sends slowly keeps no other waiting.
    """

    def __init__(self, model: FacedModel, methods: Mapping[str, Method], *, threads: int = 8) -> None:
        """`threads`: predictions that run at once."""
        self._model = model
        self._methods = methods
        self._admission = Admission(threads, _MOST_WAITING, _LONGEST_WAIT_S)
        self._receiving = Receiving()
        self._pool = CallThreads(threads + _MOST_WAITING + _THREADS_BESIDE, self._admission.refusal)
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS_OF_THE_REST, "status"),
            handlers=[self],
            options=[*SERVER_OPTIONS, ("grpc.so_reuseport", 0)],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def start(self, host: str, port: int) -> int:
        """Listens; returns the port. Errors: `InputError` when it is taken."""
        try:
            bound: int = self._server.add_insecure_port(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            )
        except RuntimeError as fault:
            raise InputError(
                f"cannot listen on {host}:{port}", help="another program may have the port"
            ) from fault
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._server.start()
        return bound

    def stop(self, grace_s: float) -> None:
        """Takes nothing new, and finishes what has arrived."""
        self._health.enter_graceful_shutdown()
        ending = self._server.stop(grace_s)
        self._receiving.stop()
        if not ending.wait(grace_s + _LAST_WORDS_S):
            log.error("calls that were given up have not ended, and are left")
        self._receiving.end()
        self._pool.shutdown(wait=False)

    def service(self, handler_call_details: Any) -> Any:
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return None
        name = handler_call_details.method.rpartition("/")[2]
        waits = name in _PREDICTIONS
        run = self._in_turn(method) if waits else method

        def handle(requests: Iterator[bytes], context: Any) -> bytes:
            refusal = refused_here()

            def request() -> bytes:
                if refusal is not None:
                    raise refusal
                return self._receiving.take(requests, context)

            return self._answer(name, run, request, context)

        if waits:
            handle.experimental_thread_pool = self._pool  # type: ignore[attr-defined] # gRPC looks for it
        return grpc.stream_unary_rpc_method_handler(handle)

    def _in_turn(self, method: Method) -> Method:
        """The same, which waits for its turn. Errors: `CallError`."""

        def run(data: bytes, left_s: float) -> bytes:
            record = current_call.get()
            assert record is not None
            arrived = time.monotonic()
            waiting = self._admission.arrive(left_s)
            if waiting is not None:
                with record.waits(waiting.cancel):
                    waiting.wait()
            started, whole = time.monotonic(), True
            try:
                return method(data, left_s - (started - arrived))
            except FaceError as error:
                whole = error.code not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
                raise
            finally:
                self._admission.leave(time.monotonic() - started, whole=whole)

        return run

    def _answer(self, name: str, method: Method, request: Callable[[], bytes], context: Any) -> bytes:
        started, code = time.monotonic(), grpc.StatusCode.INTERNAL
        record = CallRecord(name)
        if not context.add_callback(record.cancel):
            record.cancel()
        before = current_call.set(record)
        try:
            answer, code = _answered(method, request, context), grpc.StatusCode.OK
            return answer
        except Exception:
            code = context.code() or code  # that which it was aborted with
            raise
        finally:
            current_call.reset(before)
            self._model.calls.ended(name, code.name, time.monotonic() - started)


def _answered(method: Method, request: Callable[[], bytes], context: Any) -> bytes:
    try:
        data = request()
        left = context.time_remaining()
        return method(data, DEFAULT_TIMEOUT_S if left is None or left > NO_LIMIT_S else left)
    except FaceError as error:
        context.abort(error.code, str(error))
    except CallError as error:
        context.set_trailing_metadata(to_details(error))
        context.abort(error.reason.code, error.message)
    except (DecodeError, NotATensor) as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not a request: {error}")
    except Exception:
        number = uuid.uuid4().hex[:12]
        log.exception("a call failed: %s", number)
        context.abort(grpc.StatusCode.INTERNAL, f"a fault of the server, in its log under: {number}")
    raise AssertionError("abort raises")
