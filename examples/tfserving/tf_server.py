"""A small server of TensorFlow Serving's protocol, on its real stubs, with TensorFlow running the SavedModels.

For trying things and for tests, where the real `tensorflow_model_server` is not at hand. It behaves as that does:
versions are folders `<base>/<number>`, looked for every now and then; of `latest` (1) the newest serve, or those that
a configuration names, which ReloadConfig replaces; a new version is loaded before an old one goes; labels, states and
errors are the same.

.venv-tensorflow/bin/python examples/tfserving/tf_server.py --model ranker=models/ranker --port 8500
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

State = get_model_status_pb2.ModelVersionStatus.State
DEFAULT_SIGNATURE = "serving_default"


class Models:
    """The versions of one model: those on disk, those that serve, and the labels."""

    def __init__(self, name: str, base: Path, latest: int) -> None:
        self.name = name
        self.base = base
        self.latest = latest
        self.lock = threading.Lock()
        self.loaded: dict[int, Any] = {}
        self.states: dict[int, tuple[int, str]] = {}
        self.named: list[int] | None = None
        self.given: dict[str, int] = {}

    def configure(self, config: Any) -> None:
        """What a ModelConfig says of it: the versions, and the labels of those that are AVAILABLE."""
        policy = config.model_version_policy
        self.base = Path(config.base_path)
        self.named = list(policy.specific.versions) if policy.HasField("specific") else None
        self.latest = 0 if policy.HasField("all") else policy.latest.num_versions or 1
        self.look()
        for label, version in config.version_labels.items():
            if self.states.get(version, (State.UNKNOWN, ""))[0] != State.AVAILABLE:
                raise ValueError(
                    f"Request to assign label ({label}) to version {version} of model {self.name}, "
                    "which is not currently available for inference"
                )
        self.given = dict(config.version_labels)

    def look(self) -> None:
        """Loads what is new, then lets go of what is old."""
        found = sorted(int(path.name) for path in self.base.glob("*") if path.name.isdecimal())
        if self.named is not None:
            wanted = [version for version in found if version in self.named]
        else:
            wanted = found[-self.latest :] if self.latest else found
        for version in set(self.states) - set(found):
            if version not in self.loaded:
                del self.states[version]  # a folder of that number is another one when it comes
        for version in wanted:
            _, failure = self.states.get(version, (State.START, ""))
            if version not in self.loaded and not failure:
                self.load(version)
        for version in sorted(set(self.loaded) - set(wanted)):
            self.states[version] = State.UNLOADING, ""
            with self.lock:
                del self.loaded[version]
            self.states[version] = State.END, ""

    def load(self, version: int) -> None:
        self.states[version] = State.LOADING, ""
        try:
            model = tf.saved_model.load(str(self.base / str(version)))
        except Exception as fault:
            self.states[version] = State.END, str(fault)[:200]
            return
        with self.lock:
            self.loaded[version] = model
        self.states[version] = State.AVAILABLE, ""

    def labels(self) -> dict[str, int]:
        """Of `labels.json` in the model's folder, as the configuration file of the real one has them, and of
        ReloadConfig."""
        file = self.base / "labels.json"
        return {**(json.loads(file.read_text()) if file.exists() else {}), **self.given}

    def find(self, spec: Any, context: Any) -> tuple[int, Any]:
        choice = spec.WhichOneof("version_choice")
        with self.lock:
            if choice == "version_label":
                labels = self.labels()
                if spec.version_label not in labels:
                    text = f"Unrecognized servable version label: {spec.version_label}"
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
                version = labels[spec.version_label]
            elif choice == "version":
                version = spec.version.value
            else:
                version = max(self.loaded, default=0)
            if version not in self.loaded:
                text = f"Servable not found for request: Specific({self.name}, {version})"
                context.abort(grpc.StatusCode.NOT_FOUND, text)
            return version, self.loaded[version]


class Service(
    prediction_service_pb2_grpc.PredictionServiceServicer,  # type: ignore[misc] # generated, without types
    model_service_pb2_grpc.ModelServiceServicer,  # type: ignore[misc]
):
    """PredictionService and ModelService."""

    def __init__(self, models: dict[str, Models], *, typed: bool) -> None:
        self.models = models
        self.typed = typed
        self.looking = threading.Lock()

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        models = self._models(request.model_spec, context)
        version, model = models.find(request.model_spec, context)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        if name not in model.signatures:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature name: "{name}" not found in signature def',
            )
        function = model.signatures[name]
        inputs = function.structured_input_signature[1]
        given = {key: tf.constant(tf.make_ndarray(tensor)) for key, tensor in request.inputs.items()}
        if set(given) != set(inputs):
            text = f"input size does not match signature: {sorted(given)} != {sorted(inputs)}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        for key, tensor in given.items():
            if tensor.dtype != inputs[key].dtype or not inputs[key].shape.is_compatible_with(tensor.shape):
                text = f"input {key} is {tensor.dtype.name}{tensor.shape}, expected {inputs[key]}"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        outputs = function(**given)
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = models.name
        answer.model_spec.version.value = version
        answer.model_spec.signature_name = name
        for key in request.output_filter or outputs:
            answer.outputs[key].CopyFrom(self._tensor(outputs[key].numpy()))
        return answer

    def _tensor(self, values: Any) -> Any:
        """As typed fields, which is what the real server writes, or as raw bytes."""
        if not self.typed:
            return tf.make_tensor_proto(values)
        proto = tf.make_tensor_proto(0, dtype=values.dtype, shape=())
        tensor = type(proto)(dtype=proto.dtype, tensor_shape=tf.TensorShape(values.shape).as_proto())
        field = {"float32": tensor.float_val, "float64": tensor.double_val}[values.dtype.name]
        field.extend(values.ravel().tolist())
        return tensor

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        models = self._models(request.model_spec, context)
        version, _ = models.find(request.model_spec, context)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = models.name
        answer.model_spec.version.value = version
        saved = saved_model_pb2.SavedModel()
        saved.ParseFromString((models.base / str(version) / "saved_model.pb").read_bytes())
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in saved.meta_graphs[0].signature_def.items():
            signatures.signature_def[name].CopyFrom(signature)
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        models = self._models(request.model_spec, context)
        states = dict(models.states)
        if request.model_spec.WhichOneof("version_choice") == "version":
            states = {v: s for v, s in states.items() if v == request.model_spec.version.value}
        if not states:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {request.model_spec.name}"
            )
        answer = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, message) in sorted(states.items(), reverse=True):
            status = answer.model_version_status.add(version=version, state=state)
            status.status.error_message = message
            status.status.error_code = 2 if message else 0
        return answer

    def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = model_management_pb2.ReloadConfigResponse()
        with self.looking:
            try:
                wanted = {one.name: one for one in request.config.model_config_list.config}
                for name in set(self.models) - set(wanted):
                    del self.models[name]
                for name, config in wanted.items():
                    self.models.setdefault(name, Models(name, Path(config.base_path), 1)).configure(config)
            except ValueError as fault:
                answer.status.error_code, answer.status.error_message = 9, str(fault)
        return answer

    def look(self) -> None:
        with self.looking:
            for one in list(self.models.values()):
                one.look()

    def _models(self, spec: Any, context: Any) -> Models:
        if spec.name not in self.models:
            text = f"Servable not found for request: Latest({spec.name})"
            context.abort(grpc.StatusCode.NOT_FOUND, text)
        return self.models[spec.name]


def main() -> None:
    parser = argparse.ArgumentParser(description="TensorFlow Serving's protocol, on its real stubs.")
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--latest", type=int, default=1, help="how many versions serve; 0: all")
    parser.add_argument("--raw", action="store_true", help="answer with raw bytes, not with typed fields")
    parser.add_argument("--poll-s", type=float, default=0.2)
    parser.add_argument(
        "--tls", nargs=3, metavar=("KEY", "CERT", "CA"), help="of clients, CA has to vouch for"
    )
    args = parser.parse_args()
    models = {}
    for text in args.model:
        name, _, folder = text.partition("=")
        models[name] = Models(name, Path(folder), args.latest)
    service = Service(models, typed=not args.raw)
    service.look()
    server = grpc.server(
        futures.ThreadPoolExecutor(16),
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    address = f"127.0.0.1:{args.port}"
    if args.tls:
        key, certificate, ca = (Path(file).read_bytes() for file in args.tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    server.start()
    print(f"listening on {address}", flush=True)
    while True:
        time.sleep(args.poll_s)
        service.look()


if __name__ == "__main__":
    main()
