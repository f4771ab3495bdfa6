"""Versions in a directory: whole or not there, verified, and HEAD moves as one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from featdsl.errors import InputError
from model_sync import RegistryError, VersionRefused, open_registry
from model_sync.directory import DirectoryRegistry


def saved(path: Path, content: bytes = b"weights", fingerprint: str = "f" * 64) -> Path:
    """A folder that looks like what `save_model` writes."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "parameters.safetensors").write_bytes(content)
    description = {
        "model": "ranker",
        "fingerprint": fingerprint,
        "metrics": {"auc": 0.75},
        "files": {"parameters.safetensors": hashlib.sha256(content).hexdigest()},
    }
    (path / "model.json").write_text(json.dumps(description))
    return path


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    return DirectoryRegistry(tmp_path / "registry", create=True)


def test_versions_are_numbered_and_head_follows(registry: DirectoryRegistry, tmp_path: Path) -> None:
    assert registry.head() is None
    first = registry.publish(saved(tmp_path / "a"), now_us=1)
    second = registry.publish(saved(tmp_path / "a", b"other"), now_us=2)
    assert (first.number, first.parent) == (1, None)
    assert (second.number, second.parent) == (2, 1)
    assert registry.head() == 2
    assert [v.metrics for v in registry.versions()] == [{"auc": 0.75}] * 2
    assert (registry.path(1) / "parameters.safetensors").read_bytes() == b"weights"


def test_rollback_goes_to_the_parent_or_to_the_named_version(
    registry: DirectoryRegistry, tmp_path: Path
) -> None:
    for i in range(3):
        registry.publish(saved(tmp_path / "a", b"%d" % i), now_us=i)
    assert registry.rollback().number == 2
    assert registry.rollback(to=3).number == 3
    assert registry.head() == 3
    with pytest.raises(InputError, match="no such version: 9"):
        registry.rollback(to=9)
    registry.rollback(to=1)
    with pytest.raises(InputError, match="no parent"):
        registry.rollback()
    assert registry.publish(saved(tmp_path / "a"), now_us=9).parent == 1


@pytest.mark.parametrize("name", ["parameters.safetensors", "model.json"])
def test_every_flipped_bit_and_every_cut_is_found(
    registry: DirectoryRegistry, tmp_path: Path, name: str
) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    path = registry.path(1) / name
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(VersionRefused, match=f"checksum of {name}"):
            registry.verify(1)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(VersionRefused, match="bytes, the manifest says"):
            registry.verify(1)
    path.unlink()
    with pytest.raises(VersionRefused, match="does not read"):
        registry.verify(1)


def test_a_damaged_manifest_is_refused_or_says_the_same(registry: DirectoryRegistry, tmp_path: Path) -> None:
    version = registry.publish(saved(tmp_path / "a"), now_us=1)
    path = registry.path(1) / "manifest.json"
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        registry.versions()
        try:
            found = registry.verify(1)
        except VersionRefused:
            continue
        assert found.files == version.files
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(VersionRefused, match="does not read"):
        registry.verify(1)
    assert registry.versions()[0].refusal


def test_a_refusal_is_kept_and_taken_back(registry: DirectoryRegistry, tmp_path: Path) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    registry.refuse(1, "its fingerprint is another program's")
    assert registry.versions()[0].refusal == "its fingerprint is another program's"
    registry.accept(1)
    assert registry.versions()[0].refusal == ""


def test_a_rollback_to_a_damaged_version_leaves_head(registry: DirectoryRegistry, tmp_path: Path) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    registry.publish(saved(tmp_path / "b"), now_us=2)
    (registry.path(1) / "parameters.safetensors").write_bytes(b"weighty")
    with pytest.raises(VersionRefused, match="checksum"):
        registry.rollback()
    assert registry.head() == 2


def test_a_number_is_not_given_again(registry: DirectoryRegistry, tmp_path: Path) -> None:
    for i in range(3):
        registry.publish(saved(tmp_path / "a"), now_us=i)
    shutil.rmtree(registry.path(3))
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
    registry: DirectoryRegistry, tmp_path: Path, change: dict[str, object]
) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    manifest = registry.path(1) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(VersionRefused, match=r"manifest\.json does not read"):
        registry.verify(1)
    assert "manifest.json does not read" in registry.versions()[0].refusal


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
def test_a_head_that_does_not_read_is_told_and_mended(
    registry: DirectoryRegistry, tmp_path: Path, text: str
) -> None:
    registry.publish(saved(tmp_path / "a"), now_us=1)
    (registry.root / "HEAD").write_text(text)
    with pytest.raises(RegistryError, match="HEAD of the registry does not read"):
        registry.head()
    assert registry.publish(saved(tmp_path / "a"), now_us=2).number == 2
    assert registry.head() == 2


def test_what_is_no_saved_model_is_not_published(registry: DirectoryRegistry, tmp_path: Path) -> None:
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
    assert [p.name for p in (registry.root / "versions").iterdir()] == []


def test_publishers_that_race_each_get_a_version(registry: DirectoryRegistry, tmp_path: Path) -> None:
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
    assert sorted(numbers) == list(range(1, 21))
    for number in numbers:
        registry.verify(number)
    assert registry.head() in numbers


def test_a_publisher_killed_at_any_moment_leaves_whole_versions(tmp_path: Path) -> None:
    """`kill -9` at random moments: HEAD always names a version that verifies, and nothing is in the way."""
    registry = DirectoryRegistry(tmp_path / "registry", create=True)
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
        head = registry.head()
        assert head is not None
        for number in registry.numbers():
            registry.verify(number)
    assert registry.publish(folder, now_us=1).number == max(registry.numbers())


def test_urls(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="there is no registry"):
        open_registry(f"dir://{tmp_path}/none")
    with pytest.raises(InputError, match="not a registry"):
        open_registry("s3://bucket/x")
    assert open_registry(str(tmp_path / "new"), create=True).head() is None
