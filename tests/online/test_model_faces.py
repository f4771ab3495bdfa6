"""`feat model-server`, asked by the real clients of TensorFlow Serving and of Triton."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families

from compiler.bundle import build
from featdsl.errors import InputError
from featdsl.torch import save_model
from model_sync import open_registry
from online.model_server.labels import Labels
from online.model_server.opening import open_model_server
from online.proto.kserve_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
)
from online.proto.tensorflow_serving_pb2 import GetModelMetadataRequest, ModelSpec
from tests.online.environments import run_in
from tests.online.raw import Raw
from tests.online.remote import until
from tests.online.test_serve import child_processes
from tests.standstill import stand_still

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
    (folder / "labels.json").write_text('{"stable": 1}')
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
            "--labels",
            folder / "labels.json",
            "--metrics-port=0",
            "--model-split",
            "--model-dtype=bfloat16",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    SERVERS.append(process)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        METRICS.append(said.rpartition(" ")[2].strip())
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


METRICS: list[str] = []
"""Where the server tells them."""
SERVERS: list[subprocess.Popen[str]] = []
"""The server itself."""


def newest(address: str) -> str:
    """The newest version that is loaded."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
        data = call(ModelMetadataRequest(name="ranker").SerializeToString(), timeout=60)
    version: str = ModelMetadataResponse.FromString(data).versions[-1]
    return version


def infer_request(candidates: int) -> bytes:
    """Of candidates that are all alike: each is answered 4 times the weight, and 1."""
    wide, once = np.ones((candidates, 4), np.float32), np.zeros(1, np.int64)
    request = ModelInferRequest(model_name="ranker", raw_input_contents=[wide.tobytes(), once.tobytes()])
    request.inputs.add(name="wide", datatype="FP32", shape=wide.shape)
    request.inputs.add(name="once", datatype="INT64", shape=once.shape)
    data: bytes = request.SerializeToString()
    return data


def inferred(address: str) -> list[float]:
    with grpc.insecure_channel(address) as channel:
        data = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(infer_request(2), timeout=30)
    answer = ModelInferResponse.FromString(data)
    return np.frombuffer(answer.raw_output_contents[0], np.float32).tolist()


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


def test_a_label_names_a_version(address: str, tmp_path: Path) -> None:
    (tmp_path / "ranker.feat").write_text(PROGRAM)
    signature = build(tmp_path / "ranker.feat").model("ranker")
    server = open_model_server(f"tfs://{address}/ranker?label=stable", signature)
    try:
        until(lambda: server.followed() == 1)
        server.load(1, Path("/"))
        tensors = {"wide": np.ones((2, 4), np.float32), "once": np.array([3])}
        assert server.predict(1, tensors, 30.0)["like"].tolist() == [7.0, 7.0]
    finally:
        server.close()
    spec = ModelSpec(name="ranker", version_label="newest")
    request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/tensorflow.serving.PredictionService/GetModelMetadata")(
            request.SerializeToString(), timeout=30
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "no such label: newest"


def test_it_tells_prometheus(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        request = ModelInferRequest(model_name="ranker")
        wide = request.inputs.add(name="wide", datatype="FP32", shape=[3, 4])
        wide.contents.fp32_contents.extend([1.0] * 12)
        request.inputs.add(name="once", datatype="INT64", shape=[1]).contents.int64_contents.append(1)
        before = scraped()
        infer(request.SerializeToString(), timeout=30)
        with pytest.raises(grpc.RpcError):
            infer(ModelInferRequest(model_name="other").SerializeToString(), timeout=30)
    told = scraped()

    def more(name: str) -> float:
        return told[name] - before.get(name, 0.0)

    assert more("featdsl_model_calls_total,code=OK,method=ModelInfer") == 1
    assert more("featdsl_model_calls_total,code=NOT_FOUND,method=ModelInfer") == 1
    assert more("featdsl_model_call_seconds_count,method=ModelInfer") == 2
    assert (more("featdsl_model_call_rows_count"), more("featdsl_model_call_rows_sum")) == (1, 3)
    assert more("featdsl_model_run_calls_total,version=2") == more("featdsl_model_runs_total,version=2") == 1
    assert told["featdsl_model_version,model=ranker"] == 2
    assert told["featdsl_versions_resident,model=ranker"] == 2


def scraped() -> dict[str, float]:
    with urllib.request.urlopen(METRICS[-1], timeout=30) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f",{name}={v}" for name, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_labels_are_read_again_when_their_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    for text, said in (
        ("", "do not read"),
        ("[]", "JSON object"),
        ('{"a": "1"}', "JSON object"),
        (None, "read"),
    ):
        if text is not None:
            file.write_text(text)
        else:
            file.unlink()
        with pytest.raises(InputError, match=said):
            Labels(file)
    file.write_text('{"stable": 1}')
    labels = Labels(file)
    assert labels.known() == {"stable": 1}
    file.write_text('{"stable": 2, "canary": 13}')
    assert (labels.known(), labels.versions()) == ({"stable": 2, "canary": 13}, {2, 13})
    file.write_text("half")
    assert labels.known() == {"stable": 2, "canary": 13}
    file.unlink()
    assert labels.versions() == {2, 13}


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


def test_clients_that_send_half_a_request_keep_no_other_waiting(address: str) -> None:
    with ExitStack() as stack:
        for service, method in (
            ("tensorflow.serving.PredictionService", "Predict"),
            ("inference.GRPCInferenceService", "ModelInfer"),
        ):
            for _ in range(20):
                half = Raw(address, service)
                stack.enter_context(half.socket)
                half.call(method, b"\x0a", promised=100)
        started = time.monotonic()
        assert inferred(address) == [8.0, 8.0]
        assert time.monotonic() - started < 2
        assert b"grpc-status\x014" in half.said(b"the request did not come in 10 s")


def test_predictions_beyond_those_that_may_wait_are_refused_at_once_and_status_is_told(address: str) -> None:
    """Its model's processes hang; what waits is answered when they go on."""
    models = [pid for pid in child_processes(SERVERS[0].pid) if b"nursery" in command_of(pid)]
    for pid in models:
        stand_still(pid)
    try:
        with grpc.insecure_channel(address) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            sent = [call.future(infer_request(2), timeout=120) for _ in range(8 + 500 + 50)]
            until(lambda: sum(one.done() for one in sent) == 50)
            refused = [one.code() for one in sent if one.done()]
            assert newest(address) == "2"
            for pid in models:
                os.kill(pid, signal.SIGCONT)
            answered = [one.result() for one in sent if one.code() is grpc.StatusCode.OK]
    finally:
        for pid in models:
            os.kill(pid, signal.SIGCONT)
    assert set(refused) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(answered) == 8 + 500


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
