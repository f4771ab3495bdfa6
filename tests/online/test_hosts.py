"""Which host is asked, which is left out, and how often a call is asked again: against hosts that fail to order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from featdsl.errors import InputError
from online.model_server.address import ModelServerAddress, parse_address
from online.model_server.agreement import RemoteModel, RemoteTensor, agree
from online.model_server.hosts import Host, Hosts, Status
from online.model_server.opening import open_model_server
from online.model_server.remote import RemoteModelServer
from online.model_server.retry_budget import RetryBudget
from online.model_server.tfserving import METADATA, PREDICT, STATUS, TensorFlowServing
from online.model_server.tfserving_tensors import NotATensor, decode, encode
from online.model_server.triton import Triton
from online.model_server.triton_tensors import decode as decode_outputs
from online.models import ModelFailed, ModelNotReady, ModelOverloaded, ModelRefusedInputs, ModelServerDown
from online.proto.kserve_pb2 import ModelInferResponse
from online.proto.tensorflow_serving_pb2 import (
    DataType,
    GetModelMetadataResponse,
    GetModelStatusResponse,
    ModelVersionStatus,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    TensorProto,
)
from tests.online.remote import NAME, SIGNATURE, loads, tensors, until

OK = grpc.StatusCode.OK
NOWHERE = Path("/")


class Scripted(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A real gRPC server of TensorFlow Serving's protocol which fails predictions as it is told to."""

    def __init__(self) -> None:
        self.fails: grpc.StatusCode = OK
        self.text = "told to fail"
        self.asked = 0
        self.versions = [1]
        self.hold = threading.Event()
        self.hold.set()

    def service(self, details: Any) -> Any:
        methods: dict[str, Callable[[bytes, Any], bytes]] = {
            PREDICT: self.predict, METADATA: self.metadata, STATUS: self.status,
        }  # fmt: skip
        return grpc.unary_unary_rpc_method_handler(methods[details.method])

    def predict(self, data: bytes, context: Any) -> bytes:
        self.asked += 1
        self.hold.wait(10)
        if self.fails is not OK:
            context.abort(self.fails, self.text)
        request = PredictRequest.FromString(data)
        rows = request.inputs["dense"].tensor_shape.dim[0].size
        answer = PredictResponse(model_spec=request.model_spec)
        for name in ("like", "buy"):
            encode(np.ones(rows, np.float32), answer.outputs[name])
        return bytes(answer.SerializeToString())

    def status(self, data: bytes, context: Any) -> bytes:
        available = ModelVersionStatus.State.AVAILABLE
        states = [ModelVersionStatus(version=version, state=available) for version in self.versions]
        return bytes(GetModelStatusResponse(model_version_status=states).SerializeToString())

    def metadata(self, data: bytes, context: Any) -> bytes:
        signatures = SignatureDefMap()
        signature = signatures.signature_def["serving_default"]
        for name, dtype, width in (("dense", "FLOAT", 5), ("tags", "INT64", 3), ("shopper_once", "FLOAT", 2)):
            info = signature.inputs[name]
            info.dtype = DataType.Value(f"DT_{dtype}")
            for size in (-1, width):
                info.tensor_shape.dim.add(size=size)
        for name in ("like", "buy"):
            signature.outputs[name].dtype = DataType.DT_FLOAT
            signature.outputs[name].tensor_shape.dim.add(size=-1)
        answer = GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(signatures)
        return bytes(answer.SerializeToString())


@contextmanager
def scripted(
    count: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[list[Scripted], RemoteModelServer]]:
    """So many hosts, and a client of all that has version 1."""
    handlers = [Scripted() for _ in range(count)]
    servers = [grpc.server(futures.ThreadPoolExecutor(16), handlers=[handler]) for handler in handlers]
    ports = [server.add_insecure_port("127.0.0.1:0") for server in servers]
    for server in servers:
        server.start()
    address = ModelServerAddress("tfs", tuple(f"127.0.0.1:{port}" for port in ports), NAME)
    model = RemoteModelServer(TensorFlowServing(address), address, SIGNATURE, clock)
    try:
        until(lambda: loads(model, 1))
        for handler in handlers:
            handler.asked = 0
        yield handlers, model
    finally:
        model.close()
        for server in servers:
            server.stop(0)


