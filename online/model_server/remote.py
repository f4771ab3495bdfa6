"""A model server that is not ours to start: TensorFlow Serving or Triton, on one host or several.

The registry's version N is the other server's version N. `load` loads nothing: it waits until the hosts say that N is
ready, compares what N takes with what the program makes, and asks it once with zeros.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import numpy.typing as npt
from google.protobuf.message import DecodeError

from compiler.signature import ModelSignature
from online.model_server.address import ModelServerAddress
from online.model_server.agreement import Disagreement, RemoteModel, Sending, agree, rows_of, zeros
from online.model_server.hosts import Host, Hosts, Status
from online.model_server.retry_budget import RetryBudget
from online.model_server.tfserving_tensors import NotATensor
from online.models import (
    CallerGone,
    ModelFailed,
    ModelNotReady,
    ModelOverloaded,
    ModelRefused,
    ModelRefusedInputs,
    ModelServerDown,
    ModelTimeout,
    Tensors,
)
from online.observe.record import is_cancelled

_WAITED_FOR_ALL_S = 30.0
"""So long after the first host has a version, the others may still load it; then the ones that have it serve."""
_CHECK_AGAIN_S = 1.0
DESCRIBE_TIMEOUT_S = 10.0
_WARM_ROWS = (1, 64)
_SLOW_S = 0.25
"""A call that was given less says nothing of the host when its time is up."""
_TEXT = 400
"""Most characters of another server's message that are told."""

Arrays = dict[str, npt.NDArray[Any]]


class Wire(Protocol):
    """How one kind of model server is spoken with. A `Host` is one address with its connection."""

    kind: str
    """What people call it."""

    def look(self, host: Host) -> Status:
        """What the host has. Errors: `grpc.RpcError`."""

    def describe(self, host: Host, version: int) -> RemoteModel:
        """What a version takes and gives. Errors: `grpc.RpcError`, `Disagreement`."""

    def request(self, version: int, tensors: Tensors, outputs: tuple[str, ...]) -> bytes:
        """A call's tensors as bytes."""

    def ask(self, host: Host, request: bytes, timeout_s: float) -> bytes:
        """The answer's bytes. Errors: `grpc.RpcError`."""

    def answer(self, data: bytes) -> tuple[int, Arrays]:
        """The version that ran and its outputs. Errors: `NotATensor`, `DecodeError`."""

    def is_overloaded(self, code: grpc.StatusCode, said: str) -> bool:
        """Whether a failure says that too many calls wait."""

    def is_missing(self, code: grpc.StatusCode, said: str) -> bool:
        """Whether a failure says that the host does not have the version."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Why a version that is there was not taken, and until when that is not looked at again."""

    until: float
    reason: str


