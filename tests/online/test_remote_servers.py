"""Model servers that are not ours, for real: Triton, and TensorFlow on the stubs of TensorFlow Serving."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from online.client import ScorerClient
from online.errors import CallError, Reason
from online.model_server.opening import open_model_server
from online.models import (
    ModelServer,
    ModelServerDown,
)
from tests.online.environments import run_in
from tests.online.remote import HERE, RemoteServer, TensorFlowServer, TritonServer, running, until
from tests.online.shop import AT, REQUEST, bundle, publish, serving

SIGNATURE = bundle().model("ranker")


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels by their weight, made by TensorFlow."""
    folder = tmp_path_factory.mktemp("stock")
    run_in("tensorflow", HERE / "tf_shop.py", folder)
    return folder


@pytest.fixture(scope="module", params=["tfs", "triton"])
def remote(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RemoteServer]:
    """A running server without a version, of each kind; every test puts the versions that it wants."""
    folder = tmp_path_factory.mktemp(request.param)
    server: RemoteServer
    if request.param == "tfs":
        server = TensorFlowServer(folder, request.getfixturevalue("stock"), "--latest", "0")
    else:
        server = TritonServer(folder)
    with running(server):
        yield server


@pytest.fixture
def versions(remote: RemoteServer) -> Iterator[RemoteServer]:
    """The server, with version 1 of weight 2; afterwards it has none."""
    remote.put(1, 2.0)
    yield remote
    for path in list((remote.models / "shop").iterdir()):
        if path.name.isdecimal():
            shutil.rmtree(path)
    if isinstance(remote, TritonServer):
        remote.reload()


def opened(url: str, version: int = 1) -> ModelServer:
    """A client that has a version of the server at `url`."""
    server = open_model_server(url, SIGNATURE)
    try:
        until(lambda: _loads(server, version))
    except BaseException:
        server.close()
        raise
    return server


def _loads(server: ModelServer, version: int) -> bool:
    try:
        server.load(version, Path("/"))
    except ModelServerDown:
        return False
    return True