def ask(model: RemoteModelServer) -> None:
    assert model.predict(1, tensors(2), 5.0)["like"].tolist() == [1.0, 1.0]


def test_hosts_take_turns() -> None:
    with scripted(3) as (hosts, model):
        for _ in range(30):
            ask(model)
        assert [host.asked for host in hosts] == [10, 10, 10]


def test_the_one_with_the_fewest_calls_is_asked() -> None:
    with scripted(2) as (hosts, model):
        hosts[0].hold.clear()
        waiting = [threading.Thread(target=ask, args=(model,)) for _ in range(2)]
        for thread in waiting:
            thread.start()
        until(lambda: hosts[0].asked >= 1)
        for _ in range(20):
            ask(model)
        assert hosts[0].asked <= 2
        hosts[0].hold.set()
        for thread in waiting:
            thread.join()


def test_a_host_that_fails_is_left_out_and_tried_again() -> None:
    with scripted(2) as (hosts, model):
        hosts[0].fails = grpc.StatusCode.UNAVAILABLE
        for _ in range(100):
            ask(model)
        assert 3 <= hosts[0].asked <= 8, "no call fails, and it is asked a few times only"
        hosts[0].fails = OK
        asked = hosts[0].asked

        def is_back() -> bool:
            ask(model)
            return hosts[0].asked > asked + 5

        until(is_back)


def test_retries_do_not_double_the_load() -> None:
    """All hosts fail: of 200 calls only a tenth, and those of the full bucket, are asked again."""
    with scripted(2) as (hosts, model):
        for host in hosts:
            host.fails = grpc.StatusCode.UNAVAILABLE
        for _ in range(200):
            with pytest.raises(ModelServerDown):
                ask(model)
        assert 200 <= sum(host.asked for host in hosts) <= 200 + 10 + 20 + 1


@pytest.mark.parametrize(
    ("code", "text", "fault"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "", ModelOverloaded),
        (grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue is full", ModelOverloaded),
        (grpc.StatusCode.INVALID_ARGUMENT, "", ModelRefusedInputs),
        (grpc.StatusCode.FAILED_PRECONDITION, "", ModelRefusedInputs),
        (grpc.StatusCode.INTERNAL, "it broke", ModelFailed),
        (grpc.StatusCode.UNKNOWN, "", ModelFailed),
    ],
)
def test_what_is_never_asked_again(code: grpc.StatusCode, text: str, fault: type[Exception]) -> None:
    with scripted(2) as (hosts, model):
        for host in hosts:
            host.fails, host.text = code, text
        for _ in range(5):
            with pytest.raises(fault) as raised:
                ask(model)
            assert type(raised.value) is fault
        assert sum(host.asked for host in hosts) == 5
        for host in hosts:
            host.fails = OK
        ask(model)


def test_a_version_waits_for_all_hosts_for_a_while_and_for_those_that_have_it_then() -> None:
    late = [0.0]
    with scripted(2, lambda: time.monotonic() + late[0]) as (hosts, model):
        hosts[0].versions = [1, 2]
        until(lambda: any(2 in status.ready for _, status in model._hosts.up()))
        with pytest.raises(ModelNotReady, match="does not have version 2 ready"):
            model.load(2, NOWHERE)
        late[0] = 31.0
        model.load(2, NOWHERE)
        hosts[0].asked = hosts[1].asked = 0
        for _ in range(6):
            model.predict(2, tensors(1), 5.0)
        assert (hosts[0].asked, hosts[1].asked) == (6, 0)
        assert model.has(1)
        hosts[0].versions = hosts[1].versions = [2]
        until(lambda: not model.has(1))
        with pytest.raises(ModelNotReady):
            model.ping(1)


def test_a_version_that_one_host_has_lost_is_asked_of_the_other() -> None:
    """A refusal is no failure: it takes nothing from the budget."""
    with scripted(2) as (hosts, model):
        hosts[0].fails = grpc.StatusCode.NOT_FOUND
        for _ in range(300):
            ask(model)
        assert hosts[0].asked < 140, "only until its status is told again"


