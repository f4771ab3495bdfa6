"""A process that is told to stop ends, whichever thread the signal comes to and whatever hangs."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from online.client import ScorerClient
from online.proto import SERVICE
from online.proto.scorer_pb2 import ScoreAnswer
from tests.online.shop import bundle
from tests.online.test_serve import Ranker, Served, feat
from tests.online.test_supervisor import Supervised
from tests.online.test_workers import wait_until

ROOT = Path(__file__).parents[2]
_LIBC = ctypes.CDLL(None, use_errno=True)

SERVER = """
import json, logging, re, sys, threading, time
from online import stopping
from online.stopping import Stopping
logging.basicConfig(stream=sys.stderr)
stopping.CLOSED_IN_S = 0.5
stop = Stopping()
stop.grace_s = float(sys.argv[2])
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("serves", flush=True)
stop.told.wait()
print("told", flush=True)
exec(sys.argv[1])
"""
HANGS = "def close(): threading.Event().wait()\nclose()"
HANGS_IN_A_THREAD = "threading.Thread(target=threading.Event().wait, name='left').start()"
KEEPS_PYTHON_TO_ITSELF = "re.match('(a+)+b', 'a' * 60)"
ENDS = ""


class Server:
    """A process that does `how` when it is told to stop."""

    def __init__(self, how: str, grace_s: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, how, str(grace_s)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "serves"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ends(self) -> tuple[int, str]:
        """Its exit code, and what it said in the log."""
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    servers = []

    def started(how: str, grace_s: float = 60.0) -> Server:
        servers.append(Server(how, grace_s))
        return servers[-1]

    yield started
    for server in servers:
        server.process.kill()
        server.process.communicate()


def signal_another_thread(pid: int, number: signal.Signals = signal.SIGTERM) -> None:
    """As the kernel does when such a thread starts one while the signal comes and the main thread is not running."""
    others = [int(one) for one in os.listdir(f"/proc/{pid}/task") if int(one) != pid]
    takes_it = [one for one in others if not blocked(pid, one) >> (number - 1) & 1]
    assert _LIBC.tgkill(pid, max(takes_it), number) == 0, os.strerror(ctypes.get_errno())


def blocked(pid: int, thread: int) -> int:
    """The signals that a thread does not take, a bit each."""
    status = Path(f"/proc/{pid}/task/{thread}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")), 16)


def test_a_server_stops_whichever_thread_the_signal_comes_to(tmp_path: Path, lmdb_url: str) -> None:
    write_bundle(bundle(), tmp_path / "shop.featb")
    feat(
        "publish",
        save_model(Ranker(1.0), bundle(), tmp_path / "m"),
        "--registry",
        f"dir://{tmp_path / 'registry'}",
    )
    server = Served(tmp_path, lmdb_url)
    try:
        signal_another_thread(server.process.pid)
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        server.process.kill()
        server.process.wait()


def test_a_worker_stops_whichever_thread_the_signal_comes_to(tmp_path: Path) -> None:
    supervisor = Supervised(tmp_path / "log")
    try:
        told = supervisor.workers()[0]
        signal_another_thread(told)
        wait_until(lambda: supervisor.says(f"(pid {told}) ended after"), 10)
        supervisor.process.terminate()
        assert supervisor.process.wait(10) == 0
    finally:
        supervisor.process.kill()
        supervisor.process.wait()


def test_a_signal_to_any_thread_is_heard(start: Start) -> None:
    server = start(ENDS)
    signal_another_thread(server.process.pid, signal.SIGINT)
    assert server.ends() == (0, "")


def test_many_signals_at_once_are_one_stop_or_an_end(start: Start) -> None:
    server = start(ENDS)
    for _ in range(100):
        server.process.send_signal(signal.SIGTERM)
    code, said = server.ends()
    assert code in (0, 130)
    assert not said


@pytest.mark.parametrize(
    ("how", "named"),
    [
        (HANGS, "< close (<string>:1)"),
        (HANGS_IN_A_THREAD, "left in wait (threading.py:"),
        (KEEPS_PYTHON_TO_ITSELF, "in match"),
    ],
    ids=["main thread", "a thread", "without a turn for others"],
)
def test_what_hangs_is_told_and_does_not_keep_the_process(start: Start, how: str, named: str) -> None:
    server = start(how, 0.5)
    server.process.send_signal(signal.SIGTERM)
    assert server.line() == "told"
    code, said = server.ends()
    assert code == 1
    assert named in said


def test_a_log_that_nobody_reads_does_not_keep_the_process(start: Start) -> None:
    server = start("import os\nos.set_blocking(2, True)\nwhile True: os.write(2, bytes(65536))", 0.5)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == -signal.SIGALRM


def test_a_second_signal_ends_it_at_once_whatever_hangs(start: Start) -> None:
    server = start(HANGS)
    server.process.send_signal(signal.SIGTERM)
    assert server.line() == "told"
    signal_another_thread(server.process.pid)
    assert server.ends()[0] == 130


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_call_that_meets_the_end_of_a_server_is_asked_again(code: grpc.StatusCode) -> None:
    calls = []

    def score(request: bytes, context: grpc.ServicerContext) -> bytes:
        calls.append(request)
        if len(calls) == 1:
            context.abort(code, "")
        return ScoreAnswer(version=7).SerializeToString()

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                SERVICE, {"Score": grpc.unary_unary_rpc_method_handler(score)}
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with ScorerClient(f"127.0.0.1:{port}") as client:
            assert client.score({"user": 1}).version == 7
    finally:
        server.stop(0)
    assert len(calls) == 2
