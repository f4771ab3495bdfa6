"""Embedding tables in training: no collisions, admission, eviction, and no change is lost on its way to others."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.bundle import build
from engine import SnapshotTable
from featdsl.torch import EmbeddingTable, RowAdagrad, RowAdam, RowSGD, load_model, save_model
from featdsl.torch.levels import levels
from featdsl.torch.row_optimizers import RowOptimizer
from model_sync.table_stack import TableState

IDS = torch.tensor([5, -9_223_372_036_854_775_808, 0, 9_223_372_036_854_775_807, 5, 1 << 40])


def rows_of(table: EmbeddingTable, ids: torch.Tensor) -> torch.Tensor:
    table.eval()
    try:
        return table(ids)
    finally:
        table.train()


def test_a_table_gives_each_id_a_row_of_its_own() -> None:
    table = EmbeddingTable("items", 3)
    ids = torch.from_numpy(np.random.default_rng(1).integers(-(1 << 63), 1 << 63, 50_000))
    rows = table(ids)
    assert len(table) == len(set(ids.tolist()))
    assert torch.equal(rows_of(table, ids), rows.detach())
    assert torch.equal(rows[:10], EmbeddingTable("another", 3)(ids[:10].flip(0)).flip(0)), (
        "whoever comes first"
    )
    assert rows.abs().max() <= 0.01
    assert abs(float(rows.detach().mean())) < 1e-4
    assert table(IDS.reshape(2, 3)).shape == (2, 3, 3)


def test_ids_that_are_no_whole_numbers_are_refused() -> None:
    table = EmbeddingTable("items", 2)
    with pytest.raises(ValueError, match="ids of the table `items` are int64, not float32"):
        table(torch.tensor([2.0**24 + 1]))


def test_an_id_gets_a_row_when_it_has_come_often_enough() -> None:
    table = EmbeddingTable("items", 2, admit_after=3)
    assert not table(torch.tensor([7, 7])).any()
    assert len(table) == 0
    assert not rows_of(table, torch.tensor([7])).any(), "looking without training does not count"
    assert table(torch.tensor([7, 8])).count_nonzero() == 2
    assert len(table) == 1
    assert table.change().ids.tolist() == [7]


@pytest.mark.parametrize("made", [RowSGD, RowAdagrad, RowAdam])
def test_a_module_is_copied_with_its_tables_and_their_optimizer(
    made: Callable[[Iterable[EmbeddingTable], float], RowOptimizer],
) -> None:
    table = EmbeddingTable("items", 2, admit_after=2)
    optimizer = made([table], 0.1)

    def step(table: EmbeddingTable, optimizer: RowOptimizer, ids: torch.Tensor) -> None:
        table(ids).square().sum().backward()
        optimizer.step()

    ids = torch.tensor([1, 1, 2, 2, 3])
    step(table, optimizer, ids)
    table.evict(unseen_for=0)
    step(table, optimizer, ids)
    held = table.change()
    table.published(held)
    module = torch.nn.ModuleList([table, torch.nn.Linear(1, 1)])
    copied, copied_optimizer = copy.deepcopy((module, optimizer))
    twin = copied[0]
    assert isinstance(twin, EmbeddingTable)
    assert (twin.told, twin.touched()) == (table.told, table.touched())
    for _ in range(3):
        step(table, optimizer, ids)
        step(twin, copied_optimizer, ids)
        assert torch.equal(rows_of(twin, ids), rows_of(table, ids))
    before = rows_of(table, ids)
    step(twin, copied_optimizer, ids)
    assert torch.equal(rows_of(table, ids), before)
    assert not torch.equal(rows_of(twin, ids), before)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda t: RowSGD([t], 0.1), lambda p: torch.optim.SGD(p, 0.1)),
        (lambda t: RowAdagrad([t], 0.1), lambda p: torch.optim.Adagrad(p, 0.1)),
        (lambda t: RowAdam([t], 0.1), lambda p: torch.optim.SparseAdam(p, 0.1)),
    ],
)
def test_a_step_is_that_of_torch_on_the_rows_that_were_looked_at(
    ours: Callable[[EmbeddingTable], RowOptimizer],
    theirs: Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer],
) -> None:
    """All ids in every step, so that the counts of steps agree."""
    table, plain = EmbeddingTable("items", 4), torch.nn.Embedding(6, 4, sparse=True)
    ids = torch.arange(6) * 1_000_003
    plain.weight.data = table.first_rows(ids.numpy())
    optimizers = ours(table), theirs(plain.parameters())
    torch.manual_seed(1)
    for _ in range(20):
        which, wanted = torch.cat([torch.arange(6), torch.randint(0, 6, (10,))]), torch.randn(16, 4)
        for rows in (table(ids[which]), plain(which)):
            ((rows - wanted) ** 2).sum().backward()
        if isinstance(optimizers[1], torch.optim.SGD | torch.optim.Adagrad):
            assert plain.weight.grad is not None
            plain.weight.grad = plain.weight.grad.to_dense()
        for optimizer in optimizers:
            optimizer.step()
        plain.weight.grad = None
    torch.testing.assert_close(rows_of(table, ids), plain.weight.data, rtol=1e-4, atol=1e-5)


def test_several_passes_before_a_step_are_summed() -> None:
    table = EmbeddingTable("items", 1)
    optimizer = RowSGD([table], 1.0)
    before = table(torch.tensor([1])).item()
    table.gradients()
    for factor in (1.0, 2.0):
        (table(torch.tensor([1, 1])) * factor).sum().backward()
    optimizer.step()
    assert rows_of(table, torch.tensor([1])).item() == pytest.approx(before - 6.0)
    optimizer.step()
    assert rows_of(table, torch.tensor([1])).item() == pytest.approx(before - 6.0), "a gradient counts once"


def test_what_is_not_seen_any_more_goes_and_comes_back_as_new() -> None:
    table = EmbeddingTable("items", 2, admit_after=2)
    optimizer = RowAdagrad([table], 0.5)
    for step in range(10):
        ids = [1, 1, 2, 2] if step < 3 else [1]
        table(torch.tensor(ids)).sum().backward()
        optimizer.step()
    table(torch.tensor([3]))  # once: it is forgotten with its count
    table.published(table.change())
    assert table.evict(unseen_for=5) == 1
    assert table.change().deleted.tolist() == [2]
    assert not rows_of(table, torch.tensor([2])).any()
    table(torch.tensor([2]))
    assert not table(torch.tensor([9])).any()
    assert torch.equal(table(torch.tensor([2])), table.first_rows(np.array([2]))), "its count has begun anew"
    change = table.change()
    assert (change.ids.tolist(), change.deleted.tolist()) == ([2], [])


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


class Ranker(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.items = EmbeddingTable("items", 4)
        self.also_items = self.items
        self.nothing = EmbeddingTable("nothing", 2)
        self.layer = torch.nn.Linear(1 + 4 + 4 + 2, 1)

    def forward(self, dense: torch.Tensor, movie: torch.Tensor, liked: torch.Tensor) -> torch.Tensor:
        user = self.also_items(liked).mean(1).expand(dense.shape[0], -1)
        rows = torch.cat([dense, self.items(movie), user, self.nothing(movie)], 1)
        return self.layer(rows)[:, 0]


def test_a_module_with_tables_is_saved_with_their_rows(tmp_path: Path) -> None:
    (tmp_path / "ranker.feat").write_text(PROGRAM)
    bundle = build(tmp_path / "ranker.feat")
    ranker = Ranker()
    known = np.random.default_rng(2).integers(-(1 << 63), 1 << 63, 300)
    optimizer = RowAdagrad([ranker.items], 0.5)
    for _ in range(3):
        ids = torch.from_numpy(known)
        ranker.items(ids).sum().backward()
        optimizer.step()
    saved = load_model(save_model(ranker, bundle, tmp_path / "saved"))
    assert isinstance(ranker.items, EmbeddingTable)
    assert ranker.items.training
    assert levels(saved.module, saved.inputs)  # or it would serve one call at a time
    ranker.eval()
    for rows in (0, 1, 50):
        given = {
            "dense": torch.randn(rows, 1),
            "movie": torch.from_numpy(np.resize(np.append(known, [0, 1, 2]), (rows, 1))),
            "liked": torch.tensor([[int(known[5]), 77, 0]]),
        }
        given = {
            name: tensor.reshape([rows if d is None else d for d in saved.inputs[name][1]])
            for name, tensor in given.items()
        }
        with torch.no_grad():
            assert torch.equal(saved.predict(given)["like"], ranker(**given))


def test_training_goes_on_from_a_checkpoint() -> None:
    def trained() -> tuple[EmbeddingTable, RowOptimizer]:
        table = EmbeddingTable("items", 2, admit_after=2)
        return table, RowAdam([table], 0.1)

    def step(table: EmbeddingTable, optimizer: RowOptimizer, ids: list[int]) -> None:
        (table(torch.tensor(ids)) ** 2 - table(torch.tensor(ids))).sum().backward()
        optimizer.step()

    whole, other = trained(), trained()
    steps = [[1, 1, 2], [2, 3, 1 << 62], [1, 3, 4], [5, 2, 1 << 62]]
    for ids in steps[:2]:
        step(*whole, ids)
    step(*other, [9, 9, 10])  # which is gone then
    other[0].load_state_dict(whole[0].state_dict())
    for table, optimizer in (whole, other):
        for ids in steps[2:]:
            step(table, optimizer, ids)
        table.evict(unseen_for=2)
    changes = [table.change() for table, _ in (whole, other)]
    rows = [dict(zip(c.ids.tolist(), c.rows.tolist(), strict=True)) for c in changes]
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(whole[0])
    with pytest.raises(ValueError, match="other optimizers"):
        EmbeddingTable("items", 2).load_state_dict(whole[0].state_dict())


class Step:
    """A table that is trained, and what somebody has who was told of changes, of which some were lost on the way:
    by a dictionary, and by a table of the engine."""

    def __init__(self) -> None:
        self.table, self.optimizer = self.made()
        self.told: dict[int, list[float]] = {}
        self.snapshot = SnapshotTable(2).empty()

    def made(self) -> tuple[EmbeddingTable, RowOptimizer]:
        table = EmbeddingTable("items", 2, admit_after=2)
        return table, RowAdagrad([table], 0.3)

    def train(self, ids: list[int]) -> None:
        (self.table(torch.tensor(ids)) * torch.tensor([1.0, -2.0])).sum().backward()
        self.optimizer.step()

    def evict(self, unseen_for: int) -> None:
        self.table.evict(unseen_for)

    def restart(self) -> None:
        """From a checkpoint, as it is on disk."""
        file = io.BytesIO()
        torch.save(self.table.state_dict(), file)
        file.seek(0)
        self.table, self.optimizer = self.made()
        self.table.load_state_dict(torch.load(file, weights_only=True))

    def publish(self, ids: list[int], unseen_for: int, how: str) -> None:
        change = self.table.change(all_rows=how == "whole", most_rows=2 if how == "two rows" else None)
        self.train(ids)  # meanwhile
        self.evict(unseen_for)
        if how == "lost":
            return
        assert sorted(change.ids.tolist()) == change.ids.tolist()
        base, deleted = self.snapshot, change.deleted
        if change.whole:
            self.told = {}
            base, deleted = base.table.empty(), deleted[:0]
        self.told |= dict(zip(change.ids.tolist(), change.rows.tolist(), strict=True))
        for id in deleted.tolist():
            self.told.pop(id, None)
        self.snapshot = base.table.apply(base, change.ids, change.rows, deleted)
        self.table.published(change)
        state = TableState.of(self.snapshot.rows, self.snapshot.sum)
        assert change.after == state
        assert state.rows == len(self.told)

    def check(self) -> None:
        whole = self.table.change(all_rows=True)
        touched = set(self.table.change().ids.tolist())
        rows = dict(zip(whole.ids.tolist(), whole.rows.tolist(), strict=True))
        assert len(rows) == len(self.table)
        assert len(touched) + len(self.table.change().deleted) == self.table.touched()
        assert touched <= set(rows)
        assert self.table.told == TableState.of(self.snapshot.rows, self.snapshot.sum)
        gone = set(self.table.change().deleted.tolist())
        for id in set(rows) | set(self.told):
            assert id in touched | gone or rows.get(id) == self.told.get(id), (
                "a change that nobody will be told"
            )


IDS_OF_A_STEP = st.lists(st.integers(-3, 12), min_size=1, max_size=6)
HOW = st.sampled_from(["all", "lost", "two rows", "whole"])


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("train"), IDS_OF_A_STEP),
            st.tuples(st.just("evict"), st.integers(0, 4)),
            st.tuples(st.just("publish"), IDS_OF_A_STEP, st.integers(0, 4), HOW),
            st.tuples(st.just("restart")),
        ),
        max_size=30,
    )
)
def test_no_change_is_lost(steps: list[tuple[object, ...]]) -> None:
    """Whatever was trained and evicted, and whichever publish did not arrive: what others have is known to the bit, and
    the next publish that arrives tells all that they have not."""
    one = Step()
    for name, *arguments in steps:
        getattr(one, str(name))(*arguments)
        one.check()
    one.publish([1], 99, "all")
    one.publish([1], 99, "all")
    assert set(one.table.change().ids.tolist()) <= {1}
    assert len(one.table.change().deleted) == 0
    one.check()


def test_of_many_changed_rows_those_that_moved_the_most_go_first() -> None:
    table = EmbeddingTable("items", 1)
    optimizer = RowSGD([table], 1.0)
    table(torch.arange(100)).sum()
    table.published(table.change())
    assert table.touched() == 0
    for id in range(100):
        (table(torch.tensor([id])) * float(id * 37 % 100)).sum().backward()
        optimizer.step()
    first = table.change(most_rows=10)
    assert sorted(id * 37 % 100 for id in first.ids.tolist()) == list(range(90, 100))
    table.published(first)
    second = table.change(most_rows=10)
    assert sorted(id * 37 % 100 for id in second.ids.tolist()) == list(range(80, 90))
    assert table.touched() == 90


def test_a_change_costs_what_has_changed() -> None:
    """Of a table of 400,000 ids, one row: a look at each would take as long as all of it."""
    table = EmbeddingTable("items", 1)
    with torch.no_grad():
        table(torch.arange(400_000))
    table.published(table.change(all_rows=True))
    optimizer = RowSGD([table], 1.0)
    times = []
    for id in range(20):
        table(torch.tensor([id])).sum().backward()
        optimizer.step()
        begun = time.process_time()
        change = table.change()
        table.published(change)
        times.append(time.process_time() - begun)
        assert change.ids.tolist() == [id]
    begun = time.process_time()
    table.change(all_rows=True)
    assert sorted(times)[10] * 20 < time.process_time() - begun