@pytest.mark.parametrize(
    ("said", "overloaded", "missing"),
    [
        ("Exceeds maximum queue size", True, False),
        ("Request timeout expired", True, False),
        ("Request for unknown model: 'm' version 1 is not at ready state", False, True),
        (
            "Server is stopping, scheduler for model has stopped accepting new inference requests",
            False,
            False,
        ),
    ],
)
def test_what_triton_says_under_unavailable(said: str, overloaded: bool, missing: bool) -> None:
    wire = Triton(ModelServerAddress("triton", ("a:8001",), NAME))
    assert wire.is_overloaded(grpc.StatusCode.UNAVAILABLE, said) is overloaded
    assert wire.is_missing(grpc.StatusCode.UNAVAILABLE, said) is missing


def test_what_answers_is_no_such_server() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    model = open_model_server(f"tfs://127.0.0.1:{port}/shop", SIGNATURE)
    try:
        with pytest.raises(ModelServerDown, match="what answers there is no such model server"):
            model.load(1, NOWHERE)
    finally:
        model.close()
        server.stop(0)


def test_a_host_is_on_trial_for_one_call_at_a_time() -> None:
    now = [0.0]
    hosts = Hosts(["a:1", "b:1"], lambda host: Status(), clock=lambda: now[0])
    first, second = hosts.all
    first.status = second.status = Status(ready=frozenset({1}))
    for _ in range(3):
        hosts.failed(first, "")
    for _ in range(5):
        with hosts.asking(1) as host:
            assert host is second
    now[0] = 0.6
    with hosts.asking(1) as one, hosts.asking(1) as two, hosts.asking(1) as three:
        assert sorted(h.address for h in (one, two, three)) == ["a:1", "b:1", "b:1"]
    hosts.failed(first, "")
    now[0] = 1.5
    with hosts.asking(1) as one, hosts.asking(1) as two:
        assert one is two is second, "left out for twice as long now"
    hosts.close()


def test_when_all_are_left_out_they_are_asked_all_the_same() -> None:
    hosts = Hosts(["a:1", "b:1"], lambda host: Status(), clock=lambda: 0.0)
    for host in hosts.all:
        host.status = Status(ready=frozenset({1}))
        for _ in range(3):
            hosts.failed(host, "")
    with hosts.asking(1) as host:
        assert isinstance(host, Host)
    hosts.close()


def test_the_budget() -> None:
    budget = RetryBudget(share=0.1, burst=2.0)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    for _ in range(9):
        budget.earn()
    assert not budget.take()
    for _ in range(2):
        budget.earn()
    assert budget.take()


