"""One process of a training job, told what to do through a pipe."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from featdsl.errors import FeatError
from model_sync import Publisher, Registry
from tests.model_sync.forks import CONTEXT
from tests.model_sync.trainers import FaultyBlobs, Trainer, ranker_bundle

WAITS_S = 60.0


class JobTrainer:
    """A process of rank `rank`. `do` tells it what to do, `done` gives what came of it."""

    def __init__(self, folder: Path, rank: int, world: int, timeout_s: float = WAITS_S) -> None:
        self.rank = rank
        self._pipe, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(
            target=_serve, args=(theirs, folder, rank, world, timeout_s), daemon=True
        )
        self._process.start()
        theirs.close()

    def do(self, what: str, *arguments: Any) -> None:
        self._pipe.send((what, *arguments))

    def done(self) -> Any:
        """Errors: `RuntimeError` with what it failed of, `EOFError` when it is dead."""
        failed, answer = self._pipe.recv()
        if failed:
            raise RuntimeError(answer)
        return answer

    def ask(self, what: str, *arguments: Any) -> Any:
        self.do(what, *arguments)
        return self.done()

    def kill(self) -> None:
        self._process.kill()  # which looks no further when it has died by itself
        self._process.join()
        self._pipe.close()


class _Member:
    def __init__(self, folder: Path, rank: int, world: int, timeout_s: float) -> None:
        self.folder, self.rank = folder, rank
        self.trainer = Trainer(seed=3, rank=rank, world=world)
        self.blobs = FaultyBlobs(folder / "registry")
        (folder / str(rank)).mkdir(exist_ok=True)
        bundle = ranker_bundle(folder / str(rank))
        self.publisher = Publisher(
            Registry(self.blobs),
            self.trainer.module,
            bundle,
            rank=rank,
            world=world,
            job="rankers",
            timeout_s=timeout_s,
        )

    def step(self) -> None:
        self.trainer.step()

    def evict(self) -> None:
        self.trainer.evict(3)

    def steal(self, id: int) -> None:
        """Trains an id that is another process's."""
        self.trainer.module.items(torch.tensor([id])).sum().backward()
        self.trainer.rows.step()

    def spoil(self) -> None:
        (self.trainer.module.items(torch.tensor([self.rank])) * float("nan")).sum().backward()
        self.trainer.rows.step()

    def publish(self) -> int:
        return self.publisher.publish().number

    def take_over(self) -> None:
        self.publisher.take_over()

    def rows(self) -> dict[str, dict[int, list[float]]]:
        return self.trainer.rows_of()

    def parameters(self) -> dict[str, list[Any]]:
        return {n: p.tolist() for n, p in self.trainer.module.named_parameters()}

    def save(self) -> None:
        torch.save(self.trainer.module.state_dict(), self.folder / f"{self.rank}.checkpoint")

    def restore(self) -> None:
        state = torch.load(self.folder / f"{self.rank}.checkpoint", weights_only=True)
        self.trainer.module.load_state_dict(state)

    def die_at(self, at: str, done_before: bool) -> None:
        """At an operation whose name has this in it."""
        self.blobs.die_at(at, done_before=done_before)


def _serve(pipe: Connection, folder: Path, rank: int, world: int, timeout_s: float) -> None:
    torch.set_num_threads(1)
    member = _Member(folder, rank, world, timeout_s)
    while True:
        try:
            what, *arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((False, getattr(member, what)(*arguments)))
        except FeatError as fault:
            pipe.send((True, f"{type(fault).__name__}: {fault} ({fault.help})"))
