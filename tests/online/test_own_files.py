"""A model server's own copies of versions' files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from model_sync import open_registry
from model_sync.table_stack import LAYERS, read_tables
from online.model_server.own_files import OwnFiles, bytes_of_layers
from tests.model_sync.folders import saved, saved_with_table

DELTAS: list[dict[int, float]] = [dict.fromkeys(range(100), 1.0), {1: 2.0}, {2: 3.0}]


@pytest.fixture
def own(tmp_path: Path) -> OwnFiles:
    (tmp_path / "own").mkdir()
    return OwnFiles(tmp_path / "own")


def chunks_of(folder: Path) -> set[str]:
    return {chunk.sha256 for table in read_tables(folder).values() for chunk in table.chunks}


def held(tmp_path: Path) -> set[str]:
    return set(os.listdir(tmp_path / "own" / LAYERS))


def test_chunks_are_there_once_and_as_long_as_a_version_needs_them(own: OwnFiles, tmp_path: Path) -> None:
    folders = [saved_with_table(tmp_path / f"{n}", DELTAS[:n]) for n in (1, 2, 3)]
    needed = [chunks_of(folder) for folder in folders]
    copies = [own.copy(7, folder) for folder in folders]
    assert held(tmp_path) == needed[2]
    for copy, chunks in zip(copies, needed, strict=True):
        assert all((copy / LAYERS / chunk).read_bytes() for chunk in chunks)
    own.remove(copies[2])
    assert held(tmp_path) == needed[1]
    own.remove(copies[0])
    assert held(tmp_path) == needed[1]
    again = own.copy(7, folders[0])
    own.remove(copies[1])
    assert held(tmp_path) == needed[0]
    own.remove(again)
    own.remove(again)
    assert os.listdir(tmp_path / "own") == [LAYERS]
    assert held(tmp_path) == set()


def test_a_copy_that_fails_leaves_nothing_and_takes_nothing_from_others(
    own: OwnFiles, tmp_path: Path
) -> None:
    first, second = (saved_with_table(tmp_path / f"{n}", DELTAS[:n]) for n in (1, 3))
    copy = own.copy(1, first)
    for missing in sorted(chunks_of(second) - chunks_of(first)):
        data = (second / LAYERS / missing).read_bytes()
        (second / LAYERS / missing).unlink()
        with pytest.raises(FileNotFoundError):
            own.copy(2, second)
        (second / LAYERS / missing).write_bytes(data)
        assert held(tmp_path) == chunks_of(copy)
        assert sorted(os.listdir(tmp_path / "own")) == sorted([copy.name, LAYERS])
    own.copy(2, second)
    assert held(tmp_path) == chunks_of(first) | chunks_of(second)


def test_a_copy_that_the_disk_has_no_room_for_leaves_no_part(
    own: OwnFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunks lie on another file system, so they are copied."""
    folder = saved_with_table(tmp_path / "model", DELTAS)

    def full(_: Path, target: Path) -> None:
        target.write_bytes(b"a part")
        raise OSError(errno.ENOSPC, "no space is left")

    monkeypatch.setattr("online.model_server.own_files.link_or_copy", full)
    with pytest.raises(OSError, match="no space is left"):
        own.copy(1, folder)
    assert held(tmp_path) == set()


def test_what_says_no_tables_is_copied_as_it_is(own: OwnFiles, tmp_path: Path) -> None:
    """Who loads it says what is wrong."""
    plain = saved(tmp_path / "plain", b"weights")
    broken = saved_with_table(tmp_path / "broken", DELTAS)
    (broken / "tables.json").write_text("{")
    for folder in (plain, broken):
        copy = own.copy(1, folder)
        assert {path.name for path in copy.iterdir()} == {path.name for path in folder.iterdir()}
        assert bytes_of_layers(copy) == 0


def test_what_a_registry_points_at_outlives_it(own: OwnFiles, tmp_path: Path) -> None:
    registry = open_registry(f"dir://{tmp_path}/registry", create=True)
    registry.publish(saved_with_table(tmp_path / "model", DELTAS), now_us=1)
    registry.fetch(1, tmp_path / "fetched", whole=False)
    assert (tmp_path / "fetched" / LAYERS).is_symlink()
    copy = own.copy(1, tmp_path / "fetched")
    chunks = chunks_of(copy)
    for path in (tmp_path / "registry" / "chunks").iterdir():
        path.unlink()
    assert len(chunks) == 3
    assert bytes_of_layers(copy) == sum((copy / LAYERS / chunk).stat().st_size for chunk in chunks)


def test_a_chunk_that_was_damaged_where_it_lies_is_taken_again(own: OwnFiles, tmp_path: Path) -> None:
    first = saved_with_table(tmp_path / "first", [{1: 1.0, 2: 2.0}])
    (chunk,) = (first / LAYERS).iterdir()
    good = chunk.read_bytes()
    kept = own.copy(1, first)
    chunk.write_bytes(good[:-1])
    assert (kept / LAYERS / chunk.name).read_bytes() != good, "they are one file"
    chunk.unlink()
    chunk.write_bytes(good)
    own.copy(2, first)
    assert (kept / LAYERS / chunk.name).read_bytes() == good


def test_a_file_that_versions_have_in_common_is_there_once_and_is_no_file_of_others(
    own: OwnFiles, tmp_path: Path
) -> None:
    folders = [saved_with_table(tmp_path / f"{n}", DELTAS[:n]) for n in (1, 2)]
    first, second = (own.copy(n, folder) for n, folder in enumerate(folders))
    assert (first / "parameters.safetensors").samefile(second / "parameters.safetensors")
    assert not (first / "parameters.safetensors").samefile(folders[0] / "parameters.safetensors")
    assert not (first / "tables.json").samefile(second / "tables.json")
    good = (folders[0] / "parameters.safetensors").read_bytes()
    own.remove(first)
    assert (second / "parameters.safetensors").read_bytes() == good
    third = own.copy(3, folders[0])
    assert (third / "parameters.safetensors").samefile(second / "parameters.safetensors")
    own.remove(second)
    own.remove(third)
    fourth = own.copy(4, folders[0])
    assert (fourth / "parameters.safetensors").read_bytes() == good
