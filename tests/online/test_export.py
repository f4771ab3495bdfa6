"""Versions of a registry on servers that are not ours: on the real Triton, and on TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from featdsl.cli.main import main
from featdsl.errors import InputError
from featdsl.torch import EmbeddingTable, load_model, save_model
from model_sync import open_registry
from model_sync.labels import label, promote
from model_sync.replicas import Replica, take_leave, tell
from online.export.layout import NotExported
from online.export.opening import ExportOptions, open_exporter
from online.export.saved_model_form import SavedModelForm
from online.model_server.opening import open_model_server
from tests.online.environments import ROOT
from tests.online.exporting import Shop
from tests.online.remote import (
    HERE,
    SHOP,
    SIGNATURE,
    Calls,
    RemoteServer,
    TritonServer,
    opened,
    running,
    tensors,
    until,
)
from tests.online.shop import AT, bundle, serving


def test_calls_move_to_a_version_when_the_server_has_it(shop: Shop, lmdb_url: str) -> None:
    shop.publish(2.0)
    model = open_model_server(shop.server.url, SIGNATURE)
    with shop.exporter() as exporter, serving(lmdb_url, shop.registry, model) as (server, client):
        until(lambda: server.versions.serving is not None)
        with Calls(client) as calls:
            for weight, version in ((3.0, 2), (4.0, 3)):
                assert shop.publish(weight) == version
                until(lambda version=version: version in calls.versions)
                until(lambda version=version: exporter.routed == version)
            until(lambda: server.versions.problem == "")
    assert calls.failed == []
    assert exporter.problem == ""


def test_a_version_that_the_server_does_not_load_leaves_the_old_one(shop: Shop, lmdb_url: str) -> None:
    shop.publish(2.0)
    model = open_model_server(shop.server.url, SIGNATURE)
    with shop.exporter() as exporter, serving(lmdb_url, shop.registry, model) as (server, client):
        until(lambda: server.versions.serving is not None)
        with Calls(client) as calls:
            until(lambda: calls.versions == {1})
            shop.publish("broken")
            until(lambda: exporter.problem.startswith("version 2 is not exported: "))
            assert shop.versions() == [1]
            assert exporter.routed == 1
            refusal = open_registry(shop.url).refusal(2)
            assert refusal.startswith(f"by {shop.server.scheme}://{shop.server.address}: ")
            shop.publish(3.0)
            until(lambda: 3 in calls.versions)
        assert calls.versions == {1, 3}
        assert calls.failed == []
        assert shop.versions() == [1, 3]


def test_a_damaged_version_waits_until_it_is_whole(shop: Shop) -> None:
    shop.publish(2.0)
    with shop.exporter() as exporter:
        until(lambda: exporter.routed == 1)
    shop.publish(3.0)
    registry = open_registry(shop.url)
    (chunk,) = registry.version(2).files["weight.txt"].chunks
    path = shop.registry / "chunks" / chunk.sha256
    path.chmod(0o644)
    path.write_bytes(b"9.0")
    with shop.exporter() as exporter:
        until(lambda: "version 2 is not exported: " in exporter.problem)
        assert "a chunk of weight.txt has a wrong checksum" in exporter.problem
        assert shop.versions() == [1]
        path.write_bytes(b"3.0")
        until(lambda: exporter.routed == 2)
        assert registry.refusal(2) == ""


def test_a_label_is_followed_and_another_moved(shop: Shop) -> None:
    registry = open_registry(shop.url, create=True)
    for weight in (2.0, 3.0, 4.0):
        shop.publish(weight)
    with shop.exporter(follow="stable", route="live", kept=0) as exporter:
        until(lambda: exporter.problem == "no version has the label stable")
        promote(registry, 2, "stable", now_us=AT)
        until(lambda: exporter.routed == 2)
        promote(registry, 3, "canary", share=0.1, now_us=AT)
        until(lambda: exporter.problem == "" and shop.versions() == [2, 3])
        assert exporter.routed == 2
        assert getattr(label(registry, "live"), "version", None) == 2
        promote(registry, 1, "stable", now_us=AT)
        until(lambda: exporter.routed == 1)
        until(lambda: shop.versions() == [1, 3])
        assert getattr(label(registry, "live"), "version", None) == 1
    with pytest.raises(InputError, match="a label cannot follow itself: live"):
        open_exporter(
            shop.url, shop.server.url, shop.server.models, shop.options(follow="live", route="live")
        )


def test_a_version_is_taken_away_when_no_server_holds_it(shop: Shop) -> None:
    registry = open_registry(shop.url, create=True)
    shop.publish(2.0)
    with shop.exporter(kept=0) as exporter:
        until(lambda: exporter.routed == 1)
        tell(registry, Replica("scorer", "ranker", 1, (1,), time.time_ns() // 1000))
        shop.publish(3.0)
        until(lambda: exporter.routed == 2)
        time.sleep(0.6)
        assert shop.versions() == [1, 2]
        opened(shop.server.url, 1).close()
        take_leave(registry, "scorer")
        until(lambda: shop.versions() == [2])
        opened(shop.server.url, 2).close()
        until(lambda: shop.server.ready() == {2})


@pytest.mark.parametrize("remote", ["triton"], indirect=True)
def test_hosts_that_come_back_are_given_what_they_lack(shop: Shop) -> None:
    """Two that read one folder, of which one is dead: the other gets the version, and it later, without a word."""
    other = TritonServer(shop.folder / "other")
    other.models = shop.server.models
    shop.publish(2.0)
    both = f"triton://{shop.server.address},{other.address}/shop"
    with shop.exporter(both) as exporter:
        until(lambda: exporter.routed == 1)
        with running(other):
            opened(other.url, 1).close()
            until(lambda: len(exporter._hosts.up()) == 2 and exporter.problem == "")
            other.hang()
            shop.publish(3.0)
            until(lambda: exporter.routed == 2)
            other.go_on()
            opened(other.url, 2).close()


def test_a_triton_that_polls_is_left_to_that(tmp_path: Path) -> None:
    server = TritonServer(tmp_path, "--poll-s", "1")
    shop = Shop(tmp_path, server)
    with running(server), shop.exporter() as exporter:
        shop.publish(2.0)
        until(lambda: exporter.routed == 1)
        shop.publish("broken")
        until(lambda: "could not convert string to float: 'broken'" in exporter.problem)
        assert shop.versions() == [1]
        opened(server.url, 1).close()


class Ranker(torch.nn.Module):
    """The shop's model, with a table of tags."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.tags = EmbeddingTable("tags", 4)
        self.layer = torch.nn.Linear(5 + 4 + 2, 2)

    def forward(
        self, dense: torch.Tensor, tags: torch.Tensor, shopper_once: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        once = shopper_once.expand(dense.shape[0], -1)
        made = self.layer(torch.cat([dense, self.tags(tags).sum(1), once], 1))
        return made[:, 0], made[:, 1]


@pytest.mark.parametrize("remote", ["triton"], indirect=True)
def test_a_version_that_kills_its_server_is_not_there_when_that_starts_again(shop: Shop) -> None:
    shop.publish(2.0)
    with shop.exporter() as exporter:
        until(lambda: exporter.routed == 1)
        shop.publish("deadly")
        until(lambda: "went away while it was to load it" in open_registry(shop.url).refusal(2))
        assert shop.versions() == [1]
        shop.publish(3.0)
        until(lambda: exporter.problem.startswith("version 3 waits: no host answers: "))
        assert shop.versions() == [1]
        shop.server.kill()
        shop.server.start()
        until(lambda: exporter.routed == 3)
        opened(shop.server.url, 3).close()


@pytest.mark.parametrize("remote", ["triton"], indirect=True)
def test_the_published_graph_runs_on_triton_with_its_tables(remote: RemoteServer, tmp_path: Path) -> None:
    """Triton has torch and nothing of ours."""
    ranker = Ranker()
    ranker.tags(torch.arange(50)).sum().backward()
    made = save_model(ranker, bundle(), tmp_path / "made", tables="apart")
    registry = open_registry(f"dir://{tmp_path / 'registry'}", create=True)
    registry.publish(made, now_us=AT)
    url, model = remote.url.replace("/shop", "/graph"), remote.models / "graph"
    given = {**tensors(7), "tags": np.arange(7 * 3).reshape(7, 3) * 7}
    arguments = ["--registry", registry.url, "--to", url, "--models", str(remote.models), "--once"]
    assert main(["export", *arguments]) == 0
    assert (model / "config.pbtxt").read_text().startswith("# Written by `feat export`.")
    assert {path.name for path in (model / "1").iterdir()} == {
        "__pycache__", "featdsl.json", "model.json", "model.py", "parameters.safetensors", "program.pt2"
    }  # fmt: skip
    client = opened(url, 1)
    outputs = client.predict(1, given, 30.0)
    client.close()
    wanted = load_model(made).predict({name: torch.from_numpy(array) for name, array in given.items()})
    for name, array in outputs.items():
        np.testing.assert_allclose(array, wanted[name].numpy(), rtol=1e-6)
    with torch.no_grad():
        ranker.layer.weight[0, 0] = float("nan")
    registry.publish(save_model(ranker, bundle(), tmp_path / "nan", tables="apart"), now_us=AT)
    assert main(["export", *arguments]) == 1
    assert "a parameter is not finite" in registry.refusal(2)
    opened(url, 1).close()


@pytest.mark.parametrize("remote", ["tfs"], indirect=True)
def test_a_label_of_tensorflow_serving_moves_with_reload_config(shop: Shop) -> None:
    """The versions by number and the label are said in its configuration file; what it says of others stays, and so do
    versions that somebody else has put there."""
    shop.server.put(9, 4.0)
    labelled, file = f"{shop.server.url}?label=stable", shop.folder / "models.config"
    file.write_text(shop.everything())
    with shop.exporter(labelled, kept=0, server_config=file) as exporter:
        follower = open_model_server(labelled, SIGNATURE)
        for weight, version in ((2.0, 1), (3.0, 2)):
            shop.publish(weight)
            until(lambda version=version: exporter.routed == version and exporter.problem == "")
            assert follower.followed() == version
        until(lambda: shop.versions() == [2, 9])
        assert 'key: "stable"' in file.read_text()
        assert "versions: 2" in file.read_text()
        shop.publish("broken")
        until(lambda: "version 3 is not exported: " in exporter.problem)
        until(lambda: "versions: 3" not in file.read_text())
        assert follower.followed() == 2
        assert 'name: "wrong"' in file.read_text()
        follower.close()
        file.write_text("model_config_list { conf")
        shop.publish(4.0)
        until(lambda: "does not read" in exporter.problem)
        assert shop.server.ready() == {2, 9}
    shop.reset()


def test_what_a_converter_does_wrong_is_told(tmp_path: Path) -> None:
    for command, said in (
        ("exit 0", "made no SavedModel"),
        ("echo no such layer; exit 3", "ended with 3: no such layer"),
        ("sleep 60", "did not end in 0 s"),
    ):
        form = SavedModelForm(("sh", "-c", command), timeout_s=0.4)
        with pytest.raises(NotExported, match=said):
            form.write(tmp_path, tmp_path / "out")
    with pytest.raises(NotExported, match="does not start"):
        SavedModelForm((str(tmp_path / "nothing"),), 1.0).write(tmp_path, tmp_path / "out")


def test_what_cannot_be_exported_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["export", "--registry", f"dir://{tmp_path}", "--models", str(tmp_path / "models"), "--to"]
    for to, said in (
        ("embedded", "takes versions from the registry by itself"),
        ("tfs://localhost/shop", "a graph of torch is no graph of TensorFlow"),
        ("triton://localhost/shop?versions=none", "a server that has none"),
    ):
        assert main([*arguments, to]) == 1
        assert said in capsys.readouterr().err
    held = open_exporter(f"dir://{tmp_path}", "triton://localhost/shop", tmp_path / "models", ExportOptions())
    assert main([*arguments, "triton://localhost/shop"]) == 1
    assert "another exporter writes here" in capsys.readouterr().err
    held.close()
    assert main([*arguments, "triton://localhost:1/shop", "--once", "--timeout-s", "0.1"]) == 3
    assert "nothing is published yet" in capsys.readouterr().err


def test_nothing_half_is_there_whenever_an_exporter_is_killed(tmp_path: Path) -> None:
    """Or when its disk is full."""
    shop = Shop(tmp_path, TritonServer(tmp_path / "never-started"))
    shop.publish(2.0)
    shop.publish(3.0)
    script = [sys.executable, str(HERE / "killed_exports.py"), shop.url, str(tmp_path / "models")]
    done = subprocess.run(
        [*script, str(SHOP / "model.py")], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
    assert "File too large" in done.stderr


def test_an_exporter_goes_on_where_one_was_killed(shop: Shop) -> None:
    options = shop.options()
    more = ["--model-py", str(options.runs)] if options.runs else ["--convert", " ".join(options.convert)]
    command = [
        sys.executable, "-m", "featdsl.cli", "export", "--registry", shop.url, "--to", shop.server.url,
        "--models", str(shop.server.models), *more,
    ]  # fmt: skip
    shop.publish(2.0)
    killed = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until(lambda: shop.versions() == [1])
    killed.kill()
    killed.wait()
    with shop.exporter() as exporter:
        until(lambda: exporter.routed == 1)
        opened(shop.server.url, 1).close()
