"""A call that nobody waits for any more ends what was asked on its behalf; so does a server that stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from online.client import ScorerClient
from online.errors import CallError, Reason
from online.model_server import EmbeddedModelServer
from online.model_server.grpc_face import FacedModel, ModelFace
from online.model_server.opening import open_model_server
from online.model_server.remote import RemoteModelServer
from online.model_server.tfserving import PREDICT
from online.model_server.tfserving_face import TensorFlowServingFace
from online.model_server.tfserving_tensors import encode
from online.model_server.wire import Asking
from online.models import CallerGone, ModelServer, Tensors
from online.observe.record import CallRecord, current_call, waiting
from online.proto import SERVICE
from online.proto.tensorflow_serving_pb2 import ModelSpec, PredictRequest
from online.versions import VersionWatcher
from tests.online.remote import tensors, until
from tests.online.shop import REQUEST, WeightModel, bundle, request_of, serving
from tests.online.test_serve import Ranker, Served, child_processes, feat
from tests.standstill import stand_still

KEYS = {"shopper": 1, "item": ["a", "b"]}


class HeldServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server of TensorFlow Serving's protocol. While it is `held` a prediction waits, and `gone` says that who
    asked for it has gone."""

    def __init__(self, registry: Path) -> None:
        model = WeightModel()
        versions = VersionWatcher(f"dir://{registry}", "ranker", bundle(), model)
        versions.poll()
        self._methods = TensorFlowServingFace(FacedModel(bundle().model("ranker"), model, versions)).methods()
        self.held = False
        self.asked, self.gone = threading.Event(), threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8), handlers=[self])
        self.url = f"tfs://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}/ranker"
        self._server.start()

    def service(self, details: Any) -> Any:
        method = self._methods[details.method]

        def answer(data: bytes, context: Any) -> bytes:
            if details.method == PREDICT and self.held:
                context.add_callback(self.gone.set)
                self.asked.set()
                assert self.gone.wait(30)
            return method(data, 5.0)

        return grpc.unary_unary_rpc_method_handler(answer)

    def stop(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture
def held(registry: Path) -> Iterator[HeldServer]:
    server = HeldServer(registry)
    yield server
    server.stop()


@pytest.fixture
def remote(held: HeldServer) -> RemoteModelServer:
    server = open_model_server(held.url, bundle().model("ranker"))
    assert isinstance(server, RemoteModelServer)
    return server


def test_the_model_server_hears_of_it(
    lmdb_url: str, registry: Path, held: HeldServer, remote: RemoteModelServer
) -> None:
    with (
        serving(lmdb_url, registry, remote, metrics_port=0) as (server, client),  # type: ignore[arg-type]
        grpc.insecure_channel(client.address) as channel,
    ):
        assert client.score(KEYS, REQUEST).version == 1
        held.held = True
        call = channel.unary_unary(f"/{SERVICE}/Score").future(request_of(["a"]), timeout=60)
        assert held.asked.wait(10)
        call.cancel()
        assert held.gone.wait(10)
        held.held = False
        assert client.score(KEYS, REQUEST).version == 1
        until(lambda: server.calls.totals().calls["Score", "CANCELLED"] == 1)
        assert [host.failures for host in remote._hosts.all] == [0], "it is no fault of the host"


def test_a_call_that_was_cancelled_before_it_asked(remote: RemoteModelServer, held: HeldServer) -> None:
    record = CallRecord("Score")
    record.cancel()
    remote.load(1, Path("/"))
    held.held = True
    before = current_call.set(record)
    try:
        with pytest.raises(CallerGone):
            remote.predict(1, tensors(3), 30.0)
    finally:
        current_call.reset(before)
        remote.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedModelServer]:
    server = EmbeddedModelServer()
    server.load(1, save_model(Ranker(1.0), bundle(), tmp_path_factory.mktemp("model") / "model"))
    yield server
    server.close()


