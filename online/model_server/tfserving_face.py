"""What clients of TensorFlow Serving ask: PredictionService and ModelService."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.wrappers_pb2 import Int64Value

from online.model_server.grpc_face import FacedModel, FaceError, Method
from online.model_server.tfserving_tensors import DTYPES, decode, encode
from online.proto.tensorflow_serving_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelSpec,
    ModelVersionStatus,
    PredictRequest,
    PredictResponse,
    SignatureDef,
    SignatureDefMap,
    StatusProto,
    TensorInfo,
)

_SIGNATURES = "signature_def"
_DEFAULT_SIGNATURE = "serving_default"
_METHOD = "tensorflow/serving/predict"
_STATES = {"serving": "AVAILABLE", "ready": "AVAILABLE", "refused": "END"}


class TensorFlowServingFace:
    """The methods of both services."""

    def __init__(self, model: FacedModel) -> None:
        self._model = model

    def methods(self) -> Mapping[str, Method]:
        return {
            "/tensorflow.serving.PredictionService/Predict": self.predict,
            "/tensorflow.serving.PredictionService/GetModelMetadata": self.metadata,
            "/tensorflow.serving.ModelService/GetModelStatus": self.status,
        }

    def predict(self, data: bytes, left_s: float) -> bytes:
        request = PredictRequest.FromString(data)
        number = self._version_of(request.model_spec)
        wanted = self._model.wanted(list(request.output_filter))
        tensors = {name: decode(tensor) for name, tensor in request.inputs.items()}
        with self._model.version(number) as serving:
            outputs = self._model.predict(serving, tensors, left_s)
        answer = PredictResponse(model_spec=self._spec(serving.version))
        for name in wanted:
            encode(outputs[name], answer.outputs[name])
        return bytes(answer.SerializeToString())

    def metadata(self, data: bytes, left_s: float) -> bytes:
        request = GetModelMetadataRequest.FromString(data)
        number = self._version_of(request.model_spec)
        for name in request.metadata_field:
            if name != _SIGNATURES:
                raise FaceError(grpc.StatusCode.INVALID_ARGUMENT, f"no such metadata: {name}")
        if not request.metadata_field:
            raise FaceError(grpc.StatusCode.INVALID_ARGUMENT, "no metadata_field is named")
        with self._model.version(number) as serving:
            answer = GetModelMetadataResponse(model_spec=self._spec(serving.version))
        signatures = SignatureDefMap(signature_def={_DEFAULT_SIGNATURE: self._signature()})
        answer.metadata[_SIGNATURES].CopyFrom(
            Packed(
                type_url="type.googleapis.com/tensorflow.serving.SignatureDefMap",
                value=signatures.SerializeToString(),
            )
        )
        return bytes(answer.SerializeToString())

    def status(self, data: bytes, left_s: float) -> bytes:
        """Of versions that are loaded, and those that were refused."""
        spec = GetModelStatusRequest.FromString(data).model_spec
        number = self._version_of(spec)
        answer = GetModelStatusResponse()
        for state in self._model.versions.states():
            if state.state in _STATES and number in (None, state.info.number):
                answer.model_version_status.add(
                    version=state.info.number,
                    state=ModelVersionStatus.State.Value(_STATES[state.state]),
                    status=StatusProto(error_code=3 if state.reason else 0, error_message=state.reason),
                )
        if not answer.model_version_status:
            raise FaceError(
                grpc.StatusCode.NOT_FOUND, f"no such version of {spec.name} is loaded: {number or 'any'}"
            )
        return bytes(answer.SerializeToString())

    def _version_of(self, spec: ModelSpec) -> int | None:
        self._model.named(spec.name)
        if spec.signature_name not in ("", _DEFAULT_SIGNATURE):
            raise FaceError(grpc.StatusCode.INVALID_ARGUMENT, f"no such signature: {spec.signature_name}")
        if spec.WhichOneof("version_choice") == "version_label":
            return self._model.labelled(spec.version_label)
        return int(spec.version.value) if spec.HasField("version") else None

    def _spec(self, version: int) -> ModelSpec:
        name = self._model.signature.name
        return ModelSpec(name=name, version=Int64Value(value=version), signature_name=_DEFAULT_SIGNATURE)

    def _signature(self) -> SignatureDef:
        signature = SignatureDef(method_name=_METHOD)
        for tensor in self._model.signature.inputs:
            _describe(signature.inputs[tensor.name], tensor.name, tensor.dtype, tensor.shape)
        for column in self._model.signature.outputs:
            _describe(signature.outputs[column.name], column.name, str(column.type), (None,))
        return signature


def _describe(info: TensorInfo, name: str, dtype: str, shape: tuple[int | None, ...]) -> None:
    info.name = f"{name}:0"
    info.dtype = DTYPES[dtype]
    for size in shape:
        info.tensor_shape.dim.add().size = -1 if size is None else size