class RemoteModelServer:
    """A `ModelServer` of other servers' versions. Thread safe."""

    load_starts_threads = True
    """gRPC's, for its answers."""

    def __init__(
        self,
        wire: Wire,
        address: ModelServerAddress,
        signature: ModelSignature,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire = wire
        self._address = address
        self._signature = signature
        self._outputs = tuple(column.name for column in signature.outputs)
        self._clock = clock
        self._budget = RetryBudget()
        self._lock = threading.Lock()
        self._sendings: dict[int, tuple[Sending, ...]] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._first_seen: dict[int, float] = {}
        self._hosts = Hosts(address.hosts, wire.look, tls=address.tls)

    # --- ModelServer ---------------------------------------------------------------------------

    def load(self, version: int, directory: Path) -> None:
        if version in self._sendings:
            return
        if version < 1:
            raise ModelRefused(
                "another version of its number serves already, and the model server knows versions by number alone"
            )
        self._hosts.start()
        waiting = self._waiting.get(version)
        if waiting is not None and self._clock() < waiting.until:
            raise ModelNotReady(waiting.reason)
        hosts = self._ready_hosts(version)
        try:
            sendings = self._checked(version, hosts)
        except ModelNotReady as fault:
            self._waiting[version] = _Waiting(self._clock() + _CHECK_AGAIN_S, str(fault))
            raise
        with self._lock:
            self._sendings[version] = sendings
        self._waiting.pop(version, None)

    def unload(self, version: int) -> None:
        with self._lock:
            self._sendings.pop(version, None)
        self._first_seen.pop(version, None)

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> Arrays:
        sendings = self._sendings.get(version)
        if sendings is None:
            raise ModelNotReady(f"version {version} is not loaded")
        give_up = self._clock() + deadline_s
        rows = rows_of(self._signature, tensors)
        prepared = {sending.name: sending.prepared(tensors[sending.name], rows) for sending in sendings}
        data = self._ask(version, self._wire.request(version, prepared, self._outputs), give_up)
        return self._read(version, data, rows)

    def ping(self, version: int) -> None:
        up = self._hosts.up()
        if not up:
            raise ModelServerDown(self._hosts.problem())
        if not any(status.has(version) for _, status in up):
            raise ModelNotReady(f"no host has version {version} any more")

    def has(self, version: int) -> bool:
        up = self._hosts.up()
        return not up or any(status.has(version) for _, status in up)

    def followed(self) -> int | None:
        if not self._address.label:
            return None
        self._hosts.start()
        named = {status.labelled for _, status in self._hosts.up()}
        if not named:
            raise ModelServerDown(self._hosts.problem())
        if len(named) > 1 or named == {None}:
            found = "no version" if named == {None} else "several versions, the hosts do not agree"
            raise ModelNotReady(f"the label `{self._address.label}` names {found}")
        return named.pop()

    def close(self) -> None:
        self._hosts.close()

    # --- loading -------------------------------------------------------------------------------

    def _ready_hosts(self, version: int) -> list[Host]:
        """The hosts to check a version on. Errors: `ModelServerDown`, `ModelNotReady`."""
        up = self._hosts.up()
        if not up:
            raise ModelServerDown(self._hosts.problem())
        ready = [host for host, status in up if status.has(version)]
        absent = [(host, status) for host, status in up if not status.has(version)]
        since = self._first_seen.setdefault(version, self._clock()) if ready else self._clock()
        if absent and self._clock() - since < _WAITED_FOR_ALL_S:
            said = "; ".join(
                f"{host.address}: {status.others.get(version) or status.problem or 'it does not have it'}"
                for host, status in absent
            )
            raise ModelNotReady(f"{self._wire.kind} does not have version {version} ready ({said})")
        return ready

    def _checked(self, version: int, hosts: list[Host]) -> tuple[Sending, ...]:
        """How its tensors are sent, when every host takes them and answers. Errors: `ModelNotReady`."""
        sendings: tuple[Sending, ...] = ()
        for host in hosts:
            try:
                sendings = self._agreed(host, version)
                self._warm(host, version, sendings)
            except Disagreement as fault:
                raise ModelNotReady(
                    f"version {version} on {host.address} is of another program: {fault}"
                ) from fault
            except grpc.RpcError as error:
                raise ModelNotReady(f"version {version} on {host.address}: {_said(error)}") from error
            except DecodeError as fault:
                raise ModelNotReady(f"what {host.address} says of version {version} does not read") from fault
            except ModelFailed as fault:
                raise ModelNotReady(f"version {version} on {host.address} does not run: {fault}") from fault
        return sendings

    def _agreed(self, host: Host, version: int) -> tuple[Sending, ...]:
        theirs = self._wire.describe(host, version)
        if self._address.repeat_rows:
            theirs = RemoteModel(theirs.inputs, theirs.outputs, one_batch=True)
        return agree(self._signature, theirs)

    def _warm(self, host: Host, version: int, sendings: tuple[Sending, ...]) -> None:
        for rows in _WARM_ROWS:
            tensors = zeros(self._signature, rows)
            prepared = {sending.name: sending.prepared(tensors[sending.name], rows) for sending in sendings}
            request = self._wire.request(version, prepared, self._outputs)
            outputs = self._read(version, self._wire.ask(host, request, DESCRIBE_TIMEOUT_S), rows)
            for name in self._outputs:
                if name not in outputs or outputs[name].shape != (rows,):
                    found = list(outputs[name].shape) if name in outputs else "nothing"
                    raise ModelFailed(f"it gives {found} for `{name}`, wanted [{rows}]")

    # --- calls ---------------------------------------------------------------------------------

    def _ask(self, version: int, request: bytes, give_up: float) -> bytes:
        """Asks one host, and others while the call's time, the budget and the kind of failure allow it."""
        self._budget.earn()
        tried: set[Host] = set()
        while True:
            left = give_up - self._clock()
            if left <= 0:
                raise ModelTimeout(f"version {version} did not answer in time")
            with self._hosts.asking(version, tried) as host:
                try:
                    data = self._wire.ask(host, request, left)
                except grpc.RpcError as error:
                    if is_cancelled():
                        raise CallerGone from error
                    failed = error
                else:
                    self._hosts.worked(host)
                    return data
            again = host in tried
            tried.add(host)
            fault = self._fault(host, version, failed, left)
            if isinstance(fault, ModelNotReady):
                # a refusal costs a host nothing: the next one is asked outside the budget
                if self._hosts.others(version, tried):
                    continue
            elif isinstance(fault, ModelServerDown) and not again and self._budget.take():
                continue
            raise fault from failed

    def _fault(self, host: Host, version: int, error: grpc.RpcError, given_s: float) -> Exception:
        """What a failed call says, in our terms; and what it says of the host is noted."""
        code, said = error.code(), _said(error)
        text = f"{host.address}: {said}"
        if self._wire.is_missing(code, said):
            self._hosts.lacks(host, version, said)
            return ModelNotReady(text)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            if given_s >= _SLOW_S:
                self._hosts.failed(host, "no answer in time")
            return ModelTimeout(f"{host.address} did not answer in {given_s:.3f} s")
        if self._wire.is_overloaded(code, said):
            return ModelOverloaded(text)
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            self._hosts.failed(host, said)
            return ModelServerDown(text)
        self._hosts.worked(host)  # it answers, if not as one wishes
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return ModelServerDown(f"what answers at {host.address} is no {self._wire.kind}: {said}")
        if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            return ModelRefusedInputs(text)
        return ModelFailed(text)

    def _read(self, version: int, data: bytes, rows: int) -> Arrays:
        try:
            ran, outputs = self._wire.answer(data)
        except (NotATensor, DecodeError) as fault:
            raise ModelFailed(f"its answer does not read: {fault}") from fault
        if ran not in (0, version):
            raise ModelFailed(f"version {ran} answered, version {version} was asked")
        return {
            name: array.reshape(rows) if array.shape == (rows, 1) else array
            for name, array in outputs.items()
        }


def _said(error: grpc.RpcError) -> str:
    said = " ".join((error.details() or error.code().name.lower()).split())
    return said if len(said) <= _TEXT else f"{said[:_TEXT]}…"
