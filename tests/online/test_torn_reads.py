"""No answer is of two versions: rows of a table and a parameter say which publish wrote them last, and while publishers
that race and rollbacks move HEAD all the time, each answer must be, to the last row, what its version is."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from compiler.bundle import Bundle, build, write_bundle
from featdsl.torch import EmbeddingTable
from model_sync import HeadMoved, Publisher, open_registry
from online.client import ScorerClient
from online.errors import CallError
from tests.online.test_serve import Served

ROWS = int(os.environ.get("FEATDSL_TORN_ROWS", "100000"))
"""How many rows are scored; ten million in `make soak-sync`."""
IDS = 4000
ITEMS = 250
CLIENTS = 3
PROGRAM = """
namespace stamps
entity user: int64 per request
entity item: int64 per candidate
model ranker {
  item_ids: int64 = item
  user_id: int64 per request = user
  output row: float32
  output dense: float32
  score = output.row
}
"""

Stamps = npt.NDArray[np.float32]


class Stamped(torch.nn.Module):
    """Gives what the row of an item and the parameter say."""

    def __init__(self) -> None:
        super().__init__()
        self.items = EmbeddingTable("items", 1, scale=0.0)
        self.dense = torch.nn.Parameter(torch.zeros(1))

    def forward(self, item_ids: torch.Tensor, user_id: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.items(item_ids).squeeze(1), self.dense.expand(item_ids.shape[0]) + 0 * user_id.sum()


class Stamper:
    """A trainer whose every publish stamps some rows, takes some away, and stamps the parameter. `said` is told what a
    version is before HEAD moves to it."""

    def __init__(self, url: str, bundle: Bundle, seed: int) -> None:
        self.module = Stamped()
        self.chance = np.random.default_rng(seed)
        self.module.items(torch.arange(IDS))
        self.module.items.tick()
        self.publisher = Publisher(url, self.module, bundle)

    @torch.no_grad()
    def stamp(self, stamp: float) -> Stamps:
        """What the table is now, by id."""
        table = self.module.items
        some = torch.from_numpy(self.chance.choice(IDS, IDS // 20, replace=False))
        table.train()
        rows = table(some)  # those that were taken away are there again
        places = torch.from_numpy(table._index.find(some.numpy()))
        table.move(places, stamp - rows)
        if self.chance.random() < 0.3:
            table.evict(unseen_for=40)
        table.tick()
        self.module.dense.fill_(stamp)
        table.eval()
        now = table(torch.arange(IDS)).squeeze(1).numpy()
        table.train()
        return now


class History:
    """What each version is, and what callers were told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contents: dict[float, Stamps] = {}
        self.rows = 0
        self.versions: set[int] = set()
        self.torn: list[str] = []
        self.failed: list[str] = []

    def is_about_to_be(self, stamp: float, content: Stamps) -> None:
        with self._lock:
            self._contents[stamp] = content

    def check(self, version: int, items: npt.NDArray[np.int64], row: Stamps, dense: Stamps) -> None:
        with self._lock:
            self.rows += len(items)
            self.versions.add(version)
            content = self._contents.get(float(dense[0]))
        if content is None or (dense != dense[0]).any() or (row != content[items]).any():
            self.torn.append(f"version {version}, stamped {sorted(set(dense.tolist()))[:4]}")


def test_no_answer_is_torn(tmp_path: Path) -> None:
    bundle = _program(tmp_path)
    url = f"dir://{tmp_path}/registry"
    trainers = [Stamper(url, bundle, seed) for seed in (1, 2)]
    history = History()
    chance = random.Random(3)
    stamp = 1.0
    history.is_about_to_be(stamp, trainers[0].stamp(stamp))
    trainers[0].publisher.publish()
    server = Served(tmp_path, f"lmdb://{tmp_path}/store", "--workers", "2", "--cache-mb", "0")
    over = threading.Event()
    try:
        clients = [
            threading.Thread(target=_ask, args=(server.address, history, over, n)) for n in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        give_up = time.monotonic() + max(240.0, ROWS / 2500)
        published = rolled_back = raced = 0
        while time.monotonic() < give_up and not history.torn and not history.failed:
            if history.rows >= ROWS and published > 10 and rolled_back and raced:
                break
            trainer = chance.choice(trainers)
            stamp += 1.0
            history.is_about_to_be(stamp, trainer.stamp(stamp))
            try:
                trainer.publisher.publish()
                published += 1
            except HeadMoved:
                raced += 1
                trainer.publisher.take_over()
            if chance.random() < 0.2:
                registry = open_registry(url)
                to = chance.choice(registry.numbers()[-4:])
                with contextlib.suppress(HeadMoved):
                    registry.rollback(to, now_us=time.time_ns() // 1000)
                    rolled_back += 1
    finally:
        over.set()
        for client in clients:
            client.join()
        server.stop()
    assert history.failed == []
    assert history.torn == []
    assert history.rows >= ROWS, f"{history.rows} rows in time"
    assert (published > 10, rolled_back > 0, raced > 0) == (True, True, True)
    assert len(history.versions) > 5, "they were seen to change"


def _ask(address: str, history: History, over: threading.Event, seed: int) -> None:
    chance = np.random.default_rng(seed)
    with ScorerClient(address) as client:
        while not over.is_set():
            items = chance.integers(0, IDS, ITEMS)
            try:
                answer = client.score({"user": 1, "item": items.tolist()}, want_outputs=True, timeout_s=30)
            except CallError as fault:
                history.failed.append(str(fault))
                return
            row, dense = (np.array(answer.outputs[name], np.float32) for name in ("row", "dense"))
            history.check(answer.version, items, row, dense)


def _program(folder: Path) -> Bundle:
    (folder / "stamps.feat").write_text(PROGRAM)
    bundle = build(folder / "stamps.feat")
    write_bundle(bundle, folder / "shop.featb")
    return bundle
