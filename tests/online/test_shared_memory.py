"""Tensors in memory that the scoring server and a model's process share."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from compiler.bundle import build
from featdsl.torch import save_model
from online.model_server import EmbeddedModelServer, wire
from online.model_server.embedded import KEPT_BYTES
from online.model_server.region import FIRST_BYTES, Region, TooLarge

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { year: int32 = 0  plot: list<float32> }
model ranker {
  wide: float32 = movie.plot |> pad(256)
  year: int64 = movie.year
  output like: float32
  output same: float32
}
"""
NAME = "memfd:featdsl-tensors"


class Sums(torch.nn.Module):
    """Gives also what it was given, so that an output may lie in an input's memory."""

    def forward(self, wide: torch.Tensor, year: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return wide.sum(1) + year, wide[:, 0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    (folder / "sums.feat").write_text(PROGRAM)
    return save_model(Sums(), build(folder / "sums.feat"), folder / "model")


@pytest.fixture
def server(saved: Path) -> Iterator[EmbeddedModelServer]:
    server = EmbeddedModelServer()
    server.load(1, saved)
    yield server
    server.close()


def call(server: EmbeddedModelServer, rows: int, seed: int = 0) -> None:
    """Asks and compares."""
    wide = np.random.default_rng(seed).integers(-9, 9, (rows, 256)).astype(np.float32)
    year = np.arange(rows) + seed
    outputs = server.predict(1, {"wide": wide, "year": year}, 30.0)
    assert np.array_equal(outputs["like"], wide.sum(1) + year)
    assert np.array_equal(outputs["same"], wide[:, 0])


def named_memory() -> set[str]:
    """What lies in /dev/shm, but for semaphores and files of other programs that may run beside."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith(("sem.", "torch_"))}


def regions_of(pid: int | str) -> int:
    """How many regions a process holds, each by as many descriptors as it likes."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if NAME in os.readlink(link):
                found.add(link.stat().st_ino)
    return len(found)


def test_sizes_grow_and_a_large_call_does_not_keep_its_memory(server: EmbeddedModelServer) -> None:
    for rows in (0, 1, 63, 5_000, 2, 40_000, 100_000, 0, 7):
        call(server, rows, rows)
        held = [connection.size for connection in server._workers[1].idle.queue]
        assert all(size <= KEPT_BYTES for size in held)
    give_up = time.monotonic() + 10
    while (
        regions_of(server._workers[1].process.pid) > 1
    ):  # it closes its end when it sees that ours is closed
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_calls_of_many_threads_do_not_mix(server: EmbeddedModelServer) -> None:
    failed: list[BaseException] = []

    def score(seed: int) -> None:
        try:
            for rows in (3, 200, 1_000):
                call(server, rows + seed, seed)
        except BaseException as fault:
            failed.append(fault)

    threads = [threading.Thread(target=score, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_tensor_in_any_layout_arrives(server: EmbeddedModelServer) -> None:
    wide = np.arange(20 * 512, dtype=np.float32).reshape(512, 20).T[:, ::2]
    assert not wide.flags.c_contiguous
    outputs = server.predict(1, {"wide": wide, "year": np.zeros(20, np.int64)}, 30.0)
    assert np.array_equal(outputs["same"], wide[:, 0])


def test_a_killed_model_process_leaves_no_memory(server: EmbeddedModelServer) -> None:
    files = named_memory()
    call(server, 2_000)
    for seed in range(3):
        os.kill(server._workers[1].process.pid, signal.SIGKILL)
        call(server, 2_000, seed)
    assert regions_of("self") == 1, "one for the connection that is open"
    server.unload(1)
    assert regions_of("self") == 0
    assert NAME not in Path("/proc/self/maps").read_text()
    assert named_memory() <= files


def test_a_killed_server_leaves_no_memory(saved: Path) -> None:
    files = named_memory()
    program = (
        "import sys, time, pathlib, numpy as np\n"
        "from online.model_server import EmbeddedModelServer\n"
        "server = EmbeddedModelServer()\n"
        "server.load(1, pathlib.Path(sys.argv[1]))\n"
        "server.predict(1, {'wide': np.zeros((9, 256), np.float32), 'year': np.zeros(9, np.int64)}, 30)\n"
        "print(server._workers[1].process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(saved)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    worker = Path(f"/proc/{int(owner.stdout.readline())}")
    assert (regions_of(owner.pid), regions_of(worker.name)) == (1, 1)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    give_up = time.monotonic() + 10
    while worker.exists() and worker.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < give_up, "the model's process lives on"
        time.sleep(0.02)
    assert named_memory() <= files


def test_what_may_shrink_is_refused() -> None:
    loose = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.ftruncate(loose, FIRST_BYTES)
    with pytest.raises(ValueError, match="may shrink"):
        Region(loose)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(loose)
    with pytest.raises(ValueError, match="no shared memory"):
        Region(os.open(os.devnull, os.O_RDONLY))
    sealed = Region.create()
    assert fcntl.fcntl(sealed.descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    with pytest.raises(PermissionError):
        os.ftruncate(sealed.descriptor, 1)
    with pytest.raises(TooLarge, match="at most"):
        sealed.reserve(1 << 40)


def test_layouts_are_known_again_and_never_mixed() -> None:
    """Of many calls in turns, of which some make the memory grow on either side."""
    region = Region.create()
    other = Region(os.dup(region.descriptor))
    rng = np.random.default_rng(3)
    for turn in range(300):
        rows = int(rng.integers(0, 40)) if turn % 50 else 3_000 * turn
        one_row = np.broadcast_to(rng.normal(size=3), (rows, 3)) if turn % 3 else rng.normal(size=(rows, 3))
        given = {"a": rng.integers(0, 9, rows), "b" if turn % 2 else "c": one_row, "d": np.array(float(turn))}
        writer, reader = (region, other) if turn % 4 else (other, region)
        layout, end = writer.put(given, 64 * int(rng.integers(0, 3)))
        assert end <= writer.size
        if writer.size > reader.size:
            reader.remap()
        found = reader.tensors(layout)
        assert list(found) == list(given)
        for name, tensor in given.items():
            assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
            assert np.array_equal(found[name], tensor)


def test_what_is_no_message_ends_the_connection_only() -> None:
    asking, answering = socket.socketpair(socket.AF_UNIX, wire.KIND)
    region = Region.create()
    ready, good = {"op": "ready"}, [["x", "float32", [2], 0, False]]
    for header, layout, bell in (
        (ready, good, b"short"),
        (ready, good, wire._BELL.pack(FIRST_BYTES, FIRST_BYTES, 9, 9, 0, 0)),
        (ready, good, wire._BELL.pack(FIRST_BYTES, 64, len(json.dumps(ready)), FIRST_BYTES, 0, 0)),
        (ready, good, wire._BELL.pack(FIRST_BYTES, 64, len(json.dumps(ready)), 3, 0, 0)),
        ([], good, None),
        (ready, [["x", "float32", [2], 0]], None),
        (ready, [["x", "float32", [1 << 40], 0, False]], None),
        (ready, [["x", "float32", [-1], 0, False]], None),
        (ready, [["x", "object", [1], 0, False]], None),
        (ready, [["x", "float32", [1], -64, False]], None),
        (ready, [["x", "float32", [], 0, True]], None),
        (ready, 5, None),
    ):
        texts = [json.dumps(one).encode() for one in (header, layout)]
        region.write(b"".join(texts), 64)
        given = bell or wire._BELL.pack(region.size, 64, *map(len, texts), 0, 0)
        answer = wire.Answering(answering.dup())
        socket.send_fds(asking, [given], [region.descriptor])
        with pytest.raises(wire.Disconnected):
            answer.receive()
        answer.close()
    answer = wire.Answering(answering.dup())
    asking.send(given)
    with pytest.raises(wire.Disconnected, match="nothing was asked"):
        answer.receive()
