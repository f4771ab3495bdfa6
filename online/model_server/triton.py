"""The KServe v2 protocol, which Triton and others speak, and Triton's own additions where they are there."""

from __future__ import annotations

import contextlib

import grpc

from online.errors import did_you_mean
from online.model_server.address import ModelServerAddress
from online.model_server.agreement import RemoteModel, RemoteTensor
from online.model_server.hosts import LOOK_TIMEOUT_S, Host, Status
from online.model_server.remote import DESCRIBE_TIMEOUT_S, Arrays
from online.model_server.triton_tensors import DTYPES, decode, encode, encode_typed
from online.models import Tensors
from online.proto.kserve_pb2 import (
    ModelConfig,
    ModelConfigRequest,
    ModelConfigResponse,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    RepositoryModelLoadRequest,
    RepositoryModelUnloadRequest,
)

SERVICE = "inference.GRPCInferenceService"
LOAD_TIMEOUT_S = 120.0

_READY = "READY"
_NAMES = {theirs: ours for ours, theirs in DTYPES.items()}
_FULL = ("maximum queue size", "timeout expired")
_NOT_THERE, _UNLOADED = "UNAVAILABLE", "unloaded"
_BY_ITSELF = "not allowed if"
"""In what Triton answers to a load where it looks at the repository by itself."""
_NOT_READY = "not at ready state"
"""Triton says all of these under UNAVAILABLE; a time that expires there is that of its queue."""


