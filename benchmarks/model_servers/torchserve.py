"""TorchServe, and a client of its gRPC that the scoring server can use as its model server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from safetensors.numpy import load, save

from benchmarks.measure import ROOT
from online.models import ModelFailed, ModelServerDown, Tensors
from online.proto import MAX_MESSAGE_BYTES
from tests.services import free_port

HANDLER = Path(__file__).with_name("torchserve_handler.py")
ENVIRONMENT = ROOT / ".venv-torchserve" / "bin"

_PACKAGE = "org.pytorch.serve.grpc.inference"
_READY_S = 120.0
_QUIET = (
    '<Configuration><Appenders><Console name="out"><PatternLayout/></Console></Appenders>'
    '<Loggers><Root level="error"><AppenderRef ref="out"/></Root></Loggers></Configuration>'
)
"""It would write several lines a call."""
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]


class TorchServe:
    """A `ModelServer` whose one version TorchServe has already."""

    def __init__(self, address: str) -> None:
        self._request, self._answer = _messages()
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._predict = self._channel.unary_unary(f"/{_PACKAGE}.InferenceAPIsService/Predictions")

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
        whole = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
        request = self._request(model_name="ranker", input={"tensors": whole})
        try:
            data = self._predict(request.SerializeToString(), timeout=deadline_s)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise ModelServerDown(error.details()) from error
            raise ModelFailed(error.details()) from error
        found: dict[str, npt.NDArray[Any]] = load(self._answer.FromString(data).prediction)
        return found

    load_starts_threads = True

    def load(self, version: int, directory: Path) -> None:
        """It has been loaded."""

    def unload(self, version: int) -> None:
        """It stays."""

    def ping(self, version: int) -> None:
        """Its calls tell."""

    def has(self, version: int) -> bool:
        return True

    def followed(self) -> int | None:
        return None

    def close(self) -> None:
        self._channel.close()


@contextmanager
def torchserve(saved: Path) -> Iterator[tuple[str, int]]:
    """TorchServe with one worker of a saved model: the address of its gRPC, its process. Batches are off, as one
    call's candidates are a batch; the rest is its default. Errors: `SystemExit` where it does not start."""
    if not (ENVIRONMENT / "torchserve").exists():
        raise SystemExit("the environment of TorchServe is missing; make it with `make peers`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _archive(saved, folder)
        port, log = free_port(), folder / "log"
        (folder / "config.properties").write_text(
            f"inference_address=http://127.0.0.1:{free_port()}\nmanagement_address=http://127.0.0.1:{free_port()}\n"
            f"metrics_address=http://127.0.0.1:{free_port()}\ngrpc_inference_address=127.0.0.1\n"
            f"grpc_management_address=127.0.0.1\ngrpc_inference_port={port}\ngrpc_management_port={free_port()}\n"
            f"default_workers_per_model=1\nmax_request_size={MAX_MESSAGE_BYTES}\n"
            f"max_response_size={MAX_MESSAGE_BYTES}\nasync_logging=true\n"
        )
        (folder / "log4j2.xml").write_text(_QUIET)
        command = [
            *(str(ENVIRONMENT / "torchserve"), "--start", "--foreground", "--ncs", "--disable-token-auth"),
            *("--ts-config", str(folder / "config.properties"), "--model-store", str(folder)),
            *("--models", "ranker=ranker.mar", "--log-config", str(folder / "log4j2.xml")),
        ]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={
                    **os.environ,
                    "LOG_LOCATION": name,
                    "METRICS_LOCATION": name,
                    "TEMP": name,
                    "TMPDIR": name,
                    "PATH": f"{ENVIRONMENT}{os.pathsep}{os.environ['PATH']}",
                },
            )
        try:
            _wait(process, f"127.0.0.1:{port}", log)
            yield f"127.0.0.1:{port}", process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # Java and its workers are processes of their own
            process.wait()


def _archive(saved: Path, folder: Path) -> None:
    extra = [saved / "model.json", saved / "program.pt2", saved / "parameters.safetensors"]
    subprocess.run(
        [
            *(str(ENVIRONMENT / "torch-model-archiver"), "--model-name", "ranker", "--version", "1"),
            *("--handler", str(HANDLER), "--extra-files", ",".join(map(str, extra))),
            *("--export-path", str(folder), "--archive-format", "zip-store"),
        ],
        check=True,
        capture_output=True,
    )
    assert shutil.which("java") is not None, "java is missing; `make setup` installs it"


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Until it answers calls."""
    request, _ = _messages()
    data = request(model_name="ranker", input={"tensors": save({})}).SerializeToString()
    give_up = time.monotonic() + _READY_S
    while True:
        with grpc.insecure_channel(address) as channel:
            method = channel.unary_unary(f"/{_PACKAGE}.InferenceAPIsService/Predictions")
            with contextlib.suppress(grpc.RpcError):
                method(data, timeout=5, wait_for_ready=True)
                return
        if process.poll() is not None or time.monotonic() > give_up:
            raise SystemExit(f"TorchServe does not answer:\n{log.read_text()[-4000:]}")
        time.sleep(0.3)


def _messages() -> tuple[Any, Any]:
    """Its request and answer, which the package has no Python of."""
    file = descriptor_pb2.FileDescriptorProto(name="torchserve.proto", package=_PACKAGE, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    text, raw, message = kinds.TYPE_STRING, kinds.TYPE_BYTES, kinds.TYPE_MESSAGE
    request = file.message_type.add(name="PredictionsRequest")
    request.field.add(name="model_name", number=1, type=text, label=1)
    request.field.add(name="model_version", number=2, type=text, label=1)
    entry = f".{_PACKAGE}.PredictionsRequest.InputEntry"
    request.field.add(name="input", number=3, type=message, label=3, type_name=entry)
    pair = request.nested_type.add(name="InputEntry")
    pair.options.map_entry = True
    pair.field.add(name="key", number=1, type=text, label=1)
    pair.field.add(name="value", number=2, type=raw, label=1)
    file.message_type.add(name="PredictionResponse").field.add(name="prediction", number=1, type=raw, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("PredictionsRequest", "PredictionResponse")
    found = [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in names
    ]
    return found[0], found[1]
