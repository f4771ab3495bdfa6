"""`feat model-server`, asked by the real clients of TensorFlow Serving and of Triton."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import torch

from compiler.bundle import build
from featdsl.torch import save_model
from model_sync import open_registry
from online.proto.kserve_pb2 import ModelInferRequest, ModelMetadataRequest, ModelMetadataResponse
from tests.online.environments import run_in

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { plot: list<float32> }
model ranker {
  wide: float32 = movie.plot |> pad(4)
  once: int64 per request = hash(user, 100)
  output like: float32
  output second: float64
}
"""


class Weighted(torch.nn.Module):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, wide: torch.Tensor, once: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return wide.sum(1) * self.weight + once, wide[:, 1].double()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Version 1 has the weight 1 and stays loaded, version 2 has the weight 2 and serves."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "ranker.feat").write_text(PROGRAM)
    bundle = build(folder / "ranker.feat")
    registry = open_registry(f"dir://{folder / 'registry'}", create=True)
    registry.publish(save_model(Weighted(1.0), bundle, folder / "1"), now_us=1)
    port_file = folder / "port"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "featdsl.cli",
            "model-server",
            "--registry",
            registry.url,
            "--port-file",
            port_file,
            "--model-split",
            "--model-dtype=bfloat16",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert "for ranker, version 1" in said
        address = f"127.0.0.1:{port_file.read_text().strip()}"
        registry.publish(save_model(Weighted(2.0), bundle, folder / "2"), now_us=2)
        give_up = time.monotonic() + 60
        while newest(address) != "2":
            assert time.monotonic() < give_up
            time.sleep(0.05)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def newest(address: str) -> str:
    """The newest version that is loaded."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
        data = call(ModelMetadataRequest(name="ranker").SerializeToString(), timeout=60)
    version: str = ModelMetadataResponse.FromString(data).versions[-1]
    return version


def test_the_real_clients_are_answered(address: str) -> None:
    got = json.loads(run_in("tensorflow", Path(__file__).with_name("real_clients.py"), address))
    second = {"like": [19.0, 51.0, 83.0], "second": [1.0, 5.0, 9.0]}
    first = [13.0, 29.0, 45.0]
    inputs = {"wide": ["float32", [-1, 4]], "once": ["int64", [1]]}
    assert got["tfs"] == got["kserve"] == second
    assert got["tfs typed"] == got["kserve typed"] == second["like"]
    assert got["tfs version 1"] == got["kserve version 1"] == first
    assert got["tfs version"] == 2
    assert got["tfs one output"] == got["kserve one output"] == ["second"]
    assert got["tfs inputs"] == inputs
    assert got["tfs outputs"] == ["like", "second"]
    assert got["tfs states"] == {"1": "AVAILABLE", "2": "AVAILABLE"}
    assert got["kserve live"] == [True, True, True]
    assert got["kserve not ready"] == [False, False]
    assert got["kserve server"] == "featdsl"
    assert got["kserve inputs"] == {"wide": ["FP32", [-1, 4]], "once": ["INT64", [1]]}
    assert got["kserve versions"] == ["1", "2"]
    assert got["kserve answer"] == ["2", "7"]
    for protocol in ("tfs", "kserve"):
        refused = got[f"{protocol} refused"]
        assert refused["version"] == ["NOT_FOUND", "version 9 of the model is not loaded: ranker"]
        assert refused["model"] == ["NOT_FOUND", "no such model: other; here is ranker"]
        shape = "input wide has shape [3, 3], the model wants [n, 4]"
        assert refused["shape"] == ["INVALID_ARGUMENT", shape]
        assert refused["type"] == ["INVALID_ARGUMENT", "input wide is float64, the model wants float32"]
    assert got["tfs refused"]["output"] == [
        "INVALID_ARGUMENT",
        "no such output: third; there are like, second",
    ]
    assert got["tfs refused"]["input"] == ["INVALID_ARGUMENT", "no such input: extra; there are wide, once"]
    assert got["kserve refused"]["no number"] == ["INVALID_ARGUMENT", "a version is a number: newest"]


@pytest.mark.parametrize(
    ("method", "data", "code", "said"),
    [
        ("inference.GRPCInferenceService/ModelInfer", b"\xff\xff", "INVALID_ARGUMENT", "not a request"),
        ("tensorflow.serving.PredictionService/Predict", b"\xff", "INVALID_ARGUMENT", "not a request"),
        (
            "inference.GRPCInferenceService/ModelInfer",
            b"\x0a\x06ranker",
            "INVALID_ARGUMENT",
            "an input is missing",
        ),
        ("inference.GRPCInferenceService/ModelStatistics", b"", "UNIMPLEMENTED", ""),
    ],
)
def test_what_is_no_request_is_told_so(address: str, method: str, data: bytes, code: str, said: str) -> None:
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{method}")(data, timeout=30)
    assert refused.value.code().name == code
    assert said in refused.value.details()


def test_contents_that_contradict_themselves_are_refused(address: str) -> None:
    request = ModelInferRequest(model_name="ranker", raw_input_contents=[b"1234"])
    request.inputs.add(name="wide", datatype="FP32", shape=[1, 4])
    data = request.SerializeToString()
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(data, timeout=30)
    assert refused.value.details() == "not a request: 4 bytes for [1, 4] of FP32"