def test_what_feat_model_server_runs_ends_too(registry: Path) -> None:
    asked, gone = threading.Event(), threading.Event()

    class Waits(WeightModel):
        def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, Any]:
            with waiting(gone.set):
                asked.set()
                assert gone.wait(30)
            raise CallerGone

    model = Waits()
    versions = VersionWatcher(f"dir://{registry}", "ranker", bundle(), model)
    versions.poll()
    faced = FacedModel(bundle().model("ranker"), model, versions)
    face = ModelFace(faced, TensorFlowServingFace(faced).methods())
    address = f"127.0.0.1:{face.start('127.0.0.1', 0)}"
    request = PredictRequest(model_spec=ModelSpec(name="ranker"))
    for name, tensor in tensors(3).items():
        encode(tensor, request.inputs[name])
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(PREDICT).future(request.SerializeToString(), timeout=60)
        assert asked.wait(10)
        call.cancel()
        assert gone.wait(10)
        until(lambda: (("Predict", "CANCELLED"), 1) in faced.calls.samples()["featdsl_model_calls"])
    face.stop(5.0)


def test_a_models_own_process_hears_of_it(embedded: EmbeddedModelServer) -> None:
    """It hangs; its answers come when it goes on, and are for nobody."""
    pid = embedded._workers[1].process.pid
    record = CallRecord("Score")
    ended: list[BaseException] = []

    def ask() -> None:
        current_call.set(record)
        try:
            embedded.predict(1, tensors(3), 60.0)
        except BaseException as fault:
            ended.append(fault)

    stand_still(pid)
    try:
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.2)
        record.cancel()
        asking.join(10)
        assert [type(fault) for fault in ended] == [CallerGone]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert embedded.predict(1, tensors(3), 30.0)["like"].shape == (3,)
    assert embedded._workers[1].process.pid == pid, "it is not taken for dead"


def test_a_call_that_is_cancelled_as_it_is_answered_costs_no_other(
    embedded: EmbeddedModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is hung up, though nothing waits on it any more."""
    pid, ask, record = embedded._workers[1].process.pid, Asking.ask, CallRecord("Score")

    def cancelled_then(self: Asking, *given: Any) -> Any:
        answer = ask(self, *given)
        record.cancel()
        return answer

    before = current_call.set(record)
    monkeypatch.setattr(Asking, "ask", cancelled_then)
    try:
        embedded.predict(1, tensors(3), 30.0)
    finally:
        current_call.reset(before)
        monkeypatch.setattr(Asking, "ask", ask)
    assert embedded.predict(1, tensors(3), 30.0)["like"].shape == (3,)
    assert embedded._workers[1].process.pid == pid


def test_a_connection_that_broke_is_not_taken_for_a_dead_process(embedded: EmbeddedModelServer) -> None:
    """To start another one would end the calls of all others."""
    worker = embedded._workers[1]
    embedded.predict(1, tensors(3), 30.0)
    connection = worker.idle.get_nowait()
    connection.hang_up()
    worker.idle.put(connection)
    assert embedded.predict(1, tensors(3), 30.0)["like"].shape == (3,)
    assert embedded._workers[1].process.pid == worker.process.pid


def test_a_model_server_that_hangs_does_not_keep_a_server_that_stops(
    lmdb_url: str, registry: Path, held: HeldServer, remote: ModelServer
) -> None:
    with serving(lmdb_url, registry, remote) as (server, client), ThreadPoolExecutor(1) as pool:  # type: ignore[arg-type]
        assert client.score(KEYS, REQUEST).version == 1
        held.held = True
        call = pool.submit(client.score, KEYS, REQUEST, timeout_s=60)
        assert held.asked.wait(10)
        started = time.monotonic()
        server.stop(grace_s=0.5)
        assert time.monotonic() - started < 10
        fault = call.exception()
        assert isinstance(fault, CallError)
        assert fault.reason in (Reason.DRAINING, Reason.NO_SERVER), (
            "then it is asked again, and nobody is there"
        )


def test_feat_serve_ends_when_its_grace_does(lmdb_url: str, tmp_path: Path) -> None:
    write_bundle(bundle(), tmp_path / "shop.featb")
    saved = save_model(Ranker(1.0), bundle(), tmp_path / "saved")
    feat("publish", saved, "--registry", f"dir://{tmp_path / 'registry'}")
    server = Served(tmp_path, lmdb_url, "--grace-s", "1")
    children = child_processes(server.process.pid)
    with ScorerClient(server.address) as client, ThreadPoolExecutor(1) as pool:
        client.score(KEYS, REQUEST)
        for child in children:
            stand_still(child)
        call = pool.submit(client.score, KEYS, REQUEST, timeout_s=60)
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 15
        assert isinstance(call.exception(), CallError)
    assert "Traceback" not in server.log.read_text()
