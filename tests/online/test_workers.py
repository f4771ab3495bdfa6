"""`feat serve --workers N` as people run it: restarts, replacements and ends of workers, under load."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from online.client import ScorerClient
from online.proto import SERVICE
from online.proto.scorer_pb2 import ScoreAnswer
from tests.online.shop import PROGRAM, REQUEST, bundle, request_of
from tests.online.test_serve import Ranker, Served, alive, child_processes, feat
from tests.standstill import stand_still

KEYS = {"shopper": 1, "item": ["a", "d"]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(Ranker(1.0), bundle(), tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, saved: Path, lmdb_url: str) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("workers")
    write_bundle(bundle(), folder / "shop.featb")
    feat("publish", saved, "--registry", f"dir://{folder / 'registry'}")
    server = Served(folder, lmdb_url, "--workers", "2", "--connection-age-s", "1", "--pin", "cores")
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


class Load:
    """Plain gRPC clients that ask without a pause and without a retry policy: some on a connection that they keep,
    some on ever new ones. gRPC by itself asks again what no server has begun, unless it is `bare`. `outcomes`
    counts answers and errors."""

    def __init__(self, address: str, kept: int = 3, fresh: int = 2, *, bare: bool = False) -> None:
        self._options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", int(not bare))]
        self._message = request_of(["a", "d"])
        self._address = address
        self._done = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.last_failure = 0.0
        self._threads = [threading.Thread(target=self._ask, args=(i < kept,)) for i in range(kept + fresh)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keep: bool) -> None:
        while not self._done.is_set():
            with grpc.insecure_channel(self._address, options=self._options) as channel:
                score = channel.unary_unary(f"/{SERVICE}/Score", response_deserializer=ScoreAnswer.FromString)
                for _ in range(1_000_000 if keep else 3):
                    if self._done.is_set():
                        break
                    try:
                        score(self._message, timeout=20)
                        self.outcomes["answered"] += 1
                    except grpc.RpcError as failed:
                        self.last_failure = time.monotonic()
                        self.outcomes[f"{failed.code().name}: {failed.details()}"] += 1


def workers_of(server: Served) -> list[int]:
    """The pids of the worker processes: the supervisor's own children that are workers."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [child for child, command in commands.items() if b"featdsl.cli.serve_worker" in command]


def wait_until(condition: object, seconds: float = 30) -> float:
    started = time.monotonic()
    while not condition():  # type: ignore[operator]
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
    return time.monotonic() - started


def test_the_workers_share_the_process_of_the_model(served: Served) -> None:
    assert "version 1, 2 workers" in served.line
    cores = [os.sched_getaffinity(pid) for pid in workers_of(served)]
    assert [len(own) for own in cores] == [1, 1]
    assert len(cores[0] | cores[1]) == min(2, len(os.sched_getaffinity(0)))
    below = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in child_processes(served.process.pid)]
    assert sum(b"online.model_server.nursery" in command for command in below) == 2, "it, and the version"
    with ScorerClient(served.address) as client:
        assert client.score(KEYS, REQUEST).version == 1


def test_workers_are_replaced_one_by_one_and_no_call_fails(served: Served) -> None:
    before = workers_of(served)
    assert len(before) == 2
    with Load(served.address) as load, Load(served.address, bare=True) as bare:
        wait_until(lambda: load.outcomes["answered"] > 100)
        served.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "all workers are replaced" in served.log.read_text(), 60)
        asked = sum(load.outcomes.values())
        wait_until(lambda: sum(load.outcomes.values()) > asked + 100)
    assert set(load.outcomes) == {"answered"}
    # Where gRPC may not ask again, the age of a connection can end a call that no worker has begun, and nothing else.
    assert all(
        "GOAWAY received; Error code: 0; Debug Text: max_age" in o for o in set(bare.outcomes) - {"answered"}
    )
    after = workers_of(served)
    assert len(after) == 2
    assert not set(before) & set(after)
    assert not any(map(alive, before))


