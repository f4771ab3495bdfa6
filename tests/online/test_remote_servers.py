"""Model servers that are not ours, for real: Triton, and TensorFlow on the stubs of TensorFlow Serving."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from online.errors import Reason
from online.model_server.opening import open_model_server
from online.models import ModelServer
from tests.online.remote import (
    SIGNATURE,
    Calls,
    RemoteServer,
    TensorFlowServer,
    TritonServer,
    opened,
    running,
    tensors,
    until,
)
from tests.online.shop import AT, REQUEST, publish, serving


def test_a_version_answers(versions: RemoteServer) -> None:
    server = opened(versions.url)
    try:
        for rows in (1, 7, 2000, 600_000):  # the last is more than gRPC's own 4 MB, both ways
            given = tensors(rows)
            outputs = server.predict(1, given, 60.0)
            np.testing.assert_allclose(outputs["like"], given["dense"].sum(axis=1) * 2, rtol=1e-4, atol=1e-4)
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
        until(lambda: server.health.check() == "")
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


def test_two_servers_of_which_one_hangs_then_dies(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Calls that are in flight at a server that hangs fail with their deadlines; those at one that dies do not fail.
    Neither gets any more until it answers again."""
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    with running(another(versions, tmp_path, request)) as second:
        url = f"{versions.scheme}://{second.address},{versions.address}/shop"
        model = open_model_server(url, SIGNATURE)
        with serving(lmdb_url, tmp_path / "registry", model, default_timeout_s=1.5) as (server, client):
            client.timeout_s = 1.5
            with Calls(client, 3) as calls:
                until(lambda: calls.versions == {1})
                second.hang()
                until(lambda: second.address in is_down(model))
                time.sleep(2.0)
                failed, done = len(calls.failed), calls.done
                until(lambda: calls.done > done + 50)
                assert len(calls.failed) == failed
                second.go_on()
                until(lambda: is_down(model) == "")
            client.timeout_s = 10.0
            with Calls(client, 4) as later:
                until(lambda: later.done > 50)
                second.kill()
                until(lambda: second.address in is_down(model))
                done = later.done
                until(lambda: later.done > done + 50)
                assert server.health.check() == ""
        assert failed <= 6, "those that were in flight"
        assert {error.reason for error in calls.failed} <= {Reason.DEADLINE_EXCEEDED}
        assert later.failed == []


def another(like: RemoteServer, folder: Path, request: pytest.FixtureRequest) -> RemoteServer:
    """A second server of the kind, with version 1."""
    made: RemoteServer
    if isinstance(like, TensorFlowServer):
        made = TensorFlowServer(folder / "second", request.getfixturevalue("stock"), "--raw")
    else:
        made = TritonServer(folder / "second")
    made.put(1, 2.0)
    return made


def is_down(model: ModelServer) -> str:
    return str(model._hosts.problem())  # type: ignore[attr-defined]
