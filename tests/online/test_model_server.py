"""The embedded model server: a real process a version."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from compiler.bundle import build
from featdsl.torch import save_model
from online.model_server import EmbeddedModelServer
from online.model_server.options import ModelOptions
from online.models import ModelFailed, ModelRefused, ModelServerDown, ModelTimeout
from online.thread_weight import stand_back
from tests.standstill import stand_still

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { year: int32 = 0 }
model ranker { dense: float32 = [movie.year]  once: int64 per request = hash(user, 100)  output like: float32 }
"""


class Constant(torch.nn.Module):
    """Answers its own parameter, so that one can see which version answered."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))

    def forward(self, dense: torch.Tensor, once: torch.Tensor) -> torch.Tensor:
        return dense[:, 0] * 0 + self.value + once * 0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("models")
    (folder / "ranker.feat").write_text(PROGRAM)
    bundle = build(folder / "ranker.feat")
    return {v: save_model(Constant(float(v)), bundle, folder / str(v)) for v in (1, 2)}


@pytest.fixture(scope="module")
def shared_server() -> Iterator[EmbeddedModelServer]:
    server = EmbeddedModelServer()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: EmbeddedModelServer, models: dict[int, Path]) -> EmbeddedModelServer:
    """With version 1 loaded."""
    shared_server.load(1, models[1])
    return shared_server


def tensors(rows: int) -> dict[str, np.ndarray]:
    return {"dense": np.zeros((rows, 1), np.float32), "once": np.array([3])}


def test_versions_answer_for_themselves(server: EmbeddedModelServer, models: dict[int, Path]) -> None:
    server.load(2, models[2])
    for rows in (0, 1, 300):
        assert server.predict(1, tensors(rows), 5.0)["like"].tolist() == [1.0] * rows
        assert server.predict(2, tensors(rows), 5.0)["like"].tolist() == [2.0] * rows
    server.unload(1)
    with pytest.raises(ModelServerDown, match="version 1 is not loaded"):
        server.predict(1, tensors(1), 5.0)
    server.unload(1)
    assert server.predict(2, tensors(1), 5.0)["like"].tolist() == [2.0]


def test_a_model_that_does_not_load_is_refused_and_the_others_go_on(
    server: EmbeddedModelServer, models: dict[int, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelRefused, match=r"not a saved model"):
        server.load(9, tmp_path)
    for file in models[1].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "parameters.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ModelRefused, match="checksum"):
        server.load(9, tmp_path)
    assert server.predict(1, tensors(1), 5.0)["like"].tolist() == [1.0]


def test_tensors_that_do_not_fit_fail_the_call_only(server: EmbeddedModelServer) -> None:
    with pytest.raises(ModelFailed, match="an input of the model is missing: once"):
        server.predict(1, {"dense": np.zeros((1, 1), np.float32)}, 5.0)
    with pytest.raises(ModelFailed, match="input dense is"):
        server.predict(1, {"dense": np.zeros((1, 1)), "once": np.array([3])}, 5.0)
    assert server.predict(1, tensors(1), 5.0)["like"].tolist() == [1.0]


def test_a_killed_worker_costs_no_call(server: EmbeddedModelServer) -> None:
    failures: list[Exception] = []
    answers: list[int] = []
    stop = threading.Event()

    def score() -> None:
        while not stop.is_set():
            try:
                assert server.predict(1, tensors(20), 20.0)["like"].tolist() == [1.0] * 20
                answers.append(1)
            except Exception as fault:
                failures.append(fault)

    threads = [threading.Thread(target=score) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            scored = len(answers)
            server._workers[1].process.kill()
            give_up = time.monotonic() + 20
            while len(answers) < scored + 10 and not failures and time.monotonic() < give_up:
                time.sleep(0.02)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(answers) > 10


def test_a_killed_nursery_is_started_again(server: EmbeddedModelServer, models: dict[int, Path]) -> None:
    assert server._nursery is not None
    server._nursery.kill()
    server._nursery.wait()
    before = server._workers[1].process.pid
    assert server.predict(1, tensors(1), 30.0)["like"].tolist() == [1.0]
    assert server._workers[1].process.pid == before, "its workers live on"
    server.ping(1)
    assert server._nursery.poll() is None, "it is started before it is needed"
    server.load(2, models[2])
    assert server.predict(2, tensors(1), 30.0)["like"].tolist() == [2.0]


def test_a_ping_revives_and_tells_of_the_version_alone_that_is_asked_for(
    server: EmbeddedModelServer, models: dict[int, Path]
) -> None:
    server.load(2, models[2])
    dead = server._workers[2].process
    dead.kill()
    while dead.lives():
        time.sleep(0.005)
    server.ping(1)
    assert server._workers[2].process is dead
    give_up = time.monotonic() + 20
    while not server._workers[2].process.lives() and time.monotonic() < give_up:
        with contextlib.suppress(ModelServerDown):
            server.ping(2)
    assert server._workers[2].process is not dead
    server.unload(2)
    with pytest.raises(ModelServerDown, match="version 2 is not loaded"):
        server.ping(2)


def test_a_terminals_signals_pass_it_by_and_its_priority_is_the_servers(server: EmbeddedModelServer) -> None:
    """The kernel shares a processor out by session before it looks at who is nice."""
    pid = server._workers[1].process.pid
    assert os.getsid(pid) == os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)


def test_models_are_as_important_as_who_made_their_server(models: dict[int, Path]) -> None:
    """And not as a thread that loads them and stands back behind calls, also after their nursery has died."""
    server = EmbeddedModelServer()
    try:
        with ThreadPoolExecutor(1, initializer=stand_back) as back:
            for version in (1, 2):
                back.submit(server.load, version, models[version]).result()
                assert os.getpriority(
                    os.PRIO_PROCESS, server._workers[version].process.pid
                ) == os.getpriority(os.PRIO_PROCESS, 0)
                assert server._nursery is not None
                server._nursery.kill()
                server._nursery.wait()
    finally:
        server.close()


def test_a_server_that_was_closed_starts_no_model(models: dict[int, Path]) -> None:
    server = EmbeddedModelServer()
    server.close()
    with pytest.raises((ModelServerDown, ModelRefused)):
        server.load(1, models[1])


def test_no_thread_of_it_has_more_threads_for_a_product_than_it_was_given(models: dict[int, Path]) -> None:
    """Torch tells OpenMP the number on the thread where it is set; on that of a load, which is another, a product of
    two rows began a team of a thread a core, and waited for it in circles."""
    server = EmbeddedModelServer(ModelOptions(threads=3))
    try:
        server.load(1, models[1])
        told = Path(f"/proc/{server._workers[1].process.pid}/environ").read_bytes().split(b"\0")
        assert b"OMP_NUM_THREADS=3" in told
    finally:
        server.close()


def test_a_deadline_is_kept(server: EmbeddedModelServer) -> None:
    stand_still(server._workers[1].process.pid)
    try:
        before = time.monotonic()
        with pytest.raises(ModelTimeout, match=r"did not answer in 0\.300 s"):
            server.predict(1, tensors(1), 0.3)
        assert time.monotonic() - before < 5
    finally:
        os.kill(server._workers[1].process.pid, signal.SIGCONT)
    assert server.predict(1, tensors(1), 20.0)["like"].tolist() == [1.0]


def test_workers_end_with_the_process_that_started_them(models: dict[int, Path]) -> None:
    """Also when that is killed: nothing is left behind."""
    program = (
        "import sys, time, pathlib\n"
        "from online.model_server import EmbeddedModelServer\n"
        "server = EmbeddedModelServer()\n"
        "server.load(1, pathlib.Path(sys.argv[1]))\n"
        "print(server._workers[1].process.pid, server._nursery.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(models[1])], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    owner.kill()
    owner.wait()
    owner.stdout.close()
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up and any(alive(pid) for pid in pids):
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def test_a_version_starts_again_when_its_files_are_gone(models: dict[int, Path], tmp_path: Path) -> None:
    shutil.copytree(models[1], tmp_path / "own")
    server = EmbeddedModelServer()
    try:
        server.load(1, tmp_path / "own")
        (tmp_path / "own" / "parameters.safetensors").write_bytes(b"overwritten")
        shutil.rmtree(tmp_path / "own")
        os.kill(server._workers[1].process.pid, signal.SIGKILL)
        assert server.predict(1, tensors(2), 30.0)["like"].tolist() == [1.0, 1.0]
    finally:
        server.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
