"""What goes wrong with model servers that are not ours, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from online.client import ScorerClient
from online.model_server.opening import open_model_server
from online.models import ModelNotReady, ModelOverloaded, ModelRefused, ModelRefusedInputs, ModelTimeout
from tests.online.environments import run_in
from tests.online.remote import HERE, SIGNATURE, RemoteServer, TensorFlowServer, opened, tensors, until
from tests.online.shop import AT, PROGRAM, REQUEST, publish, serving

NOWHERE = Path("/")


def why_not(url: str, version: int = 1) -> str:
    """What is said of a version that is not to be had."""
    server = open_model_server(url, SIGNATURE)
    try:
        with pytest.raises(ModelNotReady) as waits:
            server.load(version, NOWHERE)
        return str(waits.value)
    finally:
        server.close()


def test_versions_and_models_that_are_not_there(versions: RemoteServer) -> None:
    opened(versions.url).close()
    assert "does not have version 7 ready" in why_not(versions.url, 7)
    said = why_not(versions.url.replace("/shop", "/shob"))
    assert f"{versions.address}: it has no" in said
    assert "`shob`" in said
    if not isinstance(versions, TensorFlowServer):
        assert "did you mean `shop`?" in said


def test_every_tensor_that_disagrees_is_named(versions: RemoteServer) -> None:
    said = why_not(versions.url.replace("/shop", "/wrong"))
    assert "input `dense` is float64[n, 4] there, the program makes float32[n, 5]" in said
    assert "the model takes no input `tags`" in said
    assert "takes an input that the program does not make: `labels`" in said
    assert "`shopper_once`" not in said
    assert "`more`" not in said, "an optional one may be left out"


def test_a_disagreement_is_told_when_the_server_starts(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    model = open_model_server(versions.url.replace("/shop", "/wrong"), SIGNATURE)
    with serving(lmdb_url, tmp_path / "registry", model) as (server, _):
        assert "version 1 waits" in server.health.check()
        assert "input `dense` is float64[n, 4] there" in server.health.check()
        assert [state.state for state in server.versions.states()] == ["published"], (
            "it is no fault of its own"
        )


def test_tensors_that_the_model_does_not_take(versions: RemoteServer) -> None:
    server = opened(versions.url)
    try:
        with pytest.raises(ModelRefusedInputs):
            server.predict(1, {**tensors(3), "dense": np.zeros((3, 4), np.float32)}, 5.0)
        with pytest.raises(ModelRefusedInputs):
            server.predict(1, {**tensors(3), "dense": np.zeros((3, 5), np.float64)}, 5.0)
        assert server.predict(1, tensors(3), 5.0)["like"].shape == (3,)
    finally:
        server.close()


def test_a_version_number_that_is_another_version_here(versions: RemoteServer) -> None:
    server = opened(versions.url)
    try:
        with pytest.raises(ModelRefused, match="by number alone"):
            server.load(-1, NOWHERE)
        with pytest.raises(ModelNotReady):
            server.predict(9, tensors(1), 1.0)
    finally:
        server.close()


def test_the_deadline_holds_while_the_server_hangs(versions: RemoteServer) -> None:
    server = opened(versions.url)
    try:
        versions.hang()
        started = time.monotonic()
        with pytest.raises(ModelTimeout):
            server.predict(1, tensors(3), 0.4)
        assert time.monotonic() - started < 5.0
        versions.go_on()
        until(lambda: answers(server))
    finally:
        versions.go_on()
        server.close()


def answers(server: object) -> bool:
    try:
        server.predict(1, tensors(3), 5.0)  # type: ignore[attr-defined]
    except Exception:
        return False
    return True


@pytest.mark.parametrize("remote", ["tfs"], indirect=True)  # Triton has no labels
def test_a_label_says_which_version_serves(versions: RemoteServer, lmdb_url: str, tmp_path: Path) -> None:
    assert isinstance(versions, TensorFlowServer)
    versions.put(2, 3.0)
    for weight in (2.0, 3.0):
        publish(tmp_path / "registry", tmp_path / "models", weight)
    model = open_model_server(f"{versions.url}?label=stable", SIGNATURE)
    with serving(lmdb_url, tmp_path / "registry", model) as (server, _):
        assert "the label `stable` names no version" in server.health.check()
        for version in (1, 2, 1):
            versions.label("stable", version)
            until(
                lambda v=version: server.versions.serving is not None and server.versions.serving.version == v
            )  # type: ignore[misc]
    versions.label("stable", None)


@pytest.mark.parametrize("remote", ["triton"], indirect=True)
def test_a_full_queue_and_rows_of_one_batch(versions: RemoteServer) -> None:
    """Triton with a batcher: what is per request is sent as a row for each candidate; its queue takes two calls."""
    server = opened(versions.url.replace("/shop", "/batched"))
    try:
        given = tensors(7)
        outputs = server.predict(1, given, 10.0)
        np.testing.assert_allclose(outputs["like"], given["dense"].sum(axis=1) * 2, rtol=1e-5)
        faults: list[BaseException] = []

        def ask() -> None:
            try:
                server.predict(1, tensors(40), 10.0)
            except Exception as fault:
                faults.append(fault)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults
        assert len(faults) < 12
        assert {type(fault) for fault in faults} == {ModelOverloaded}
    finally:
        server.close()


def test_the_real_clients_are_imported_later_into_the_same_process(versions: RemoteServer) -> None:
    script = HERE / "imported_later.py"
    assert run_in("tensorflow", script, versions.address, versions.scheme).split() == ["2.0", "2.0", "2.0"]


def test_feat_serve_says_at_the_start_what_disagrees(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    url = versions.url.replace("/shop", "/wrong")
    with subprocess.Popen(serve(lmdb_url, tmp_path, url), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.terminate()
    assert "not serving" in said
    assert "input `dense` is float64[n, 4] there, the program makes float32[n, 5]" in said


@pytest.mark.parametrize("remote", ["triton"], indirect=True)
def test_workers_ask_the_model_server_by_themselves(
    versions: RemoteServer, lmdb_url: str, tmp_path: Path
) -> None:
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    port_file = tmp_path / "port"
    command = [*serve(lmdb_url, tmp_path, versions.url), "--workers", "2", "--port-file", str(port_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "version 1, 2 workers" in process.stdout.readline()
            with ScorerClient(f"127.0.0.1:{port_file.read_text().strip()}") as client:
                answer = client.score({"shopper": 1, "item": ["a", "b"]}, {**REQUEST, "at": AT})
            assert answer.version == 1
        finally:
            process.terminate()


def test_feat_serve_refuses_what_is_no_model_server(lmdb_url: str, tmp_path: Path) -> None:
    done = subprocess.run(serve(lmdb_url, tmp_path, "tfs://host"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: a model server's URL ends with the model's name there: tfs://host",
        "help: such as tfs://host/NAME",
    ]


def serve(store: str, folder: Path, model_server: str) -> list[str]:
    places = ["--program", str(PROGRAM), "--store", store, "--registry", f"dir://{folder / 'registry'}"]
    return [sys.executable, "-m", "featdsl.cli", "serve", *places, "--model-server", model_server]
