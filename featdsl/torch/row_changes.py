"""What of a table others have not been told, and what they have: known at the cost of what has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import row_sums

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

_ALL = (1 << 128) - 1
_NONE = np.zeros(2, np.uint64)


@dataclass(frozen=True, slots=True)
class Held:
    """What others have of a table: how many rows, and the sum of their `engine.row_sums`, modulo 2^128. Tables with
    equal sums are equal, but for chance."""

    rows: int = 0
    sum: int = 0

    def without(self, hashes: Words) -> Held:
        """Less the rows with these hashes [n, 2]; a hash of 0 is none."""
        return Held(self.rows - _count(hashes), (self.sum - _sum(hashes)) & _ALL)

    def with_rows(self, hashes: Words) -> Held:
        return Held(self.rows + _count(hashes), (self.sum + _sum(hashes)) & _ALL)

    def words(self) -> tuple[int, int]:
        """The sum's low and high 64 bits, as the engine gives them."""
        return self.sum & ((1 << 64) - 1), self.sum >> 64


@dataclass(frozen=True, slots=True)
class _Gone:
    """An id without a row: since which round, and the hash of the row that others still have, 0 where they have none.
    They may have one all the same: what was sent may have arrived though nobody heard of it."""

    round: int
    hash: Words


class RowChanges:
    """By place: in which round a row was last touched (0: others have it as it is), by how much it has moved since they
    have it, and the hash of what they have. A round ends with each look at what there is to tell; so what is touched
    after the look is known from what was touched before it.
    """

    def __init__(self, places: int) -> None:
        self.held = Held()
        self._round = 1
        self._touched_in = np.zeros(places, np.int64)
        self._moved = np.zeros(places, np.float32)
        self._hashes = np.zeros((places, 2), np.uint64)
        self._list = np.zeros(64, np.int64)
        """Each place once whose row was touched, and some that are not any more; `_length` of it count."""
        self._length = 0
        self._is_listed = np.zeros(places, np.bool_)
        self._gone: dict[int, _Gone] = {}

    def grow(self, more: int) -> None:
        self._touched_in = np.pad(self._touched_in, (0, more))
        self._moved = np.pad(self._moved, (0, more))
        self._hashes = np.pad(self._hashes, ((0, more), (0, 0)))
        self._is_listed = np.pad(self._is_listed, (0, more))

    # --- what happens to rows -----------------------------------------------------------------------------

    def touch(self, places: Ids, by: Rows) -> None:
        """Rows at these places, each named once, have moved, by so much each."""
        fresh = places[~self._is_listed[places]]
        length = self._length + len(fresh)
        if length > len(self._list):
            self._list = np.resize(self._list, max(2 * len(self._list), length))
        self._list[self._length : length] = fresh
        self._length = length
        self._is_listed[fresh] = True
        self._touched_in[places] = self._round
        self._moved[places] += by

    def begin(self, ids: Ids, places: Ids, by: Rows) -> None:
        """These ids have a row now; others had another of it, or none."""
        self._hashes[places] = 0
        if self._gone:
            for id, place in zip(ids.tolist(), places.tolist(), strict=True):
                if (gone := self._gone.pop(id, None)) is not None:
                    self._hashes[place] = gone.hash
        self.touch(places, by)

    def end(self, ids: Ids, places: Ids) -> None:
        """These ids have no row any more, and their places may be another's."""
        hashes = self._hashes[places]
        for id, hash in zip(ids.tolist(), hashes, strict=True):
            self._gone[id] = _Gone(self._round, hash)
        self._touched_in[places] = 0
        self._moved[places] = 0.0
        self._hashes[places] = 0
        self._forget_told()

    # --- what there is to tell ----------------------------------------------------------------------------

    def close_round(self) -> int:
        """What is touched from now on is of the next round."""
        self._round += 1
        return self._round - 1

    def touched(self) -> Ids:
        """The places of rows that others have not as they are, each once."""
        self._forget_told()
        return self._list[: self._length].copy()

    def _forget_told(self) -> None:
        listed = self._list[: self._length]
        still = self._touched_in[listed] > 0
        self._is_listed[listed[~still]] = False
        listed = listed[still]
        self._list[: len(listed)] = listed
        self._length = len(listed)

    def are_told(self, places: Ids, gone: Ids) -> bool:
        """Whether others have the rows at these places as they are, and none of these ids."""
        return not self._touched_in[places].any() and not any(id in self._gone for id in gone.tolist())

    def moved(self, places: Ids) -> Rows:
        return self._moved[places]

    def gone(self) -> Ids:
        """The ids that others may have a row of, and the table has none."""
        return np.fromiter(self._gone, np.int64, len(self._gone))

    def held_after(self, places: Ids, hashes: Words, gone: Ids) -> Held:
        """What others have when they are told of rows with these hashes, and that these ids are gone."""
        deleted = _stacked([self._gone[id] for id in gone.tolist()])
        return self.held.without(self._hashes[places]).without(deleted).with_rows(hashes)

    def told(self, ids: Ids, places: Ids, hashes: Words, moved: Rows, until: int) -> None:
        """Others have rows of `ids` with these hashes, as they were at the end of round `until` when they had moved so
        much. `places`: where the rows are now, -1 of an id that has none any more."""
        there = places >= 0
        self._hold(places[there], hashes[there], moved[there], until)
        for id, hash in zip(ids[~there].tolist(), hashes[~there], strict=True):
            known = self._gone.get(id, _Gone(self._round, _NONE))
            self.held = self.held.without(known.hash[None]).with_rows(hash[None])
            self._gone[id] = _Gone(known.round, hash)
        self._forget_told()

    def _hold(self, places: Ids, hashes: Words, moved: Rows, until: int) -> None:
        self.held = self.held.without(self._hashes[places]).with_rows(hashes)
        self._hashes[places] = hashes
        as_told = self._touched_in[places] <= until
        self._touched_in[places[as_told]] = 0
        self._moved[places] = np.where(as_told, 0, np.maximum(self._moved[places] - moved, 0))

    def told_gone(self, ids: Ids, places: Ids, until: int) -> None:
        """Others have no rows of these, which had none at the end of round `until`. `places`: of those that have one
        again, else -1."""
        again = places[places >= 0]
        absent = [(id, self._gone[id]) for id in ids[places < 0].tolist() if id in self._gone]
        self.held = self.held.without(self._hashes[again]).without(_stacked([gone for _, gone in absent]))
        self._hashes[again] = 0
        for id, gone in absent:
            if gone.round <= until:
                del self._gone[id]
            else:
                self._gone[id] = _Gone(gone.round, _NONE)

    # --- checkpoints --------------------------------------------------------------------------------------

    def state(self, places: Ids) -> dict[str, Any]:
        """All of it, the rows at these places in this order, in arrays that torch knows."""
        return {
            "touched_in": self._touched_in[places],
            "moved": self._moved[places],
            "hashes": self._hashes[places].view(np.int64),
            "gone": {id: (gone.round, *gone.hash.tolist()) for id, gone in self._gone.items()},
            "round": self._round,
            "held": (self.held.rows, *self.held.words()),
        }

    def restore(self, state: dict[str, Any], places: Ids) -> None:
        self._touched_in[:], self._moved[:], self._hashes[:] = 0, 0.0, 0
        self._touched_in[places] = state["touched_in"]
        self._moved[places] = state["moved"]
        self._hashes[places] = state["hashes"].view(np.uint64)
        self._gone = {
            id: _Gone(round, np.array(hash, np.uint64)) for id, (round, *hash) in state["gone"].items()
        }
        self._round = state["round"]
        rows, low, high = state["held"]
        self.held = Held(rows, low | high << 64)
        self._is_listed = self._touched_in > 0
        self._list = np.flatnonzero(self._is_listed)
        self._length = len(self._list)


def hashes_of(ids: Ids, rows: Rows) -> Words:
    """The hash of each id with its row, [n, 2]."""
    return row_sums(ids, np.ascontiguousarray(rows)).reshape(-1, 2)


def _count(hashes: Words) -> int:
    return int(hashes.any(axis=1).sum())


def _sum(hashes: Words) -> int:
    """Of 128-bit numbers: by halves of their words, whose sums no 64 bits overflow."""
    halves = (hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32))
    (low, high), (low_upper, high_upper) = (half.sum(axis=0).tolist() for half in halves)
    return int(low + (low_upper << 32) + (high << 64) + (high_upper << 96)) & _ALL


def _stacked(gone: list[_Gone]) -> Words:
    return np.array([one.hash for one in gone], np.uint64).reshape(-1, 2)
