"""A disk that is full: of a publisher, and of a server. A limit on the size of files stands for it: a write fails in
the middle of a file, as it does there."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from model_sync import open_registry
from model_sync.table_stack import Chunk, Layer, TableEntry, TableState, write_tables
from online.client import ScorerClient
from online.model_server import EmbeddedModelServer
from online.models import ModelRefused, ModelServerDown
from tests.model_sync.folders import saved
from tests.online.shop import AT, REQUEST, bundle
from tests.online.test_serve import KEYS, ROOT, Ranker, Served, child_processes, feat, wait_for_version


@contextmanager
def full(pids: list[int]) -> Iterator[None]:
    """No file of these processes grows beyond a kilobyte."""
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_publisher_without_room_leaves_what_is_published(tmp_path: Path) -> None:
    url = f"dir://{tmp_path}/registry"
    registry = open_registry(url, create=True)
    registry.publish(saved(tmp_path / "a"), now_us=1)
    before = {path: path.read_bytes() for path in (tmp_path / "registry").rglob("*") if path.is_file()}
    program = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))\n"
        "from featdsl.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    larger = saved(tmp_path / "b", b"w" * 100_000)
    command = [sys.executable, "-c", program, "publish", str(larger), "--registry", url]
    publish = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert publish.returncode == 1
    assert "the registry fails" in publish.stderr
    assert "Traceback" not in publish.stderr
    left = {path: path.read_bytes() for path in (tmp_path / "registry").rglob("*") if path.is_file()}
    small = {path for path in left if len(left[path]) < 1024}
    assert {path: left[path] for path in before} == before
    assert set(left) - set(before) <= small, "nothing half-written"
    assert feat("publish", larger, "--registry", url).returncode == 0
    assert registry.verify(2).number == 2


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than the temporary folder: nothing there can be linked here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert os.stat(folder).st_dev != os.stat(tempfile.gettempdir()).st_dev
        yield Path(folder)


def test_a_server_without_room_serves_on_and_takes_the_next_version_when_it_has(
    tmp_path: Path, lmdb_url: str, elsewhere: Path
) -> None:
    write_bundle(bundle(), tmp_path / "shop.featb")
    (tmp_path / "registry").symlink_to(elsewhere)
    registry = f"dir://{tmp_path}/registry"
    for weight in (1.0, 2.0):
        save_model(Ranker(weight), bundle(), tmp_path / str(weight))
    feat("publish", tmp_path / "1.0", "--registry", registry)
    served = Served(tmp_path, lmdb_url)
    try:
        with ScorerClient(served.address) as client:
            first = client.score(KEYS, {**REQUEST, "at": AT})
            with full([served.process.pid, *child_processes(served.process.pid)]):
                feat("publish", tmp_path / "2.0", "--registry", registry)
                give_up = time.monotonic() + 20
                while "cannot be kept here" not in client.models().models[0].problem:
                    assert time.monotonic() < give_up, client.models()
                    time.sleep(0.05)
                assert client.score(KEYS, {**REQUEST, "at": AT}) == first
                assert client.models().models[0].versions[1].state != "refused", (
                    "it is no fault of the version"
                )
            wait_for_version(client, 2)
    finally:
        served.stop()


def test_a_version_that_its_model_server_has_no_room_for_is_not_refused(tmp_path: Path) -> None:
    save_model(Ranker(1.0), bundle(), tmp_path / "1.0")
    models = EmbeddedModelServer()
    try:
        with full([os.getpid()]), pytest.raises(ModelServerDown, match=r"cannot be kept here: .*too large"):
            models.load(1, tmp_path / "1.0")
        models.load(1, tmp_path / "1.0")
        models.ping(1)
    finally:
        models.close()


def test_a_version_whose_files_are_gone_by_the_time_that_they_are_copied_is_refused(tmp_path: Path) -> None:
    save_model(Ranker(1.0), bundle(), tmp_path / "1.0")
    (tmp_path / "1.0" / "layers").symlink_to(tmp_path / "registry" / "chunks")
    (tmp_path / "registry" / "chunks").mkdir(parents=True)
    layer = Layer(1, 0, (Chunk(10, "0" * 64),), TableState(1, "0" * 32))
    write_tables(tmp_path / "1.0", {"items": TableEntry(1, (layer,))})
    models = EmbeddedModelServer()
    try:
        with pytest.raises(ModelRefused, match=r"its files do not read: .*No such file"):
            models.load(1, tmp_path / "1.0")
    finally:
        models.close()
