"""What stands for an `EmbeddingTable` in a graph that is saved: it gives what that gives in evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from featdsl.errors import InputError
from featdsl.torch.embedding_table import EmbeddingTable
from featdsl.torch.table_rows import ROWS


class FrozenTable(torch.nn.Module):
    """The rows that it has then, as parameters of the graph, by operators that every runtime of torch has. `ids` int64
    [m] ascending, `rows` float32 [m + 1, width], the last of zeros, for ids that have none."""

    ids: torch.Tensor
    rows: torch.Tensor

    def __init__(self, ids: npt.NDArray[np.int64], rows: npt.NDArray[np.float32]) -> None:
        """`ids` [m] ascending and their rows [m, width]."""
        super().__init__()
        # Of an empty table one id, whose row is zeros as well.
        known = torch.from_numpy(ids) if len(ids) else torch.zeros(1, dtype=torch.int64)
        values = torch.zeros(len(known) + 1, rows.shape[1])
        values[: len(ids)] = torch.from_numpy(rows)
        self.register_buffer("ids", known)
        self.register_buffer("rows", values)

    @staticmethod
    def of(table: EmbeddingTable) -> FrozenTable:
        whole = table.change(all_rows=True)
        order = whole.ids.argsort()
        return FrozenTable(whole.ids[order], whole.rows[order])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        count = self.ids.shape[0]
        place = torch.searchsorted(self.ids, ids).clamp(max=count - 1)
        there = torch.embedding(self.ids.unsqueeze(1), place).squeeze(-1)
        return torch.embedding(self.rows, place.masked_fill(there != ids, count))


class TableApart(torch.nn.Module):
    """The rows of a version of the table that lies beside the graph."""

    def __init__(self, table: EmbeddingTable) -> None:
        super().__init__()
        self.name = table.name
        self.width = table.width

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = ROWS(self.name, ids, self.width)
        return rows


@contextlib.contextmanager
def stand_ins(
    module: torch.nn.Module, made_of: Callable[[EmbeddingTable], torch.nn.Module]
) -> Iterator[None]:
    """Within it the module has one in the place of each `EmbeddingTable`."""
    made: dict[EmbeddingTable, torch.nn.Module] = {}
    places = [
        (parent, name, child)
        for parent in list(module.modules())
        for name, child in parent._modules.items()
        if isinstance(child, EmbeddingTable)
    ]
    for parent, name, table in places:
        if table not in made:
            made[table] = made_of(table)
        setattr(parent, name, made[table])
    try:
        yield
    finally:
        for parent, name, table in places:
            setattr(parent, name, table)


def tables_of(module: torch.nn.Module) -> list[EmbeddingTable]:
    """The tables of a module, each once."""
    return [child for child in module.modules() if isinstance(child, EmbeddingTable)]


def tables_by_name(module: torch.nn.Module) -> dict[str, EmbeddingTable]:
    """The tables of a module. Errors: `InputError` for two of one name."""
    found: dict[str, EmbeddingTable] = {}
    for table in tables_of(module):
        if table.name in found:
            raise InputError(
                f"two tables have one name: {table.name}", help="each table of a module has its own"
            )
        found[table.name] = table
    return found