def tensors(rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(rows)
    return {
        "dense": rng.normal(size=(rows, 5)).astype(np.float32),
        "tags": np.zeros((rows, 3), np.int64),
        "shopper_once": np.zeros((1, 2), np.float32),
    }


def test_a_version_answers(versions: RemoteServer) -> None:
    server = opened(versions.url)
    try:
        for rows in (1, 7, 2000):
            given = tensors(rows)
            outputs = server.predict(1, given, 10.0)
            np.testing.assert_allclose(outputs["like"], given["dense"].sum(axis=1) * 2, rtol=1e-5)
            assert outputs["buy"].tolist() == [2.0] * rows, "[n, 1] is as good as [n]"
        server.ping(1)
    finally:
        server.close()


def test_one_candidate_none_and_many_go_the_whole_way(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    """`feat serve` with a model server elsewhere answers as with its own, the program's score and keep on top."""
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    model = open_model_server(versions.url, SIGNATURE)
    with (
        serving(lmdb_url, tmp_path / "registry") as (_, ours),
        serving(lmdb_url, tmp_path / "registry", model) as (server, theirs),
    ):
        until(lambda: server.versions.serving is not None)
        until(lambda: server.health.check() == "")
        for items in ([], ["a"], ["a", "b", "c", "d", "nothing"]):
            call = {"keys": {"shopper": 1, "item": items}, "request": {**REQUEST, "at": AT}}
            want, got = ours.score(**call), theirs.score(**call)
            np.testing.assert_allclose(got.scores, want.scores, rtol=1e-6)
            assert (got.positions, got.dropped) == (want.positions, want.dropped)
            assert got.version == 1


def test_it_moves_to_a_version_when_the_server_has_it(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    model = open_model_server(versions.url, SIGNATURE)
    with (
        serving(lmdb_url, tmp_path / "registry", model) as (server, client),
        Calls(client) as calls,
    ):
        until(lambda: calls.versions == {1})
        publish(tmp_path / "registry", tmp_path / "models", 3.0)
        until(lambda: "version 2 waits" in server.versions.problem)
        waits = next(m for m in client.models().models[0].versions if m.version == 2)
        assert waits.state == "published"
        assert "does not have version 2 ready" in waits.reason
        assert calls.versions == {1}
        versions.put(2, 3.0)
        until(lambda: 2 in calls.versions)
        until(lambda: server.versions.problem == "")
        versions.drop(1)
        time.sleep(0.5)
        calls.versions.clear()
        until(lambda: calls.versions == {2})
    assert calls.failed == []


def test_a_version_that_unloads_while_it_serves(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    """Calls that it had go on with the next one that the server has; with none they say so, and it recovers."""
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    publish(tmp_path / "registry", tmp_path / "models", 3.0)
    versions.put(2, 3.0)
    model = open_model_server(versions.url, SIGNATURE)
    with serving(lmdb_url, tmp_path / "registry", model) as (server, client), Calls(client) as calls:
        until(lambda: 2 in calls.versions)
        versions.drop(2)
        calls.versions.clear()
        until(lambda: 1 in calls.versions)
        until(lambda: "version 2 waits" in server.versions.problem)
        versions.put(2, 3.0)
        calls.versions.clear()
        until(lambda: 2 in calls.versions)
        assert calls.failed == []
        for version in (1, 2):
            versions.drop(version)
        until(lambda: calls.failed != [])
        until(lambda: server.health.check() != "")
        versions.put(1, 2.0)
        took = until(lambda: server.health.check() == "")
        assert took < 5
    assert {error.reason for error in calls.failed} <= {Reason.MODEL_VERSION_GONE}


def test_a_server_that_is_killed_and_comes_back(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    model = open_model_server(versions.url, SIGNATURE)
    with serving(lmdb_url, tmp_path / "registry", model) as (server, client), Calls(client) as calls:
        until(lambda: calls.versions == {1})
        versions.kill()
        until(lambda: calls.failed != [])
        until(lambda: "the model server does not answer" in server.health.check())
        versions.start()
        calls.versions.clear()
        until(lambda: calls.versions == {1})
        until(lambda: server.health.check() == "")
    assert {error.reason for error in calls.failed} <= {
        Reason.MODEL_SERVER_DOWN, Reason.MODEL_VERSION_GONE, Reason.DEADLINE_EXCEEDED
    }  # fmt: skip


def test_two_servers_of_which_one_dies(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """No call fails, and the other one takes all; back again, the first takes its share."""
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    with running(another(versions, tmp_path, request)) as second:
        url = f"{versions.scheme}://{second.address},{versions.address}/shop"
        model = open_model_server(url, SIGNATURE)
        with serving(lmdb_url, tmp_path / "registry", model) as (server, client), Calls(client, 4) as calls:
            until(lambda: calls.versions == {1})
            second.kill()
            until(lambda: not server.health.check() and bool(second_is_down(model)))
            done = calls.done
            until(lambda: calls.done > done + 50)
        assert calls.failed == []


def another(like: RemoteServer, folder: Path, request: pytest.FixtureRequest) -> RemoteServer:
    """A second server of the kind, with version 1."""
    made: RemoteServer
    if isinstance(like, TensorFlowServer):
        made = TensorFlowServer(folder / "second", request.getfixturevalue("stock"), "--raw")
    else:
        made = TritonServer(folder / "second")
    made.put(1, 2.0)
    return made


def second_is_down(model: ModelServer) -> str:
    return str(model._hosts.problem())  # type: ignore[attr-defined]


class Calls:
    """Clients that score all the time: `versions` that answered, calls that `failed`, how many are `done`."""

    def __init__(self, client: ScorerClient, threads: int = 2) -> None:
        self.versions: set[int] = set()
        self.failed: list[CallError] = []
        self.done = 0
        self._client = client
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._client.score({"shopper": 1, "item": ["a", "b"]}, {**REQUEST, "at": AT})
                self.versions.add(answer.version)
                assert answer.scores[0] > 0
            except CallError as error:
                self.failed.append(error)
                time.sleep(0.01)
            self.done += 1

    def __enter__(self) -> Calls:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
