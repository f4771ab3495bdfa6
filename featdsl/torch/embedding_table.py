"""Embeddings by 64-bit id: a row an id, whatever ids come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine import IdIndex
from featdsl.torch.row_changes import Held, RowChanges, hashes_of
from model_sync.table_stack import TableState

_FIRST_ROWS = 1024
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class TableChange:
    """What became of a table's rows since it was last published: `rows` float32 [n, width] of `ids` int64 [n] in order,
    as they are now, and ids that have none any more. `change` float32 [n]: by how much a row's values have moved, the
    sum of all steps' absolute values, from zeros on for a row that others have not had. `whole`: it is all that
    the table has. `after`: what others have who take it; if it is whole, in the place of all that they had. `hashes`, a
    row's [n, 2], and `until`: for `EmbeddingTable.published`, which is told once others have it."""

    ids: npt.NDArray[np.int64]
    rows: npt.NDArray[np.float32]
    change: npt.NDArray[np.float32]
    deleted: npt.NDArray[np.int64]
    after: TableState
    whole: bool
    hashes: npt.NDArray[np.uint64]
    until: int


@dataclass(slots=True)
class Beside:
    """What an optimizer keeps for each row, `values` [places, …]; of a new row `initial`."""

    values: torch.Tensor
    initial: float


@dataclass(slots=True)
class Looked:
    """The rows that a forward pass took, which gradients are collected in: `values` [m, width] of places [m]."""

    places: torch.Tensor
    values: torch.Tensor


