"""Embedding tables in a graph that is saved: what they have then, by operators that every runtime of torch has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from featdsl.torch.embedding_table import EmbeddingTable


class FrozenTable(torch.nn.Module):
    """Gives what an `EmbeddingTable` gives in evaluation. `ids` int64 [m] ascending, `rows` float32 [m + 1, width], the
    last of zeros, for ids that have none."""

    ids: torch.Tensor
    rows: torch.Tensor

    def __init__(self, table: EmbeddingTable) -> None:
        super().__init__()
        whole = table.change(all_rows=True)
        order = whole.ids.argsort()
        # Of an empty table one id, whose row is zeros as well.
        ids = torch.from_numpy(whole.ids[order]) if len(order) else torch.zeros(1, dtype=torch.int64)
        rows = torch.zeros(len(ids) + 1, table.width)
        rows[: len(order)] = torch.from_numpy(whole.rows[order])
        self.register_buffer("ids", ids)
        self.register_buffer("rows", rows)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        count = self.ids.shape[0]
        place = torch.searchsorted(self.ids, ids).clamp(max=count - 1)
        there = torch.embedding(self.ids.unsqueeze(1), place).squeeze(-1)
        return torch.embedding(self.rows, place.masked_fill(there != ids, count))


@contextlib.contextmanager
def frozen_tables(module: torch.nn.Module) -> Iterator[None]:
    """Within it the module has a `FrozenTable` in the place of each `EmbeddingTable`."""
    frozen: dict[EmbeddingTable, FrozenTable] = {}
    places = [
        (parent, name, child)
        for parent in list(module.modules())
        for name, child in parent._modules.items()
        if isinstance(child, EmbeddingTable)
    ]
    for parent, name, table in places:
        if table not in frozen:
            frozen[table] = FrozenTable(table)
        setattr(parent, name, frozen[table])
    try:
        yield
    finally:
        for parent, name, table in places:
            setattr(parent, name, table)
