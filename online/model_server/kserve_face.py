"""What clients of the KServe v2 protocol ask, Triton's among them: GRPCInferenceService."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from featdsl import __version__
from online.model_server.grpc_face import FacedModel, FaceError, Method
from online.model_server.triton_tensors import DTYPES, add_output, decode_inputs
from online.proto.kserve_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)

_SERVICE = "inference.GRPCInferenceService"


class KServeFace:
    """The methods of the service. An answer has raw contents, or typed ones where the request has them."""

    def __init__(self, model: FacedModel) -> None:
        self._model = model

    def methods(self) -> Mapping[str, Method]:
        methods: dict[str, Method] = {
            "ServerLive": lambda data, left_s: ServerLiveResponse(live=True).SerializeToString(),
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.infer,
        }
        return {f"/{_SERVICE}/{name}": method for name, method in methods.items()}

    def server_ready(self, data: bytes, left_s: float) -> bytes:
        return bytes(ServerReadyResponse(ready=self._model.ready()).SerializeToString())

    def model_ready(self, data: bytes, left_s: float) -> bytes:
        request = ModelReadyRequest.FromString(data)
        known = request.name == self._model.signature.name
        ready = known and self._model.ready(_number(request.version))
        return bytes(ModelReadyResponse(ready=ready).SerializeToString())

    def server_metadata(self, data: bytes, left_s: float) -> bytes:
        return bytes(ServerMetadataResponse(name="featdsl", version=__version__).SerializeToString())

    def model_metadata(self, data: bytes, left_s: float) -> bytes:
        request = ModelMetadataRequest.FromString(data)
        self._model.named(request.name)
        with self._model.version(_number(request.version)):
            versions = [
                s.info.number for s in self._model.versions.states() if s.state in ("serving", "ready")
            ]
        signature = self._model.signature
        answer = ModelMetadataResponse(
            name=signature.name, versions=list(map(str, versions)), platform="pytorch_export"
        )
        for tensor in signature.inputs:
            shape = [-1 if size is None else size for size in tensor.shape]
            answer.inputs.add(name=tensor.name, datatype=DTYPES[tensor.dtype], shape=shape)
        for column in signature.outputs:
            answer.outputs.add(name=column.name, datatype=DTYPES[str(column.type)], shape=[-1])
        return bytes(answer.SerializeToString())

    def infer(self, data: bytes, left_s: float) -> bytes:
        request = ModelInferRequest.FromString(data)
        self._model.named(request.model_name)
        number = _number(request.model_version)
        wanted = self._model.wanted([output.name for output in request.outputs])
        tensors, raw = decode_inputs(request), len(request.raw_input_contents) > 0
        with self._model.version(number) as serving:
            outputs = self._model.predict(serving, tensors, left_s)
        answer = ModelInferResponse(
            model_name=request.model_name, model_version=str(serving.version), id=request.id
        )
        for name in wanted:
            add_output(name, outputs[name], answer, raw=raw)
        return bytes(answer.SerializeToString())


def _number(version: str) -> int | None:
    """A version by its number; the one that serves if none is named. Errors: `FaceError`."""
    if not version:
        return None
    if not version.isascii() or not version.isdigit():
        raise FaceError(grpc.StatusCode.INVALID_ARGUMENT, f"a version is a number: {version}")
    return int(version)
