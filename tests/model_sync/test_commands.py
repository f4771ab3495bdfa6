"""`feat versions`, `promote`, `rollback`, `prune` and `fetch` on a real registry: what a person sees."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from featdsl.cli.main import main
from featdsl.cli.versions import lanes
from model_sync import open_registry
from model_sync.replicas import Replica, tell
from tests.model_sync.folders import saved, saved_with_table

AT = 1_790_000_000_000_000


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"dir://{tmp_path}/registry"
    registry = open_registry(url, create=True)
    for i in range(3):
        registry.publish(saved(tmp_path / "a", b"%d" % i * 1000), now_us=AT + i)
    registry.rollback(now_us=AT + 4)
    registry.publish(saved_with_table(tmp_path / "b", [{1: 1.0, 2: 2.0}]), now_us=AT + 5)
    return url


def test_versions_are_drawn_with_what_came_of_what(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell(open_registry(url), Replica("host-1", "ranker", 4, (2, 4), time.time_ns() // 1000))
    tell(open_registry(url), Replica("host-2", "ranker", 2, (2,), time.time_ns() // 1000))
    assert main(["promote", "2", "--registry", url]) == 0
    assert main(["promote", "4", "--registry", url, "--to", "canary", "--share", "0.05"]) == 0
    capsys.readouterr()
    assert main(["versions", "--registry", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("o           1  2026-")
    assert lines[3].strip() == "served by 1 of 2; stable"
    assert lines[4].startswith("| o         3")
    assert lines[5].strip() == "refused: rolled back to version 2"
    assert lines[6].startswith("o    ->     4")
    assert lines[7].strip() == "served by 1 of 2; canary 0.05 of the users; users: 2 rows"
    assert main(["versions", "--registry", url, "--json", "--last", "1"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (version,) = listed["versions"]
    assert (listed["head"], version["version"], version["labels"]) == (4, 4, {"canary": 0.05})
    assert (version["served_by"], version["held_by"]) == (["host-1"], ["host-1"])


def test_a_version_is_fetched_pruned_and_gone(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["fetch", "--registry", url, "--out", str(out)]) == 0
    assert (out / "tables.json").is_file()
    assert main(["fetch", "1", "--registry", url, "--out", str(out)]) == 1
    assert "it is there already" in capsys.readouterr().err
    assert main(["prune", "--registry", url, "--keep", "0"]) == 0
    assert "0 versions" in capsys.readouterr().out, "an hour has not passed"
    assert main(["prune", "--registry", url, "--keep", "0", "--grace-s", "0"]) == 0
    assert "3 versions and 6 chunks" in capsys.readouterr().out
    assert main(["fetch", "1", "--registry", url, "--out", str(tmp_path / "more")]) == 1
    assert "there is no such version: 1" in capsys.readouterr().err
    assert main(["versions", "--registry", url, "--verify"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote"], "name a version"),
        (["promote", "1", "--remove"], "name a version"),
        (["promote", "1", "--to", "canary"], "--share 0.05"),
        (["promote", "1", "--share", "0.1"], "`stable` is for all users of the servers that follow it"),
        (["promote", "1", "--to", "Canary!"], "not a label"),
        (["promote", "--remove"], "no such label: stable"),
        (["promote", "9"], "the versions: 1, 2, 3, 4"),
        (["versions", "--last", "0"], "--last is 1 and more"),
        (["rollback", "--to", "9"], "the versions: 1, 2, 3, 4"),
        (["prune", "--keep", "-1"], "0 and more"),
        (["fetch", "--out", "/proc/none/there"], "the folder cannot be made: /proc/none/there"),
        (["fetch", "--out", "/proc/none"], "version 4 cannot be kept here: /proc/none"),
        (["serve", "--follow", "Stable!"], "not a label: Stable!"),
        (["export", "--to", "triton://x/m", "--models", "m", "--route", "a b"], "not a label: a b"),
    ],
)
def test_what_cannot_be_is_told(
    url: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([*arguments, "--registry", url]) == 1
    assert said in capsys.readouterr().err
    assert main(["versions", "--registry", url]) == 0


def test_no_registry_is_made_for_what_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(tmp_path), "--registry", f"dir://{tmp_path}/registry"]) == 1
    assert "not a saved model" in capsys.readouterr().err
    assert not (tmp_path / "registry").exists()


@pytest.mark.parametrize(
    "registry", ["redis://127.0.0.1:1/0?registry=x", "s3://b/x?endpoint=http://127.0.0.1:1"]
)
def test_a_place_that_does_not_answer_is_no_fault_of_the_input(
    registry: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    assert main(["versions", "--registry", registry]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: the registry does not answer: ")
    assert "\nhelp: is it " in said


@pytest.mark.parametrize(
    ("parents", "head", "drawn"),
    [
        ({}, None, []),
        ({1: None}, 1, ["o"]),
        ({1: None, 2: 1, 3: 2, 4: 1, 5: 4}, 5, ["o", "| o", "| o", "o", "o"]),
        ({1: None, 2: 1, 3: 2, 4: 1, 5: 3, 6: 4}, 5, ["o", "o |", "o |", "| o", "o |", "  o"]),
        ({3: None, 4: 3, 5: 3, 6: 5, 7: 5}, 7, ["o", "| o", "o", "| o", "o"]),
        ({5: 4, 6: 5}, 6, ["o", "o"]),
        ({1: 2, 2: 1}, 2, ["o", "o"]),
    ],
)
def test_lanes(parents: dict[int, int | None], head: int | None, drawn: list[str]) -> None:
    assert list(lanes(parents, head).values()) == drawn