class EmbeddingTable(torch.nn.Module):
    """A table of `width` float32 an id: no two ids share a row, and the table grows with the ids that it has seen.

    `forward` takes int64 ids of any shape and gives their rows, [..., width]. In training, an id is counted, and gets
    its row when it has been seen `admit_after` times: rows of ids that hardly ever come would be noise that everybody
    has to hold. Until then, and in evaluation where it has no row, it is zeros. A new row is uniform in ±`scale`, drawn
    from `seed` and the id alone: it does not depend on who sees an id first.

    Rows are no `nn.Parameter`: a step of an optimizer of `featdsl.torch.row_optimizers` touches those that a pass has
    looked at and no others. One process trains it.

    Errors: `ValueError` for a width below 1, `admit_after` below 1, or ids that are floats, which many ids would share.
    """

    def __init__(
        self, name: str, width: int, *, admit_after: int = 1, scale: float = 0.01, seed: int = 0
    ) -> None:
        super().__init__()
        if width < 1 or admit_after < 1:
            raise ValueError(f"a table's width and admit_after are 1 and more: {width}, {admit_after}")
        self.name = name
        self.width = width
        self._admit_after = admit_after
        self._scale = scale
        self._seed = seed
        self._index = IdIndex()
        self._ids = np.zeros(_FIRST_ROWS, np.int64)
        self._seen = np.zeros(_FIRST_ROWS, np.int64)
        self._seen_at = np.zeros(_FIRST_ROWS, np.int64)
        self._changes = RowChanges(_FIRST_ROWS)
        self._count = 0
        self.rows = torch.zeros(_FIRST_ROWS, width)
        self._beside: list[Beside] = []
        self._looked: list[Looked] = []
        self._clock = 1

    # --- looking up ---------------------------------------------------------------------------------------

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        if ids.is_floating_point():
            raise ValueError(
                f"ids of the table `{self.name}` are int64, not {str(ids.dtype).removeprefix('torch.')}"
            )
        distinct, inverse = torch.unique(ids.reshape(-1), return_inverse=True)
        places = self._admit(distinct, inverse) if self.training else self._find(distinct)
        there = places >= 0
        values = torch.zeros(len(distinct), self.width)
        values[there] = self.rows[places[there]]
        if self.training and torch.is_grad_enabled():
            values.requires_grad_(True)
            self._looked.append(Looked(places, values))
        return values[inverse].reshape(*ids.shape, self.width)

    def _find(self, distinct: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._with_rows(distinct.numpy()))

    def _admit(self, distinct: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
        """Counts ids, gives those a row that have come often enough."""
        ids = distinct.numpy()
        places = self._index.add(ids)
        self._grow(self._index.places)
        before = self._seen[places]
        self._ids[places] = ids
        self._seen[places] = before + torch.bincount(inverse, minlength=len(ids)).numpy()
        self._seen_at[places] = self._clock
        admitted = self._seen[places] >= self._admit_after
        new = admitted & (before < self._admit_after)
        if new.any():
            rows = self.first_rows(ids[new])
            self.rows[places[new]] = rows
            for beside in self._beside:
                beside.values[places[new]] = beside.initial
            self._changes.begin(ids[new], places[new], rows.abs().sum(1).numpy())
            self._count += len(rows)
        return torch.from_numpy(np.where(admitted, places, -1))

    def first_rows(self, ids: npt.NDArray[np.int64]) -> torch.Tensor:
        """What rows of ids begin as: splitmix64 of the seed, the id and the column, its upper 24 bits as a number."""
        with np.errstate(over="ignore"):
            start = _mixed(ids.astype(np.uint64) ^ _mixed(np.full(1, self._seed, np.uint64)))
            columns = np.arange(1, self.width + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
            bits = _mixed(start[:, None] + columns) >> np.uint64(40)
        unit = bits.astype(np.float64) / (1 << 23) - 1.0
        return torch.from_numpy((unit * self._scale).astype(np.float32))

    def _grow(self, places: int) -> None:
        size = len(self._ids)
        if places <= size:
            return
        while size < places:
            size *= 2
        more = size - len(self._ids)
        self._ids = np.pad(self._ids, (0, more))
        self._seen = np.pad(self._seen, (0, more))
        self._seen_at = np.pad(self._seen_at, (0, more))
        self._changes.grow(more)
        self.rows = torch.cat([self.rows, torch.zeros(more, self.width)])
        for beside in self._beside:
            new = beside.values.new_full((more, *beside.values.shape[1:]), beside.initial)
            beside.values = torch.cat([beside.values, new])

    # --- training -----------------------------------------------------------------------------------------

    def gradients(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """What passes since the last call have found, those of one row together: places [m] and gradients [m, width].
        For optimizers; what is given is forgotten."""
        looked, self._looked = self._looked, []
        with_rows = [
            (one.places[one.places >= 0], one.values.grad[one.places >= 0])
            for one in looked
            if one.values.grad is not None
        ]
        if not with_rows:
            return
        places, which = torch.unique(torch.cat([p for p, _ in with_rows]), return_inverse=True)
        sums = torch.zeros(len(places), self.width).index_add_(0, which, torch.cat([g for _, g in with_rows]))
        yield places, sums

    def keep_beside(self, *shape: int, initial: float = 0.0) -> Beside:
        """Room for what an optimizer keeps for each row, by place; the table makes it longer, and anew for new rows."""
        made = Beside(torch.full((len(self.rows), *shape), initial), initial)
        self._beside.append(made)
        return made

    def move(self, places: torch.Tensor, by: torch.Tensor) -> None:
        """Adds to rows, once each, and notes that they have changed. For optimizers."""
        self.rows[places] += by
        self._changes.touch(places.numpy(), by.abs().sum(1).numpy())

    def tick(self) -> None:
        """A step of training is over: ids get older."""
        self._clock += 1

    def evict(self, unseen_for: int) -> int:
        """Forgets ids that no training pass of the last `unseen_for` steps has looked at, with their rows and counts;
        to be called between steps. Returns how many had a row."""
        held = self._held()
        old = held[self._clock - self._seen_at[held] > unseen_for]
        had_rows = old[self._seen[old] >= self._admit_after]
        self._changes.end(self._ids[had_rows], had_rows)
        self._count -= len(had_rows)
        self._index.forget(self._ids[old])
        self._seen[old] = 0
        return len(had_rows)

    def _held(self) -> npt.NDArray[np.int64]:
        """The places of all ids."""
        places = np.arange(self._index.places)
        return places[self._seen[places] > 0]

    # --- publishing ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many ids have a row."""
        return self._count

    @property
    def told(self) -> TableState:
        """What others have, after all that `published` was told of."""
        return _state(self._changes.held)

    def touched(self) -> int:
        """How many rows others have not as they are, those that they have and the table has not among them."""
        return len(self._changes.touched()) + len(self._changes.gone())

    def change(self, *, all_rows: bool = False, most_rows: int | None = None) -> TableChange:
        """What has changed since it was last published, at the cost of that; or all that it has. Nothing is forgotten
        by this. Of more than `most_rows` changed rows those that have moved the most; the others stay changed."""
        until = self._changes.close_round()
        if all_rows:
            places = self._held()
            places = places[self._seen[places] >= self._admit_after]
        else:
            places = self._changes.touched()
            if most_rows is not None and len(places) > most_rows:
                by_movement = np.argsort(-self._changes.moved(places), kind="stable")
                places = places[by_movement[:most_rows]]
        places = places[np.argsort(self._ids[places])]
        ids, rows, gone = self._ids[places], self.rows[torch.from_numpy(places)].numpy(), self._changes.gone()
        hashes = hashes_of(ids, rows)
        after = Held().with_rows(hashes) if all_rows else self._changes.held_after(places, hashes, gone)
        moved = self._changes.moved(places)
        return TableChange(ids, rows, moved, gone, _state(after), all_rows, hashes, until)

    def published(self, change: TableChange) -> None:
        """Others have these rows, as they were then; what has been touched since is still to be told."""
        changes = self._changes
        changes.told(change.ids, self._with_rows(change.ids), change.hashes, change.change, change.until)
        changes.told_gone(change.deleted, self._with_rows(change.deleted), change.until)

    def as_told(
        self, ids: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.int64]] | None:
        """Of these ids, or all: those with a row, the rows, and those without; all as others have them, or nothing."""
        if ids is None:
            if self.touched():
                return None
            ids = self._ids[self._held()]
            ids = np.sort(ids[self._with_rows(ids) >= 0])
        places = self._with_rows(ids)
        there = places >= 0
        if not self._changes.are_told(places[there], ids[~there]):
            return None
        return ids[there], self.rows[torch.from_numpy(places[there])].numpy(), ids[~there]

    def _with_rows(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The places of ids, -1 of one that has no row."""
        places = self._index.find(ids)
        return np.where((places >= 0) & (self._seen[places] >= self._admit_after), places, -1)

    # --- checkpoints --------------------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """All that training goes on from, what optimizers keep among it: part of `state_dict`."""
        held = torch.from_numpy(self._held())
        by_place = {name: torch.from_numpy(values)[held] for name, values in self._by_place().items()}
        return {
            **by_place,
            "rows": self.rows[held],
            "beside": [beside.values[held] for beside in self._beside],
            "changes": {name: _tensor(value) for name, value in self._changes.state(held.numpy()).items()},
            "clock": self._clock,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Takes the place of all that the table has. Optimizers are made before, as they were when it was saved.
        Errors: `ValueError` for a table of another width, or optimizers that keep something else."""
        kept = [beside.values.shape[1:] for beside in self._beside]
        if state["rows"].shape[1] != self.width or [b.shape[1:] for b in state["beside"]] != kept:
            raise ValueError(f"the table {self.name} was saved with another width or for other optimizers")
        self._index = IdIndex()
        places = self._index.add(state["_ids"].numpy())
        self._grow(self._index.places)
        for name, values in self._by_place().items():
            values[:] = 0
            values[places] = state[name].numpy()
        self.rows[places] = state["rows"]
        for beside, values in zip(self._beside, state["beside"], strict=True):
            beside.values[places] = values
        self._changes.restore({name: _array(value) for name, value in state["changes"].items()}, places)
        self._count = int((self._seen >= self._admit_after).sum())
        self._clock = state["clock"]
        self._looked = []

    def __deepcopy__(self, memo: dict[int, Any]) -> EmbeddingTable:
        """A table that goes on by itself, as modules have it; with the optimizer copied in one go, that as well."""
        made = EmbeddingTable(
            self.name, self.width, admit_after=self._admit_after, scale=self._scale, seed=self._seed
        ).train(self.training)
        memo[id(self)] = made
        for beside in self._beside:
            memo[id(beside)] = made.keep_beside(*beside.values.shape[1:], initial=beside.initial)
        made.set_extra_state(self.get_extra_state())
        return made

    def _by_place(self) -> dict[str, npt.NDArray[Any]]:
        names = ("_ids", "_seen", "_seen_at")
        return {name: getattr(self, name) for name in names}


def _state(held: Held) -> TableState:
    return TableState.of(held.rows, held.words())


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _array(value: Any) -> Any:
    return value.numpy() if isinstance(value, torch.Tensor) else value


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of splitmix64 (Steele, Lea and Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
