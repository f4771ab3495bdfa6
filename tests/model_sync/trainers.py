"""Small trainers that publish, for tests: a ranker with two tables, and what it would answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from compiler.bundle import Bundle, build
from featdsl.torch import EmbeddingTable, RowAdagrad, load_model
from model_sync import Publisher, Registry
from model_sync.blobs import Found
from model_sync.directory import DirectoryBlobs
from model_sync.version import RegistryError

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source profile of user { liked: list<string> }
source movie of item { year: int32 = 0 }
model ranker {
  dense: float32 = [movie.year]
  movie: int64   = item |> hash
  liked: int64 per request = profile.liked |> hash |> pad(3)
  output like: float32
}
"""
IDS = 400
T = TypeVar("T")
Batch = dict[str, torch.Tensor]


def ranker_bundle(folder: Path) -> Bundle:
    (folder / "ranker.feat").write_text(PROGRAM)
    return build(folder / "ranker.feat")


class Ranker(torch.nn.Module):
    def __init__(self, hidden: int = 1) -> None:
        super().__init__()
        self.items = EmbeddingTable("items", 4)
        self.users = EmbeddingTable("users", 2, admit_after=2)
        self.layer = torch.nn.Linear(1 + 4 + 4 + 2, hidden)

    def forward(self, dense: torch.Tensor, movie: torch.Tensor, liked: torch.Tensor) -> torch.Tensor:
        user = self.items(liked).mean(1).expand(dense.shape[0], -1)
        rows = torch.cat([dense, self.items(movie), user, self.users(movie)], 1)
        scores: torch.Tensor = self.layer(rows).sum(1)
        return scores


class Trainer:
    """Trains a `Ranker` on batches of its own ids: those that leave `rank` over when they are divided by `world`."""

    def __init__(self, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        torch.manual_seed(seed)
        self.module = Ranker()
        self.tables = [self.module.items, self.module.users]
        self.rows = RowAdagrad(self.tables, 0.5)
        self.dense = torch.optim.SGD(self.module.parameters(), 0.01)
        self.random = torch.Generator().manual_seed(seed + rank)
        self.rank, self.world = rank, world

    def step(self, ids: int = 20) -> None:
        batch = self.batch(ids)
        self.module(**batch).square().mean().backward()
        self.rows.step()
        self.dense.step()
        self.dense.zero_grad()

    def batch(self, ids: int) -> Batch:
        movie = torch.randint(0, IDS, (ids,), generator=self.random) * self.world + self.rank
        liked = torch.randint(0, IDS, (1, 3), generator=self.random) * self.world + self.rank
        return {"dense": torch.rand(ids, 1, generator=self.random), "movie": movie, "liked": liked}

    def evict(self, unseen_for: int) -> None:
        for table in self.tables:
            table.evict(unseen_for)

    def scores(self) -> torch.Tensor:
        return scores_of(self.module)

    def rows_of(self) -> dict[str, dict[int, list[float]]]:
        """By table and id."""
        whole = {table.name: table.change(all_rows=True) for table in self.tables}
        return {n: dict(zip(c.ids.tolist(), c.rows.tolist(), strict=True)) for n, c in whole.items()}


def every_id(world: int = 1) -> Batch:
    movie = torch.arange(IDS * world)
    return {"dense": torch.ones(len(movie), 1), "movie": movie, "liked": torch.tensor([[1, 2, 3]])}


def scores_of(module: torch.nn.Module) -> torch.Tensor:
    """What a module answers for all ids."""
    module.eval()
    try:
        with torch.no_grad():
            answer: torch.Tensor = module(**every_id())
            return answer
    finally:
        module.train()


def served_scores(registry: Registry, number: int, folder: Path) -> torch.Tensor:
    """What a server that loads a version answers for all ids."""
    into = folder / f"fetched-{number}-{len(os.listdir(folder))}"
    registry.fetch(number, into)
    return load_model(into).predict(every_id())["like"]


class FaultyBlobs(DirectoryBlobs):
    """A directory of which one of the next operations goes wrong: the disk is full, before or after the operation has
    been done, or the process is killed then."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, create=True)
        self.operations = 0
        self._fails_at: int | str = -1
        self._done_before = False
        self._kills = False

    def fail_at(self, at: int, *, done_before: bool) -> None:
        """At the operation of this number from now on."""
        self.operations, self._fails_at, self._done_before = 0, at, done_before

    def die_at(self, at: int | str, *, done_before: bool) -> None:
        """The same with a SIGKILL, or at the first operation that has this in its name."""
        self.fail_at(-1, done_before=done_before)
        self._fails_at, self._kills = at, True

    def _operation(self, name: str, operation: Callable[[], T]) -> T:
        number, self.operations = self.operations, self.operations + 1
        at = self._fails_at in name if isinstance(self._fails_at, str) else self._fails_at == number
        if at and not self._done_before:
            self._fail(name)
        done = operation()
        if at:
            self._fail(name)
        return done

    def _fail(self, name: str) -> None:
        if self._kills:
            os.kill(os.getpid(), signal.SIGKILL)
        raise RegistryError(f"cannot write to the registry: {name}: no space left on device")

    def read(self, name: str) -> bytes | None:
        return self._operation(f"read {name}", lambda: super(FaultyBlobs, self).read(name))

    def write(self, name: str, data: bytes) -> None:
        self._operation(f"write {name}", lambda: super(FaultyBlobs, self).write(name, data))

    def note(self, name: str, data: bytes) -> None:
        self._operation(f"note {name}", lambda: super(FaultyBlobs, self).note(name, data))

    def touch(self, name: str) -> bool:
        return self._operation(f"touch {name}", lambda: super(FaultyBlobs, self).touch(name))

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        return self._operation(f"swap {name}", lambda: super(FaultyBlobs, self).swap(name, expected, data))

    def remove(self, name: str) -> None:
        self._operation(f"remove {name}", lambda: super(FaultyBlobs, self).remove(name))

    def names(self, prefix: str) -> Mapping[str, Found]:
        return self._operation(f"names {prefix}", lambda: super(FaultyBlobs, self).names(prefix))


def heights(publisher: Publisher) -> Sequence[int]:
    """How many layers the tables of HEAD's version have."""
    head = publisher.registry.head()
    assert head is not None
    tables = publisher.registry.version(head.version).tables
    return [len(tables[name].layers) for name in ("items", "users")]
