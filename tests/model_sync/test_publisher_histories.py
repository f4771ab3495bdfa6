"""Random histories of one publisher: training, eviction, faults, checkpoints, others who move HEAD. Whoever follows has
what the trainer has, but for what it has not told yet; who begins with a version has what those who follow have."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.bundle import Bundle
from featdsl.torch.table_layers import ResidentTable, resident_table
from model_sync import HeadMoved, Publisher, Registry, RegistryError
from tests.model_sync.trainers import FaultyBlobs, Trainer, ranker_bundle


@functools.cache
def program() -> Bundle:
    with tempfile.TemporaryDirectory() as folder:
        return ranker_bundle(Path(folder))


class History:
    def __init__(self, folder: Path, budget_rows: int | None) -> None:
        self.folder = folder
        self.trainer = Trainer()
        self.blobs = FaultyBlobs(folder / "registry")
        self.registry = Registry(self.blobs)
        self.publisher = Publisher(
            self.registry,
            self.trainer.module,
            program(),
            budget_rows=budget_rows,
            full_every=3,
        )
        self.held: dict[str, list[ResidentTable]] = {"items": [], "users": []}
        self.saved = self.trainer.module.state_dict()
        self.seen = 0

    def train(self, ids: int) -> None:
        self.trainer.step(ids)

    def evict(self, unseen_for: int) -> None:
        self.trainer.evict(unseen_for)

    def publish(self, times: int) -> None:
        for _ in range(times):
            self.trainer.step(3)
            with contextlib.suppress(HeadMoved):
                self.publisher.publish()
            self.check()

    def fail(self, at: int, done_before: bool) -> None:
        self.blobs.fail_at(at, done_before=done_before)
        with contextlib.suppress(RegistryError):
            self.publisher.publish()
        self.blobs.fail_at(-1, done_before=False)
        self.trainer.step(3)

    def save(self) -> None:
        self.saved = self.trainer.module.state_dict()

    def restore(self) -> None:
        self.trainer.module.load_state_dict(self.saved)

    def roll_back(self) -> None:
        if (numbers := self.registry.numbers()) and self.registry.head() is not None:
            self.registry.rollback(numbers[0], now_us=1)

    def refuse(self) -> None:
        if (head := self.registry.head()) is not None:
            self.registry.refuse(head.version, "it was not liked")

    def take_over(self) -> None:
        self.publisher.take_over()

    def check(self) -> None:
        head = self.registry.head()
        if head is None or head.epoch == self.seen:
            return
        self.seen = head.epoch
        folder = self.folder / "fetched"
        shutil.rmtree(folder, ignore_errors=True)
        version = self.registry.fetch(head.version, folder)
        ours = self.publisher._head
        assert ours is not None
        follows = (ours.epoch, ours.version) == (head.epoch, head.version)
        rows_of = self.trainer.rows_of()
        for table in self.trainer.tables:
            entry, held = version.tables[table.name], self.held[table.name]
            made = resident_table(table.name, entry, folder, held[-3:])
            begun = resident_table(table.name, entry, folder)
            assert begun.rows.sum == made.rows.sum
            held.append(made)
            if not follows:
                continue
            ids = made.rows.ids()
            found = np.zeros((len(ids), table.width), np.float32)
            made.rows.gather(ids, found)
            theirs = dict(zip(ids.tolist(), found.tolist(), strict=True))
            change = table.change()
            untold = {*change.ids.tolist(), *change.deleted.tolist()}
            wanted = rows_of[table.name]
            for id in theirs.keys() | wanted.keys():
                assert id in untold or theirs.get(id) == wanted.get(id)


STEPS = st.one_of(
    st.tuples(st.just("train"), st.integers(1, 60)),
    st.tuples(st.just("evict"), st.integers(1, 30)),
    st.tuples(st.just("publish"), st.integers(1, 12)),
    st.tuples(st.just("publish"), st.integers(1, 12)),
    st.tuples(st.just("fail"), st.integers(0, 20), st.booleans()),
    st.tuples(st.sampled_from(["save", "restore", "roll_back", "refuse", "take_over", "take_over"])),
)


@settings(max_examples=8)
@given(st.lists(STEPS, min_size=4, max_size=12), st.sampled_from([None, 6]))
def test_whoever_follows_has_what_was_told(steps: list[tuple[object, ...]], budget_rows: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder), budget_rows)
        history.publish(1)
        for name, *arguments in steps:
            getattr(history, str(name))(*arguments)
            history.check()
        history.publisher.take_over()
        history.publish(2)