@pytest.mark.parametrize(
    ("url", "hosts", "name"),
    [
        ("tfs://a:8500/ranker", ("a:8500",), "ranker"),
        ("tfs://a,b:9/ranker", ("a:8500", "b:9"), "ranker"),
        ("triton://10.0.0.1,[::1]:8001/x-y_z", ("10.0.0.1:8001", "[::1]:8001"), "x-y_z"),
    ],
)
def test_addresses(url: str, hosts: tuple[str, ...], name: str) -> None:
    address = parse_address(url)
    assert address is not None
    assert (address.hosts, address.name) == (hosts, name)
    assert parse_address("embedded") is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("embeded", "not a model server"),
        ("http://a:8500/x", "not a model server"),
        ("tfs://a:8500", "ends with the model's name"),
        ("tfs://a:8500/", "ends with the model's name"),
        ("tfs://a:8500/x/1", "ends with the model's name"),
        ("tfs:///x", "not a host"),
        ("tfs://a:port/x", "not a host"),
        ("tfs://a:99999/x", "not a host"),
        ("tfs://a,a:8500/x", "stands twice"),
        ("tfs://a/x?labl=stable", "not an option"),
        ("triton://a/x?label=stable", "not an option"),
        ("tfs://a/x?label=", "not a value"),
        ("triton://a/x?rows=twice", "not a value"),
    ],
)
def test_addresses_that_are_none(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_address(url)


def test_how_tensors_are_sent() -> None:
    """[n] is sent as [n, 1] where the server wants that, and what is per request as rows where it batches."""
    inputs = {
        "dense": RemoteTensor("float32", (None, 5)),
        "tags": RemoteTensor("int64", None),
        "shopper_once": RemoteTensor("float32", (None, 2)),
    }
    outputs = {"like": RemoteTensor("float32", (None, 1)), "buy": RemoteTensor("float32", (None,))}
    sent = {
        sending.name: sending for sending in agree(SIGNATURE, RemoteModel(inputs, outputs, one_batch=True))
    }
    given = np.array([[1.0, 2.0]], np.float32)
    assert sent["shopper_once"].prepared(given, 3).tolist() == [[1.0, 2.0]] * 3
    assert sent["dense"].prepared(np.zeros((3, 5)), 3).shape == (3, 5)


@pytest.mark.parametrize(
    "message",
    [
        TensorProto(dtype=DataType.DT_FLOAT, tensor_content=b"123", tensor_shape={"dim": [{"size": 1}]}),
        TensorProto(dtype=DataType.DT_FLOAT, tensor_shape={"dim": [{"size": -1}]}),
        TensorProto(dtype=DataType.DT_FLOAT, tensor_shape={"unknown_rank": True}),
        TensorProto(dtype=DataType.DT_FLOAT, tensor_shape={"dim": [{"size": 1 << 40}]}),
        TensorProto(dtype=DataType.DT_FLOAT, float_val=[1, 2], tensor_shape={"dim": [{"size": 1}]}),
        TensorProto(dtype=DataType.DT_STRING, string_val=[b"x"], tensor_shape={"dim": [{"size": 1}]}),
        TensorProto(dtype=DataType.DT_INT8, int_val=[1000], tensor_shape={"dim": [{"size": 1}]}),
        TensorProto(dtype=DataType.DT_HALF, half_val=[-1], tensor_shape={"dim": [{"size": 1}]}),
        TensorProto(),
    ],
)
def test_messages_that_are_no_tensor(message: TensorProto) -> None:
    with pytest.raises(NotATensor):
        decode(message)


def test_contents_of_kserve_raw_and_typed() -> None:
    """Every type, as raw bytes and in the typed field; 16-bit floats have no field."""
    fields = {
        "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
        "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
        "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
    }  # fmt: skip
    dtypes = {"BOOL": "?", "FP16": "f2", "FP32": "f4", "FP64": "f8"}
    for datatype in [*fields, "FP16", "BF16"]:
        kind = dtypes.get(datatype) or datatype.lower()
        wanted = np.array([[0, 1], [1, 0]], "f4" if datatype == "BF16" else kind)
        raw = (wanted.view("u4") >> 16).astype("u2") if datatype == "BF16" else wanted
        answer = ModelInferResponse(raw_output_contents=[raw.tobytes()])
        answer.outputs.add(name="y", datatype=datatype, shape=[2, 2])
        assert decode_outputs(answer)["y"].tolist() == wanted.tolist(), datatype
        del answer.raw_output_contents[:]
        if datatype in fields:
            getattr(answer.outputs[0].contents, fields[datatype]).extend(wanted.ravel().tolist())
            assert decode_outputs(answer)["y"].tolist() == wanted.tolist(), datatype
        else:
            with pytest.raises(NotATensor):
                decode_outputs(answer)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [("FP32", [2], b"1234"), ("FP32", [-1], b""), ("BYTES", [1], b"1234"), ("FP99", [1], b"1234")],
)
def test_outputs_of_kserve_that_are_no_tensor(datatype: str, shape: list[int], raw: bytes) -> None:
    answer = ModelInferResponse(raw_output_contents=[raw])
    answer.outputs.add(name="y", datatype=datatype, shape=shape)
    with pytest.raises(NotATensor):
        decode_outputs(answer)
    answer.raw_output_contents.append(raw)
    with pytest.raises(NotATensor, match="2 raw contents for 1 outputs"):
        decode_outputs(answer)
