"""One model server for several scoring servers: what is loaded once, what is kept, what is let go."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from online.model_server import shared
from online.model_server.embedded import EmbeddedModelServer
from online.model_server.shared import AttachedModelServer, ModelKeeper
from online.model_server.worker_handle import Worker, WorkerProcess
from online.models import ModelRefused, ModelServerDown
from tests.online.test_robust import wait_for


class Loads(EmbeddedModelServer):
    """Notes what is loaded and unloaded; every version's process is this one."""

    def __init__(self) -> None:
        self.loaded: list[tuple[int, str]] = []
        self.unloaded: list[int] = []

    def load(self, version: int, directory: Path) -> None:
        text = (directory / "weight.txt").read_text()
        if text == "bad":
            raise ModelRefused("it is bad")
        if version not in [number for number, _ in self.loaded]:
            self.loaded.append((version, text))

    def unload(self, version: int) -> None:
        self.unloaded.append(version)

    def place(self, version: int) -> dict[str, Any]:
        return {"pid": os.getpid(), "address": f"/nowhere/{version}", "facts": {"batching": "no"}}

    def ping(self, version: int) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def server() -> Loads:
    return Loads()


@pytest.fixture
def keeper(server: Loads, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelKeeper]:
    monkeypatch.setattr(shared, "LINGER_S", 0.2)
    keeper = ModelKeeper(server)
    yield keeper
    keeper.close()


def folder(place: Path, text: str) -> Path:
    place.mkdir(exist_ok=True, parents=True)
    (place / "weight.txt").write_text(text)
    (place / "model.json").write_text(json.dumps({"files": {"weight.txt": text}}))
    return place


def test_a_version_is_loaded_once_for_all(tmp_path: Path, server: Loads, keeper: ModelKeeper) -> None:
    first, second = AttachedModelServer(keeper.path), AttachedModelServer(keeper.path)
    for own, attached in (("first", first), ("second", second)):  # each has a copy of its own
        one, two = folder(tmp_path / own / "1", "a"), folder(tmp_path / own / "2", "b")
        attached.load(1, one)
        attached.load(1, one)
        attached.load(2, two)
        attached.ping(1)
    assert [text for _, text in server.loaded] == ["a", "b"]
    assert first.facts(1) == {"batching": "no"}
    first.unload(1)
    assert server.unloaded == [], "the other one holds it"
    second.unload(1)
    wait_for(lambda: server.unloaded, [server.loaded[0][0]], 10)
    first.close()
    second.close()
    wait_for(lambda: len(server.unloaded), 2, 10)


def test_a_number_that_is_given_again_to_other_files_is_another_version(
    tmp_path: Path, server: Loads, keeper: ModelKeeper
) -> None:
    first, second = AttachedModelServer(keeper.path), AttachedModelServer(keeper.path)
    first.load(1, folder(tmp_path / "1", "a"))
    second.load(1, folder(tmp_path / "1", "other"))
    assert [text for _, text in server.loaded] == ["a", "other"]
    assert first._worker(1).address != second._worker(1).address
    first.close()
    second.close()


def test_what_is_refused_is_told_to_each_and_not_kept(
    tmp_path: Path, server: Loads, keeper: ModelKeeper
) -> None:
    attached = AttachedModelServer(keeper.path)
    for _ in range(2):
        with pytest.raises(ModelRefused, match="it is bad"):
            attached.load(1, folder(tmp_path / "1", "bad"))
    with pytest.raises(ModelRefused, match="do not read"):
        attached.load(1, tmp_path / "none")
    with pytest.raises(ModelServerDown, match="not loaded"):
        attached.ping(1)
    attached.load(1, folder(tmp_path / "1", "good"))
    attached.close()


def test_a_keeper_that_is_gone_is_told(tmp_path: Path, keeper: ModelKeeper) -> None:
    attached = AttachedModelServer(keeper.path)
    attached.load(1, folder(tmp_path / "1", "a"))
    keeper.close()
    with pytest.raises(ModelServerDown, match="does not answer"):
        attached.ping(1)
    with pytest.raises(ModelServerDown, match="does not answer"):
        AttachedModelServer(keeper.path)
    attached.close()


def test_a_process_that_is_being_killed_is_waited_for() -> None:
    """It answers no more before it has ended: who asks for another then must not be given the same again."""
    with subprocess.Popen(["sleep", "0.2"]) as dying:
        began = []

        class Dies(Loads):
            def _worker(self, version: int) -> Worker:
                return Worker(WorkerProcess(dying.pid), "", Path(), version)

            def _revive(self, version: int, dead: Worker) -> Worker:
                began.append(version)
                return dead

        Dies().revived(7, dying.pid)
        assert began == [7]
