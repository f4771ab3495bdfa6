"""Versions: whole or not there, verified, and HEAD moves as one step: wherever they live; what is about files, in a
directory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from featdsl.errors import InputError
from model_sync import (
    Draft,
    HeadMoved,
    Registry,
    RegistryError,
    VersionRefused,
    open_registry,
)
from model_sync.layer_file import read_chunk
from model_sync.table_stack import read_tables
from tests.model_sync.folders import saved, saved_with_table
from tests.model_sync.places import PLACES, Place


@pytest.fixture(params=PLACES)
def registry(request: pytest.FixtureRequest, places: dict[str, Place]) -> Iterator[Registry]:
    opened = open_registry(places[request.param].new(), create=True)
    yield opened
    opened.close()


@pytest.fixture
def in_folder(tmp_path: Path) -> Registry:
    return open_registry(f"dir://{tmp_path}/registry", create=True)


def root(registry: Registry) -> Path:
    return Path(registry.url.removeprefix("dir://"))


def manifest(registry: Registry, number: int) -> Path:
    return root(registry) / "versions" / f"{number:06d}" / "manifest.json"


def chunk(registry: Registry, number: int, name: str) -> Path:
    """Where a file of a version lies that is one chunk."""
    (only,) = registry.version(number).files[name].chunks
    return root(registry) / "chunks" / only.sha256


def number_of(registry: Registry) -> int | None:
    head = registry.head()
    return None if head is None else head.version


def test_versions_are_numbered_and_head_follows(registry: Registry, tmp_path: Path) -> None:
    assert registry.head() is None
    first = registry.publish(saved(tmp_path / "a"), now_us=1)
    second = registry.publish(saved(tmp_path / "a", b"other"), now_us=2)
    assert (first.number, first.parent) == (1, None)
    assert (second.number, second.parent) == (2, 1)
    assert number_of(registry) == 2
    assert [v.metrics for v in registry.versions()] == [{"auc": 0.75}] * 2
    registry.fetch(1, tmp_path / "fetched")
    assert (tmp_path / "fetched" / "parameters.safetensors").read_bytes() == b"weights"
    assert sorted(p.name for p in (tmp_path / "fetched").iterdir()) == [
        "model.json",
        "parameters.safetensors",
    ]


def test_rollback_goes_to_the_parent_or_to_the_named_version(registry: Registry, tmp_path: Path) -> None:
    for i in range(3):
        registry.publish(saved(tmp_path / "a", b"%d" % i), now_us=i)
    assert registry.rollback(now_us=9).number == 2
    assert registry.rollback(to=3, now_us=9).number == 3
    assert number_of(registry) == 3
    with pytest.raises(InputError, match="no such version: 9"):
        registry.rollback(to=9, now_us=9)
    registry.rollback(to=1, now_us=9)
    with pytest.raises(InputError, match="no parent"):
        registry.rollback(now_us=9)
    assert registry.publish(saved(tmp_path / "a"), now_us=9).parent == 1


@pytest.mark.parametrize("name", ["parameters.safetensors", "model.json"])
def test_every_flipped_bit_and_every_cut_is_found(in_folder: Registry, tmp_path: Path, name: str) -> None:
    in_folder.publish(saved(tmp_path / "a"), now_us=1)
    path = chunk(in_folder, 1, name)
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(VersionRefused, match=f"a chunk of {name} has a wrong checksum"):
            in_folder.verify(1)
    with pytest.raises(VersionRefused, match="a wrong checksum"):
        in_folder.fetch(1, tmp_path / "fetched", whole=False)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(VersionRefused, match="bytes, the manifest says"):
            in_folder.verify(1)
        with pytest.raises(VersionRefused, match="bytes, the manifest says"):
            in_folder.fetch(1, tmp_path / "fetched")
    assert [p.name for p in tmp_path.iterdir()] in (["a", "registry"], ["registry", "a"]), "nothing is left"
    path.unlink()
    with pytest.raises(VersionRefused, match="is not there"):
        in_folder.verify(1)
    in_folder.distrust()
    in_folder.publish(tmp_path / "a", now_us=2)
    assert in_folder.verify(1).number == 1, "what is put again is whole again"


def test_a_damaged_manifest_is_refused_or_says_the_same(in_folder: Registry, tmp_path: Path) -> None:
    version = in_folder.publish(saved(tmp_path / "a"), now_us=1)
    path = manifest(in_folder, 1)
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        in_folder.versions()
        try:
            found = in_folder.verify(1)
        except VersionRefused:
            continue
        assert found == version
        head = in_folder.head()
        assert head is not None
        if in_folder.identity(1) != head.digest:
            with pytest.raises(VersionRefused, match="not the one that HEAD names"):
                in_folder.fetch(1, tmp_path / "fetched", identity=head.digest)
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(VersionRefused, match="does not read"):
        in_folder.verify(1)
    assert in_folder.versions()[0].refusal


def test_a_refusal_is_kept_and_taken_back(registry: Registry, tmp_path: Path) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    registry.refuse(1, "its fingerprint is another program's")
    assert registry.versions()[0].refusal == "its fingerprint is another program's"
    registry.accept(1)
    assert registry.versions()[0].refusal == ""


def test_a_rollback_to_a_damaged_version_leaves_head(registry: Registry, tmp_path: Path) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    registry.publish(saved(tmp_path / "b"), now_us=2)
    (only,) = registry.version(1).files["parameters.safetensors"].chunks
    registry.blobs.write(f"chunks/{only.sha256}", b"weighty")
    with pytest.raises(VersionRefused, match="checksum"):
        registry.rollback(now_us=9)
    assert number_of(registry) == 2


def test_a_number_is_not_given_again(registry: Registry, tmp_path: Path) -> None:
    for i in range(3):
        registry.publish(saved(tmp_path / "a"), now_us=i)
    registry.blobs.remove("versions/000003/manifest.json")
    assert registry.publish(saved(tmp_path / "a"), now_us=9).number == 4


@pytest.mark.parametrize(
    "change",
    [
        {"created_at_us": 10**30},
        {"created_at_us": -1},
        {"files": {"../../HEAD": {"size": 1, "sha256": "x"}}},
        {"files": {"a\0b": {"size": 1, "sha256": "x"}}},
        {"files": [1]},
        {"parent": float("inf")},
        {"format": None},
    ],
)
def test_a_manifest_of_nonsense_is_refused(
    in_folder: Registry, tmp_path: Path, change: dict[str, object]
) -> None:
    in_folder.publish(saved(tmp_path / "a"), now_us=1)
    path = manifest(in_folder, 1)
    said = {**json.loads(path.read_text()), **change}
    del said["sha256"]
    said["sha256"] = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(said))
    with pytest.raises(VersionRefused, match=r"manifest\.json does not read"):
        in_folder.verify(1)
    assert "manifest.json does not read" in in_folder.versions()[0].refusal


@pytest.mark.parametrize(
    "text",
    [
        '{"epoch": 1, "ver',
        "",
        "[]",
        '{"epoch": 1, "version": 1e999}',
        '{"epoch": 1, "version": -1}',
        "[" * 10**5,
    ],
)
def test_a_head_that_does_not_read_is_told_and_mended(registry: Registry, tmp_path: Path, text: str) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    registry.blobs.write("HEAD", text.encode())
    with pytest.raises(RegistryError, match="HEAD of the registry does not read"):
        registry.head()
    assert registry.publish(saved(tmp_path / "a"), now_us=2).number == 2
    assert number_of(registry) == 2


def test_what_is_no_saved_model_is_not_published(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"there is no model\.json"):
        registry.publish(tmp_path / "empty", now_us=1)
    half = saved(tmp_path / "half")
    (half / "parameters.safetensors").write_bytes(b"weig")
    with pytest.raises(InputError, match="checksum of parameters"):
        registry.publish(half, now_us=1)
    (half / "parameters.safetensors").unlink()
    with pytest.raises(InputError, match=r"parameters\.safetensors is missing"):
        registry.publish(half, now_us=1)
    assert registry.head() is None
    assert registry.versions() == []


def test_publishers_that_race_each_get_a_version(registry: Registry, tmp_path: Path) -> None:
    folders = [saved(tmp_path / str(i), b"%d" % i) for i in range(4)]
    numbers: list[int] = []

    def publish(folder: Path) -> None:
        for _ in range(5):
            numbers.append(registry.publish(folder, now_us=1).number)

    threads = [threading.Thread(target=publish, args=(f,)) for f in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 20
    assert sorted(numbers) == registry.numbers(), "who was too late has taken another number"
    for number in numbers:
        registry.verify(number)
    assert number_of(registry) in numbers


def test_a_publisher_killed_at_any_moment_leaves_whole_versions(tmp_path: Path) -> None:
    """`kill -9` at random moments: HEAD always names a version that verifies, and nothing is in the way."""
    registry = open_registry(f"dir://{tmp_path}/registry", create=True)
    folder = saved(tmp_path / "model", os.urandom(3_000_000))
    registry.publish(folder, now_us=1)
    program = (
        "import sys, pathlib, model_sync\n"
        "r = model_sync.open_registry(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True: r.publish(pathlib.Path(sys.argv[2]), now_us=1)\n"
    )
    for delay_s in (0.0, 0.002, 0.005, 0.009, 0.014, 0.02, 0.027, 0.035):
        publisher = subprocess.Popen(
            [sys.executable, "-c", program, registry.url, str(folder)], stdout=subprocess.PIPE
        )
        assert publisher.stdout is not None
        publisher.stdout.readline()
        threading.Event().wait(delay_s)
        publisher.send_signal(signal.SIGKILL)
        publisher.wait()
        publisher.stdout.close()
        assert number_of(registry) in registry.numbers()
        for number in registry.numbers():
            registry.verify(number)
    assert registry.publish(folder, now_us=1).number == max(registry.numbers())


def test_what_killed_writers_left_goes_when_the_next_begins(in_folder: Registry, tmp_path: Path) -> None:
    in_folder.publish(saved(tmp_path / "a"), now_us=1)
    left, writing = (root(in_folder) / "chunks" / f".aside-{name}" for name in ("left", "writing"))
    left.write_bytes(b"half")
    writing.write_bytes(b"half")
    two_hours_ago_s = time.time() - 7200
    os.utime(left, (two_hours_ago_s, two_hours_ago_s))
    open_registry(in_folder.url)
    assert left.exists(), "who reads removes nothing"
    open_registry(in_folder.url, create=True)
    assert not left.exists()
    assert writing.exists()
    assert in_folder.verify(1).number == 1


def test_urls(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="there is no registry"):
        open_registry(f"dir://{tmp_path}/none")
    with pytest.raises(InputError, match="not a registry"):
        open_registry("ftp://host/x")
    assert open_registry(str(tmp_path / "new"), create=True).head() is None


def draft(registry: Registry, folder: Path, content: bytes = b"weights") -> Draft:
    files = {path.name: registry.put_file(path.read_bytes()) for path in saved(folder, content).iterdir()}
    return Draft("ranker", "f" * 64, files)


def test_who_has_not_seen_the_last_move_of_head_moves_it_no_more(registry: Registry, tmp_path: Path) -> None:
    first = registry.commit(draft(registry, tmp_path / "a"), None, now_us=1)
    head = registry.head()
    assert head is not None
    assert (head.version, head.digest, head.epoch) == (1, registry.identity(1), 1)
    second = registry.commit(draft(registry, tmp_path / "b", b"other"), head, now_us=2)
    assert (second.parent, second.parent_digest) == (1, registry.identity(first.number))
    for late in (None, head):
        with pytest.raises(HeadMoved, match="to version 2") as moved:
            registry.commit(draft(registry, tmp_path / "c", b"zombie"), late, now_us=3)
        assert moved.value.now is not None
        assert moved.value.now.version == 2
    assert registry.numbers() == [1, 2], "what was not published is not there"
    registry.rollback(now_us=4)
    with pytest.raises(HeadMoved, match=r"to version 1 \(rollback from 2\)"):
        registry.commit(draft(registry, tmp_path / "c", b"late"), moved.value.now, now_us=5)
    assert number_of(registry) == 1


@pytest.mark.parametrize("what", ["publish", "roll back"])
def test_who_moves_head_moves_what_it_has_read(what: str, registry: Registry, tmp_path: Path) -> None:
    """Somebody else publishes right after HEAD was read."""
    for i in range(2):
        registry.publish(saved(tmp_path / "a", b"%d" % i), now_us=i)
    another = saved(tmp_path / "b", b"of somebody else")
    read, late = registry.blobs.read, Registry(registry.blobs)
    looks = []

    def read_once(name: str) -> bytes | None:
        found = read(name)
        if name == "HEAD":
            looks.append(found)
            if len(looks) == 1:
                late.publish(another, now_us=3)
        return found

    registry.blobs.read = read_once  # type: ignore[method-assign]
    try:
        if what == "publish":
            made = registry.publish(saved(tmp_path / "a", b"mine"), now_us=4)
            assert registry.version(made.parent or 0).files == late.version(3).files
            assert made.epoch == 4
        else:
            with pytest.raises(HeadMoved, match="to version 3"):
                registry.rollback(1, now_us=4)
            assert number_of(registry) == 3
            assert registry.withdrawn() == {}
    finally:
        registry.blobs.read = read  # type: ignore[method-assign]


def test_what_was_taken_back_is_not_gone_back_to(registry: Registry, tmp_path: Path) -> None:
    for i in range(4):
        registry.publish(saved(tmp_path / "a", b"%d" % i), now_us=i)
    registry.withdraw(3, "a bad batch")
    assert registry.rollback(now_us=9).number == 2
    assert registry.withdrawn() == {3: "a bad batch", 4: "rolled back to version 2"}
    assert [v.refusal for v in registry.versions()] == ["", "", "a bad batch", "rolled back to version 2"]
    assert registry.rollback(to=4, now_us=10).number == 4
    assert registry.withdrawn() == {3: "a bad batch"}


def test_what_versions_share_is_kept_once(registry: Registry, tmp_path: Path) -> None:
    content = os.urandom(9 << 20)
    for i in range(3):
        registry.publish(saved(tmp_path / "a", content + b"%d" % i), now_us=i)
    entry = registry.version(1).files["parameters.safetensors"]
    assert [chunk.size for chunk in entry.chunks] == [8 << 20, (1 << 20) + 1]
    held = sum(found.size for found in registry.blobs.names("chunks/").values())
    assert held < (9 << 20) + 2 * (1 << 20) + 10_000
    for number in (1, 2, 3):
        registry.fetch(number, tmp_path / f"{number}")
        assert (tmp_path / f"{number}" / "parameters.safetensors").read_bytes()[-1:] == b"%d" % (number - 1)


def test_a_registry_of_the_first_format_reads_on(in_folder: Registry, tmp_path: Path) -> None:
    model = saved(tmp_path / "a")
    folder = manifest(in_folder, 1).parent
    shutil.copytree(model, folder)
    files = {
        path.name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in model.iterdir()
    }
    old = {
        "format": 1, "version": 1, "parent": None, "model": "ranker", "fingerprint": "f" * 64,
        "created_at_us": 1, "metrics": {}, "files": files,
    }  # fmt: skip
    manifest(in_folder, 1).write_text(json.dumps(old))
    (root(in_folder) / "HEAD").write_text('{"epoch": 1, "version": 1}')
    assert number_of(in_folder) == 1
    assert in_folder.verify(1).size == sum(path.stat().st_size for path in model.iterdir())
    in_folder.fetch(1, tmp_path / "fetched")
    assert (tmp_path / "fetched" / "parameters.safetensors").read_bytes() == b"weights"
    assert in_folder.publish(saved(tmp_path / "b", b"other"), now_us=2).parent == 1
    assert in_folder.rollback(now_us=3).number == 1
    (folder / "parameters.safetensors").write_bytes(b"weighty")
    with pytest.raises(VersionRefused, match="checksum of parameters"):
        in_folder.verify(1)


def test_a_fetch_for_who_reads_at_once_links_what_can_be_checked_then(
    in_folder: Registry, tmp_path: Path
) -> None:
    in_folder.publish(saved(tmp_path / "a"), now_us=1)
    in_folder.fetch(1, tmp_path / "fetched", whole=False)
    assert (tmp_path / "fetched" / "parameters.safetensors").samefile(
        chunk(in_folder, 1, "parameters.safetensors")
    )
    assert not (tmp_path / "fetched" / "model.json").samefile(chunk(in_folder, 1, "model.json"))
    for name in ("parameters.safetensors", "model.json"):
        assert (tmp_path / "fetched" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_layers_of_a_table_are_kept_once_and_fetched_whole(in_folder: Registry, tmp_path: Path) -> None:
    anchor = dict.fromkeys(range(1000), 1.0)
    in_folder.publish(saved_with_table(tmp_path / "a", [anchor]), now_us=1)
    in_folder.publish(saved_with_table(tmp_path / "b", [anchor, {1: 2.0, 5000: 3.0}]), now_us=2)
    first, second = in_folder.version(1).tables["users"], in_folder.version(2).tables["users"]
    assert second.layers[0] == first.layers[0]
    assert (first.state.rows, second.state.rows) == (1000, 1001)
    in_folder.fetch(2, tmp_path / "fetched")
    assert read_tables(tmp_path / "fetched") == {"users": second}
    (layer,) = second.layers[1].chunks
    path = tmp_path / "fetched" / "layers" / layer.sha256
    ids, rows, _ = read_chunk(path.read_bytes(), 4)
    assert (ids.tolist(), rows[:, 0].tolist()) == ([1, 5000], [2.0, 3.0])
    assert path.stat().st_nlink == 2, "no second copy of it"

    held = root(in_folder) / "chunks" / layer.sha256
    held.write_bytes(held.read_bytes()[:-1] + b"\0")
    in_folder.fetch(1, tmp_path / "of 1")
    with pytest.raises(VersionRefused, match="a chunk of table users has a wrong checksum"):
        in_folder.fetch(2, tmp_path / "of 2")
    assert not (tmp_path / "of 2").exists()
    with pytest.raises(InputError, match="a chunk of table users has a wrong checksum"):
        in_folder.publish(tmp_path / "fetched", now_us=3)
    in_folder.publish(tmp_path / "b", now_us=4)
    assert in_folder.verify(2).number == 2, "put again it is whole again"