def test_a_new_worker_that_does_not_come_leaves_the_old_ones(served: Served) -> None:
    before = workers_of(served)
    program = served.folder / "shop.featb"
    whole = program.read_bytes()
    program.write_bytes(b"no bundle")
    served.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the workers that are not replaced yet serve on" in served.log.read_text())
    assert workers_of(served) == before
    with ScorerClient(served.address) as client:
        assert client.score(KEYS, REQUEST).version == 1
    program.write_bytes(whole)


def test_a_killed_worker_is_started_again_while_the_others_serve(served: Served) -> None:
    done = threading.Event()

    def ask() -> int:
        answers = 0
        with ScorerClient(served.address) as client:
            while not done.is_set():
                answers += client.score(KEYS, REQUEST).version
        return answers

    with Load(served.address, kept=4, fresh=1, bare=True) as load, ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        wait_until(lambda: load.outcomes["answered"] > 100)
        killed, at = workers_of(served)[0], time.monotonic()
        os.kill(killed, signal.SIGKILL)
        answered = load.outcomes["answered"]
        assert wait_until(lambda: load.outcomes["answered"] > answered + 20) < 2
        wait_until(lambda: len(set(workers_of(served)) - {killed}) == 2)
        wait_until(lambda: time.monotonic() > at + 2)
        done.set()
        assert all(asked.result() > 0 for asked in asking), "our own clients' calls were asked again"
    assert all(what == "answered" or what.startswith("UNAVAILABLE") for what in load.outcomes)
    assert load.last_failure < at + 2, "a client of gRPC's own waits a second before it connects again"
    assert "killed by SIGKILL; it is started again at once" in served.log.read_text()


def test_told_to_stop_all_workers_answer_what_they_have_and_end(served: Served) -> None:
    processes = child_processes(served.process.pid)
    few, many = request_of(["a", "d"]), request_of(["a", "d"] * 2500)
    with grpc.insecure_channel(served.address) as channel:
        score = channel.unary_unary(f"/{SERVICE}/Score", response_deserializer=ScoreAnswer.FromString)
        score(few, timeout=20)
        calls = [score.future(many, timeout=60) for _ in range(16)]
        time.sleep(0.05)
        assert served.stop(signal.SIGTERM) == 0
        assert [len(call.result().scores) for call in calls] == [5_000] * 16
    wait_until(lambda: not any(map(alive, processes)))
    assert "Traceback" not in served.log.read_text()
    assert not (served.folder / "port").exists()


def test_a_supervisor_that_is_killed_takes_all_with_it(served: Served) -> None:
    served.start()
    processes = child_processes(served.process.pid)
    served.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(alive, processes)))


def test_workers_without_a_supervisor_end_whatever_their_calls_wait_for(
    tmp_path: Path, saved: Path, lmdb_url: str
) -> None:
    write_bundle(bundle(), tmp_path / "shop.featb")
    feat("publish", saved, "--registry", f"dir://{tmp_path / 'registry'}")
    server = Served(tmp_path, lmdb_url, "--workers", "1", "--grace-s", "1")
    workers = workers_of(server)
    models = [pid for pid in child_processes(server.process.pid) if pid not in workers]
    try:
        for pid in models:
            stand_still(pid)
        with grpc.insecure_channel(server.address) as channel:
            score = channel.unary_unary(f"/{SERVICE}/Score", response_deserializer=ScoreAnswer.FromString)
            waiting = score.future(request_of(["a", "d"]), timeout=300)
            time.sleep(0.5)
            assert not waiting.done()
            server.process.kill()
            server.process.wait()
            wait_until(lambda: not any(map(alive, workers)), 20)
    finally:
        for pid in models:
            with contextlib.suppress(ProcessLookupError):  # the first one's end is a hang-up for the others
                os.kill(pid, signal.SIGKILL)


def test_what_is_wrong_with_all_workers_is_told_once(tmp_path: Path, lmdb_url: str) -> None:
    wrong = ("--program", PROGRAM, "--store", lmdb_url, "--registry", "ftp://x", "--workers", 3)
    done = feat("serve", *wrong, check=False)
    assert done.returncode == 1
    assert done.stderr.count("not a registry") == 1
    done = feat("serve", *wrong[:-1], 0, check=False)
    assert (done.returncode, "--workers must be 1 or more" in done.stderr) == (1, True)