class Triton:
    """The `Wire` of Triton, and of other servers of the KServe v2 protocol."""

    kind = "Triton"

    def __init__(self, address: ModelServerAddress) -> None:
        self._name = address.name
        self._encode = encode_typed if address.typed_contents else encode
        self._unversioned = address.unversioned

    def look(self, host: Host) -> Status:
        if self._unversioned:
            ready = self._is_ready(host, "")
            return Status(
                unversioned=ready, problem="" if ready else f"the model `{self._name}` is not ready"
            )
        request = RepositoryIndexRequest().SerializeToString()
        try:
            data = host.ask(_path("RepositoryIndex"), request, LOOK_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return self._look_at_versions(host)
            raise
        models = RepositoryIndexResponse.FromString(data).models
        own = [one for one in models if one.name == self._name]
        if not own:
            known = sorted({one.name for one in models})
            return Status(problem=f"it has no model `{self._name}`, {did_you_mean(self._name, known)}")
        numbered = [one for one in own if one.version.isdecimal()]
        others = {int(o.version): o.reason or o.state.lower() for o in numbered if o.state != _READY}
        return Status(
            ready=frozenset(int(one.version) for one in numbered if one.state == _READY),
            others=others,
            problem="" if numbered else "the model is not loaded",
            failed={
                int(one.version): one.reason
                for one in numbered
                if one.state == _NOT_THERE and one.reason not in ("", _UNLOADED)
            },
        )

    def _look_at_versions(self, host: Host) -> Status:
        """The same without an index of the repository, which is Triton's alone."""
        try:
            versions = self._metadata(host, "", LOOK_TIMEOUT_S).versions
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return Status(problem=f"it has no model `{self._name}`")
            raise
        numbers = [text for text in versions if text.isdecimal()]
        ready = {text: self._is_ready(host, text) for text in numbers}
        return Status(
            ready=frozenset(int(text) for text in numbers if ready[text]),
            others={int(text): "not ready" for text in numbers if not ready[text]},
            problem="" if numbers else "the model is not loaded",
        )

    def _is_ready(self, host: Host, version: str) -> bool:
        request = ModelReadyRequest(name=self._name, version=version).SerializeToString()
        return bool(
            ModelReadyResponse.FromString(host.ask(_path("ModelReady"), request, LOOK_TIMEOUT_S)).ready
        )

    def _metadata(self, host: Host, version: str, timeout_s: float) -> ModelMetadataResponse:
        request = ModelMetadataRequest(name=self._name, version=version).SerializeToString()
        data = host.ask(_path("ModelMetadata"), request, timeout_s)
        answer: ModelMetadataResponse = ModelMetadataResponse.FromString(data)
        return answer

    def _config(self, host: Host, version: str) -> ModelConfig:
        """An empty one where the server has none to tell."""
        request = ModelConfigRequest(name=self._name, version=version).SerializeToString()
        try:
            data = host.ask(_path("ModelConfig"), request, DESCRIBE_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return ModelConfig()
            raise
        config: ModelConfig = ModelConfigResponse.FromString(data).config
        return config

    def describe(self, host: Host, version: int) -> RemoteModel:
        metadata = self._metadata(host, self._named(version), DESCRIBE_TIMEOUT_S)
        config = self._config(host, self._named(version))
        optional = {one.name for one in config.input if one.optional}
        return RemoteModel(
            {one.name: _tensor(one, one.name in optional) for one in metadata.inputs},
            {one.name: _tensor(one, False) for one in metadata.outputs},
            one_batch=config.max_batch_size > 0,
        )

    def request(self, version: int, tensors: Tensors, outputs: tuple[str, ...]) -> bytes:
        message = ModelInferRequest(model_name=self._name, model_version=self._named(version))
        for name, tensor in tensors.items():
            self._encode(name, tensor, message)
        for name in outputs:
            message.outputs.add(name=name)
        return bytes(message.SerializeToString())

    def ask(self, host: Host, request: bytes, timeout_s: float) -> bytes:
        return host.ask(_path("ModelInfer"), request, timeout_s)

    def answer(self, data: bytes) -> tuple[int, Arrays]:
        message = ModelInferResponse.FromString(data)
        version = "" if self._unversioned else message.model_version
        return int(version) if version.isdecimal() else 0, decode(message)

    def _named(self, version: int) -> str:
        return "" if self._unversioned else str(version)

    def is_overloaded(self, code: grpc.StatusCode, said: str) -> bool:
        return code is grpc.StatusCode.RESOURCE_EXHAUSTED or (
            code is grpc.StatusCode.UNAVAILABLE and any(text in said for text in _FULL)
        )

    def is_missing(self, code: grpc.StatusCode, said: str) -> bool:
        return code is grpc.StatusCode.NOT_FOUND or (
            code is grpc.StatusCode.UNAVAILABLE and _NOT_READY in said
        )


def load_model(address: str, name: str, timeout_s: float = LOAD_TIMEOUT_S) -> None:
    """Has a Triton of explicit model control load a model, or look at its versions again. It returns when they are
    ready. Errors: `grpc.RpcError`."""
    with contextlib.closing(Host(address)) as host:
        load_on(host, name, timeout_s)


def load_on(host: Host, name: str, timeout_s: float = LOAD_TIMEOUT_S) -> bool:
    """The same on a host that is connected. False where it looks for versions by itself, and is not to be told."""
    request = RepositoryModelLoadRequest(model_name=name)
    try:
        host.ask(_path("RepositoryModelLoad"), request.SerializeToString(), timeout_s)
    except grpc.RpcError as error:
        if _BY_ITSELF not in (error.details() or ""):
            raise
        return False
    return True


def unload_model(address: str, name: str, timeout_s: float = LOAD_TIMEOUT_S) -> None:
    """Has Triton unload all versions of a model. Errors: `grpc.RpcError`."""
    request = RepositoryModelUnloadRequest(model_name=name)
    with contextlib.closing(Host(address)) as host:
        host.ask(_path("RepositoryModelUnload"), request.SerializeToString(), timeout_s)


def _path(method: str) -> str:
    return f"/{SERVICE}/{method}"


def _tensor(metadata: ModelMetadataResponse.TensorMetadata, optional: bool) -> RemoteTensor:
    shape = tuple(None if size < 0 else int(size) for size in metadata.shape)
    return RemoteTensor(_NAMES.get(metadata.datatype, metadata.datatype), shape, optional)
