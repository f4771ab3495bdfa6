"""Publishers that are killed, and publishers that race: what happens to HEAD, in forks of one process."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from model_sync import HeadMoved, Publisher, Registry
from tests.model_sync.trainers import FaultyBlobs, Trainer, ranker_bundle, served_scores

_MOVED = 3


class _Nursery:
    """A trainer that has published once; its forks go on from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trainer = Trainer()
        self.trainer.module.items(torch.arange(200))
        self.trainer.step()
        self.blobs = FaultyBlobs(folder / "registry")
        self.registry = Registry(self.blobs)
        self.publisher = Publisher(self.registry, self.trainer.module, ranker_bundle(folder))
        self.publisher.publish()

    def served(self) -> torch.Tensor:
        """What HEAD's version answers."""
        head = self.registry.head()
        assert head is not None
        return served_scores(self.registry, head.version, self.folder)

    def die_everywhere(self, done_before: bool) -> tuple[int, int]:
        """Kills a publish at each of its operations. Returns at how many, and how often HEAD had moved."""
        killed = moved = 0
        while True:
            before = self.trainer.scores()
            self.trainer.step()
            after = self.trainer.scores()

            def publish(at: int = killed) -> None:
                self.blobs.die_at(at, done_before=done_before)
                self.publisher.publish()

            code = os.waitstatus_to_exitcode(os.waitpid(_fork(publish), 0)[1])
            served = self.served()
            if code == 0:
                assert torch.equal(served, after)
                return killed, moved
            assert code == -signal.SIGKILL
            assert torch.equal(served, before) or torch.equal(served, after)
            moved += torch.equal(served, after)
            killed += 1
            self.publisher.take_over()
            self.publisher.publish()
            self.trainer.step()
            self.publisher.publish()  # what has changed
            assert torch.equal(self.served(), self.trainer.scores())

    def race(self, rounds: int) -> int:
        """Two publishers that follow the same HEAD. Returns in how many rounds one of them won, and one only."""
        won = 0
        for _ in range(rounds):
            begin, go = os.pipe()

            def publish(seed: int, begin: int = begin, go: int = go) -> None:
                self.trainer.random.manual_seed(seed)
                self.trainer.step()
                torch.save(self.trainer.scores(), self.folder / str(seed))
                os.close(go)
                os.read(begin, 1)  # until nobody holds the other end
                self.publisher.publish()

            pids = {_fork(lambda seed=seed: publish(seed)): seed for seed in (1, 2)}  # type: ignore[misc]
            os.close(begin)
            os.close(go)
            codes = {seed: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, seed in pids.items()}
            assert sorted(codes.values()) == [0, _MOVED]
            winner = next(seed for seed, code in codes.items() if code == 0)
            assert torch.equal(self.served(), torch.load(self.folder / str(winner)))
            won += 1
            self.publisher.take_over()
            self.trainer.step()
            self.publisher.publish()
        return won


def _fork(what: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        what()
        os._exit(0)
    except HeadMoved:
        os._exit(_MOVED)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def run(pipe: Connection, folder: Path, what: str, *arguments: object) -> None:
    """Sends what a method of the nursery returns, or its traceback."""
    torch.set_num_threads(1)
    try:
        pipe.send(getattr(_Nursery(folder), what)(*arguments))
    except Exception:
        pipe.send(traceback.format_exc())
