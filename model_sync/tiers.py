"""Keeps the stack of a table's layers low, at no cost to servers that have it: layers become one that says the same.

Of `MERGED` layers of one tier one of the next is made, with the rows of all, as they are now. So a row is written again
a few times in all, a stack of thousands of changes has some dozens of layers, and a server that follows finds in
the new stack the very state that it has (`TableState`), and goes on from there. When the layers hold more rows than the
table, all become a new anchor in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from model_sync.layer_file import Ids, Rows, layer_chunks
from model_sync.table_stack import Chunk, Layer, TableEntry, TableState, joined

MERGED = 8


class ToldTable(Protocol):
    """What is read of a `featdsl.torch.EmbeddingTable`."""

    @property
    def told(self) -> TableState: ...
    def as_told(self, ids: Ids | None) -> tuple[Ids, Rows, Ids] | None: ...


@dataclass(frozen=True, slots=True)
class Merge:
    """What may take the place of a stack's upper layers: of the anchor and those above it `keeps` stay, and on them
    lies `layer`, with this process's part of the rows. `ids`: which it has told in it."""

    keeps: int
    layer: Layer
    tier: int = 0
    ids: Ids | None = None

    def to_json(self) -> dict[str, Any]:
        return {"keeps": self.keeps, "layer": self.layer.to_json()}

    @staticmethod
    def from_json(data: Any) -> Merge:
        """Errors: `ValueError`, `KeyError` or `TypeError` for anything that `to_json` does not write."""
        return Merge(int(data["keeps"]), Layer.from_json(data["layer"]))


class Tiers:
    """Of the layers above a table's anchor: the tier of each, and the ids that this process has told in it."""

    def __init__(self) -> None:
        self._tiers: list[int] = []
        self._ids: list[Ids] = []

    def follow(
        self, before: TableEntry | None, now: TableEntry, told: Iterable[Ids], merge: Merge | None
    ) -> None:
        """HEAD has moved from a version with the one stack to a version with the other; this process has told these
        ids. `merge`: what it had offered."""
        if before is None or len(now.layers) == 1:
            self._tiers, self._ids = [], []
        elif now.layers != before.layers:
            if merge is not None and merge.ids is not None and len(now.layers) == merge.keeps + 2:
                stay = max(merge.keeps - 1, 0)
                self._tiers, self._ids = self._tiers[:stay], self._ids[:stay]
                if merge.keeps:
                    self._tiers.append(merge.tier)
                    self._ids.append(merge.ids)
            self._tiers.append(0)
            self._ids.append(np.concatenate(list(told)))

    def merge(self, entry: TableEntry, table: ToldTable, put_chunk: Callable[[bytes], Chunk]) -> Merge | None:
        """What may take the place of layers of `entry`, its chunks put, if it is time for that and the rows that it
        needs are as they were told."""
        if sum(layer.rows + layer.deleted for layer in entry.layers[1:]) > entry.state.rows:
            keeps, tier, ids = 0, 0, None
        else:
            begin, tier = self._due()
            if not tier:
                return None
            keeps, ids = begin + 1, np.unique(np.concatenate(self._ids[begin:]))
        found = table.as_told(ids)
        if found is None:
            return None
        there, rows, gone = found
        chunks = tuple(put_chunk(data) for data in layer_chunks(there, rows, gone))
        layer = Layer(len(there), len(gone), chunks, table.told)
        return Merge(keeps, layer, tier, there[:0] if ids is None else ids)

    def _due(self) -> tuple[int, int]:
        """From which layer above the anchor on all become one, and of which tier that is; tier 0: none do."""
        begin, tier, made = len(self._tiers), 0, 0
        while True:
            below = begin
            while below and self._tiers[below - 1] == tier:
                below -= 1
            if begin - below + made < MERGED:
                return begin, tier
            begin, tier, made = below, tier + 1, 1


def merged(entry: TableEntry, merges: Sequence[Merge | None]) -> TableEntry:
    """The stack with the upper layers as one, if all processes of the job have their part of that, and it says what
    the stack says; else as it is."""
    parts = [merge for merge in merges if merge is not None]
    if len(parts) < len(merges) or len({part.keeps for part in parts}) != 1:
        return entry
    layer = joined([part.layer for part in parts])
    if layer.after != entry.state:
        return entry
    return TableEntry(entry.width, (*entry.layers[: parts[0].keeps], layer))
