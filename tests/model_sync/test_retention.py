"""Labels, and what is removed: never what HEAD, a label or a living server needs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from featdsl.errors import InputError
from model_sync import Draft, HeadMoved, Registry, RegistryError, VersionRefused, open_registry
from model_sync.labels import CANARY, label, labels, promote, remove_label
from model_sync.pruning import prune
from model_sync.replicas import Replica, replicas, take_leave, tell
from model_sync.saved_folder import SavedFolder
from tests.model_sync.folders import saved, saved_with_table
from tests.model_sync.places import PLACES, Place

NOW_US = time.time_ns() // 1000
LATER_US = NOW_US + 7200 * 1_000_000


@pytest.fixture(params=PLACES)
def registry(request: pytest.FixtureRequest, places: dict[str, Place], tmp_path: Path) -> Iterator[Registry]:
    registry = open_registry(places[request.param].new(), create=True)
    for i in range(6):
        registry.publish(saved(tmp_path / "a", b"%d" % i * 1000), now_us=NOW_US + i)
    yield registry
    registry.close()


def chunks(registry: Registry) -> set[str]:
    return {name.rpartition("/")[2] for name in registry.blobs.names("chunks/")}


def needed(registry: Registry) -> set[str]:
    return {chunk.sha256 for version in registry.versions() for chunk in version.chunks()}


def test_labels(registry: Registry) -> None:
    assert labels(registry) == {}
    assert label(registry, "stable") is None
    promote(registry, 3, "stable", now_us=1)
    promote(registry, 5, CANARY, share=0.05, now_us=2)
    assert {name: (one.version, one.share) for name, one in labels(registry).items()} == {
        "stable": (3, None), "canary": (5, 0.05),
    }  # fmt: skip
    promote(registry, 4, "stable", now_us=3)
    stable = label(registry, "stable")
    assert stable is not None
    assert (stable.version, stable.digest) == (4, registry.identity(4))
    assert remove_label(registry, CANARY)
    assert not remove_label(registry, CANARY)
    for name in ("", "HEAD", "../x", "a b", "-x"):
        with pytest.raises(InputError, match="not a label"):
            promote(registry, 1, name, now_us=4)
    with pytest.raises(InputError, match="no such version: 9"):
        promote(registry, 9, "stable", now_us=4)
    with pytest.raises(InputError, match="not a share"):
        promote(registry, 1, CANARY, share=0.0, now_us=4)
    registry.blobs.write("labels/stable", b"{")
    with pytest.raises(RegistryError, match="label stable of the registry does not read"):
        label(registry, "stable")
    promote(registry, 1, "stable", now_us=5)


def test_a_label_that_goes_while_it_is_read_is_none(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(registry, 3, "stable", now_us=1)
    read = registry.blobs.read

    def read_and_lose(name: str) -> bytes | None:
        found = read(name)
        registry.blobs.remove(name)
        return found

    monkeypatch.setattr(registry.blobs, "read", read_and_lose)
    found = label(registry, "stable")
    assert found is not None
    assert found.version == 3
    assert label(registry, "stable") is None


def test_a_damaged_version_gets_no_label(registry: Registry) -> None:
    (chunk,) = registry.version(2).files["parameters.safetensors"].chunks
    registry.blobs.write(f"chunks/{chunk.sha256}", b"\0" * chunk.size)
    with pytest.raises(VersionRefused, match="wrong checksum"):
        promote(registry, 2, "stable", now_us=1)
    assert labels(registry) == {}


def test_who_needs_a_version_keeps_it(registry: Registry) -> None:
    promote(registry, 1, "stable", now_us=1)
    tell(registry, Replica("a", "ranker", 3, (2, 3), LATER_US - 30_000_000))
    tell(registry, Replica("gone", "ranker", 4, (4,), LATER_US - 70_000_000))
    assert [one.name for one in replicas(registry, now_us=LATER_US)] == ["a"]
    told = prune(registry, 0, now_us=LATER_US, dry_run=True)
    assert registry.numbers() == [1, 2, 3, 4, 5, 6]
    pruned = prune(registry, 0, now_us=LATER_US)
    assert pruned == told
    assert pruned.versions == (4, 5)
    assert pruned.kept == {1: "label stable", 2: "held by a", 3: "held by a", 6: "HEAD"}
    assert registry.numbers() == [1, 2, 3, 6]
    assert chunks(registry) == needed(registry)
    for number in registry.numbers():
        registry.verify(number)
    take_leave(registry, "a")
    assert prune(registry, 0, now_us=LATER_US).versions == (2, 3)
    registry.rollback(1, now_us=LATER_US)
    assert prune(registry, 0, now_us=LATER_US).versions == (6,)


def test_the_number_of_a_version_that_was_removed_is_not_given_again(
    registry: Registry, tmp_path: Path
) -> None:
    """Somebody may have been answered by it."""
    registry.rollback(2, now_us=NOW_US)
    assert prune(registry, 0, now_us=LATER_US).versions == (1, 3, 4, 5, 6)
    assert registry.publish(saved(tmp_path / "b", b"another"), now_us=NOW_US).number == 7
    registry.rollback(2, now_us=NOW_US)
    assert prune(registry, 0, now_us=LATER_US, grace_s=0.0).versions == (7,)
    assert registry.publish(saved(tmp_path / "b", b"another"), now_us=NOW_US).number == 8


def test_nor_by_a_publisher_that_is_late_and_dies(registry: Registry, tmp_path: Path) -> None:
    """It has not seen any version, and dies before it learns that HEAD has moved."""
    registry.rollback(2, now_us=NOW_US)
    assert prune(registry, 0, now_us=LATER_US).versions == (1, 3, 4, 5, 6)
    swap = registry.blobs.swap

    def dies_at_head(name: str, expected: bytes | None, data: bytes) -> bool:
        if name == "HEAD":
            raise KeyboardInterrupt
        return swap(name, expected, data)

    files = {name: registry.put_file(data) for name, data in SavedFolder(tmp_path / "a").contents()}
    registry.blobs.swap = dies_at_head  # type: ignore[method-assign]
    try:
        with pytest.raises((HeadMoved, KeyboardInterrupt)):
            registry.commit(Draft("ranker", "f" * 64, files), None, now_us=NOW_US)
    finally:
        registry.blobs.swap = swap  # type: ignore[method-assign]
    assert registry.numbers() == [2]


def test_what_is_young_stays(registry: Registry) -> None:
    """It may be part of a version whose publisher has not come to its manifest."""
    waiting = registry.put_chunk(b"of a version to come")
    assert prune(registry, 0, now_us=NOW_US).versions == ()
    assert waiting.sha256 in chunks(registry)


def test_what_is_put_again_is_young_again(tmp_path: Path) -> None:
    registry = open_registry(f"dir://{tmp_path}/registry", create=True)
    registry.publish(saved(tmp_path / "a"), now_us=NOW_US)
    waiting = registry.put_chunk(b"of a version to come")
    path = tmp_path / "registry" / "chunks" / waiting.sha256
    os.utime(path, (1, 1))
    assert registry.put_chunk(b"of a version to come") == waiting
    prune(registry, 0, now_us=NOW_US)
    assert path.exists()


def test_a_manifest_that_does_not_read_keeps_all_chunks(registry: Registry) -> None:
    registry.blobs.write("versions/000002/manifest.json", b"{")
    before = chunks(registry)
    pruned = prune(registry, 1, now_us=LATER_US)
    assert pruned.versions == (1, 3, 4, 5)
    assert pruned.kept[2] == "its manifest does not read"
    assert chunks(registry) == before
    registry.blobs.remove("HEAD")
    with pytest.raises(RegistryError, match="no HEAD, so nothing is removed"):
        prune(registry, 0, now_us=LATER_US)


def test_nothing_is_removed_while_a_label_or_a_server_cannot_be_read(registry: Registry) -> None:
    """Which version it needs, nobody knows."""
    promote(registry, 2, "stable", now_us=1)
    registry.blobs.write("labels/stable", b"{")
    with pytest.raises(RegistryError, match="label stable of the registry does not read"):
        prune(registry, 0, now_us=LATER_US)
    promote(registry, 2, "stable", now_us=1)
    registry.blobs.write("replicas/a.json", b"{")
    now_us = time.time_ns() // 1000
    with pytest.raises(RegistryError, match=r"who serves what does not read: replicas/a\.json"):
        prune(registry, 0, now_us=now_us, grace_s=0.0)
    assert registry.numbers() == [1, 2, 3, 4, 5, 6]
    assert replicas(registry, now_us=now_us) == []
    assert prune(registry, 0, now_us=LATER_US).versions == (1, 3, 4, 5), "by then it is gone"
    assert list(registry.blobs.names("replicas/")) == ["replicas/a.json"]
    prune(registry, 0, now_us=LATER_US + 90_000 * 1_000_000)
    assert list(registry.blobs.names("replicas/")) == []


def test_pruning_leaves_the_anchor_of_what_is_left(registry: Registry, tmp_path: Path) -> None:
    anchor = dict.fromkeys(range(100), 1.0)
    deltas: list[dict[int, float]] = [anchor]
    for i in range(5):
        deltas.append({i: float(i)})
        registry.publish(saved_with_table(tmp_path / f"t{i}", deltas), now_us=NOW_US)
    prune(registry, 0, now_us=LATER_US)
    assert registry.numbers() == [11]
    registry.fetch(11, tmp_path / "fetched")
    assert len(registry.version(11).tables["users"].layers) == 6
