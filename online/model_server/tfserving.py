"""TensorFlow Serving's protocol: PredictionService and ModelService, without TensorFlow."""

from __future__ import annotations

import grpc

from online.model_server.address import ModelServerAddress
from online.model_server.agreement import Disagreement, RemoteModel, RemoteTensor
from online.model_server.hosts import LOOK_TIMEOUT_S, Host, Status
from online.model_server.remote import DESCRIBE_TIMEOUT_S, Arrays
from online.model_server.tfserving_tensors import DTYPES, decode, encode, shape_of
from online.models import Tensors
from online.proto.tensorflow_serving_pb2 import (
    DataType,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelSpec,
    ModelVersionStatus,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    TensorInfo,
)

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

_SIGNATURES = "signature_def"
_DEFAULT_SIGNATURE = "serving_default"
_NAMES = {number: name for name, number in DTYPES.items()}
_FULL = "queue"
"""In what the server says when its batching queue is full, under UNAVAILABLE."""


class TensorFlowServing:
    """The `Wire` of TensorFlow Serving."""

    kind = "TensorFlow Serving"

    def __init__(self, address: ModelServerAddress) -> None:
        self._name = address.name
        self._signature = address.signature
        self._label = address.label

    def look(self, host: Host) -> Status:
        request = GetModelStatusRequest(model_spec=ModelSpec(name=self._name))
        try:
            data = host.ask(STATUS, request.SerializeToString(), LOOK_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return Status(problem=f"it has no version of a model `{self._name}`")
            raise
        states = GetModelStatusResponse.FromString(data).model_version_status
        available, ended = ModelVersionStatus.State.AVAILABLE, ModelVersionStatus.State.END
        return Status(
            ready=frozenset(one.version for one in states if one.state == available),
            others={one.version: _state(one) for one in states if one.state != available},
            labelled=self._labelled(host) if self._label else None,
            failed={o.version: _state(o) for o in states if o.state == ended and o.status.error_message},
        )

    def _labelled(self, host: Host) -> int | None:
        """The version that the label names. GetModelStatus takes no notice of labels, GetModelMetadata does."""
        spec = ModelSpec(name=self._name, version_label=self._label)
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=[_SIGNATURES])
        try:
            data = host.ask(METADATA, request.SerializeToString(), LOOK_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
                return None
            raise
        return int(GetModelMetadataResponse.FromString(data).model_spec.version.value)

    def describe(self, host: Host, version: int) -> RemoteModel:
        request = GetModelMetadataRequest(model_spec=self._spec(version), metadata_field=[_SIGNATURES])
        data = host.ask(METADATA, request.SerializeToString(), DESCRIBE_TIMEOUT_S)
        packed = GetModelMetadataResponse.FromString(data).metadata[_SIGNATURES].value
        signatures = SignatureDefMap.FromString(packed).signature_def
        name = self._signature or _DEFAULT_SIGNATURE
        if name not in signatures:
            raise Disagreement(
                f"it has no signature `{name}`, there are: {', '.join(sorted(signatures)) or 'none'}"
            )
        signature = signatures[name]
        return RemoteModel(
            {name: _tensor(info) for name, info in signature.inputs.items()},
            {name: _tensor(info) for name, info in signature.outputs.items()},
        )

    def request(self, version: int, tensors: Tensors, outputs: tuple[str, ...]) -> bytes:
        message = PredictRequest(model_spec=self._spec(version), output_filter=outputs)
        for name, tensor in tensors.items():
            encode(tensor, message.inputs[name])
        return bytes(message.SerializeToString())

    def ask(self, host: Host, request: bytes, timeout_s: float) -> bytes:
        return host.ask(PREDICT, request, timeout_s)

    def answer(self, data: bytes) -> tuple[int, Arrays]:
        message = PredictResponse.FromString(data)
        return message.model_spec.version.value, {n: decode(t) for n, t in message.outputs.items()}

    def is_overloaded(self, code: grpc.StatusCode, said: str) -> bool:
        return code is grpc.StatusCode.RESOURCE_EXHAUSTED or (
            code is grpc.StatusCode.UNAVAILABLE and _FULL in said
        )

    def is_missing(self, code: grpc.StatusCode, said: str) -> bool:
        return code is grpc.StatusCode.NOT_FOUND

    def _spec(self, version: int) -> ModelSpec:
        spec = ModelSpec(name=self._name, signature_name=self._signature)
        spec.version.value = version
        return spec


def _tensor(info: TensorInfo) -> RemoteTensor:
    known = info.dtype in _NAMES
    dtype = (
        _NAMES[info.dtype] if known else DataType.Name(info.dtype) if info.dtype in DataType.values() else "?"
    )
    return RemoteTensor(dtype, shape_of(info.tensor_shape))


def _state(one: ModelVersionStatus) -> str:
    name = ModelVersionStatus.State.Name(one.state).lower()
    return f"{name}, {one.status.error_message}" if one.status.error_message else name
