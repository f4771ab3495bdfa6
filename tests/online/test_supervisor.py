"""The supervisor alone, over workers that do nothing: deaths, silence, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from online.supervisor import LONGEST_PAUSE_S, pause_before
from tests.online.test_serve import alive
from tests.online.test_workers import wait_until
from tests.standstill import stand_still

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
from online.worker_link import WorkerLink
link = WorkerLink(int(sys.argv[1]))
if link.arguments.get("fails"):
    sys.exit(3)
link.ready(problem="", state="well", name="nothing")
link.told.wait()
link.closed()
"""

SUPERVISOR = """
import logging, sys
from online.supervisor import Supervisor
logging.basicConfig(stream=sys.stderr)
arguments = {"fails": True} if sys.argv[2:] else {}
supervisor = Supervisor(
    [sys.executable, "-c", sys.argv[1]], arguments, 2, 1, 30.0,
    lambda first: print(first["state"], flush=True), silent_s=3.0,
)
sys.exit(supervisor.run())
"""


class Supervised:
    """A supervisor of two such workers."""

    def __init__(self, log: Path, *options: str) -> None:
        self.log = log
        with open(log, "wb") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISOR, WORKER, *options],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def says(self, what: str) -> bool:
        return what in self.log.read_text()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    supervisor = Supervised(tmp_path / "log")
    assert supervisor.line == "well\n"
    yield supervisor
    supervisor.process.kill()
    supervisor.process.wait()


def test_a_worker_that_dies_again_and_again_is_started_after_ever_longer_pauses(
    supervised: Supervised,
) -> None:
    for said in ("started again at once", "started again in 0.1 s", "started again in 0.2 s"):
        killed = supervised.workers()[-1]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda said=said: supervised.says(said))  # type: ignore[misc]
        wait_until(lambda killed=killed: len(set(supervised.workers()) - {killed}) == 2)  # type: ignore[misc]
    assert supervised.process.poll() is None


def test_a_worker_that_hangs_is_replaced(supervised: Supervised) -> None:
    hanging = supervised.workers()[0]
    stand_still(hanging)
    wait_until(lambda: supervised.says(f"(pid {hanging}) hangs and is killed"))
    wait_until(lambda: len(set(supervised.workers()) - {hanging}) == 2)


def test_a_second_signal_ends_it_at_once(supervised: Supervised) -> None:
    workers = supervised.workers()
    for worker in workers:
        stand_still(worker)  # so that they do not end by themselves
    supervised.process.send_signal(signal.SIGTERM)
    wait_until(lambda: supervised.process.poll() is None and all(map(alive, workers)))
    supervised.process.send_signal(signal.SIGINT)
    assert supervised.process.wait(10) == 130
    wait_until(lambda: not any(map(alive, workers)))


def test_workers_end_when_their_supervisor_is_gone(supervised: Supervised) -> None:
    workers = supervised.workers()
    stand_still(supervised.process.pid)
    time.sleep(1.5)  # what they say is not read any more, so that the line ends with an error
    supervised.process.kill()
    supervised.process.wait()
    wait_until(lambda: not any(map(alive, workers)))


def test_a_first_worker_that_does_not_come_ends_it_with_its_code(tmp_path: Path) -> None:
    supervisor = Supervised(tmp_path / "log", "fails")
    assert supervisor.process.wait(30) == 3
    assert supervisor.line == ""


def test_the_pause_before_a_restart_doubles_to_a_bound() -> None:
    assert [pause_before(n) for n in range(5)] == [0, 0.1, 0.2, 0.4, 0.8]
    assert pause_before(100) == LONGEST_PAUSE_S
