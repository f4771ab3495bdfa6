"""An operator that reads embedding tables which a graph does not hold: the same graph for all versions of its tables.

`featdsl::rows(table, ids, width)` gives float32 [..., width] of int64 ids [...], zeros of an id that has no row. It
reads the tables that its thread has `pinned`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.fx import GraphModule

from engine import Snapshot

_LIBRARY: Any = torch.library.Library("featdsl", "FRAGMENT")  # type: ignore[no-untyped-call]
"""An operator is there as long as this is."""
_LIBRARY.define("rows(str table, Tensor ids, int width) -> Tensor")

ROWS: Any = torch.ops.featdsl.rows.default


class _Pinned(threading.local):
    tables: Mapping[str, Snapshot] | None = None


_pinned = _Pinned()


@contextlib.contextmanager
def pinned(tables: Mapping[str, Snapshot]) -> Iterator[None]:
    """Within it graphs that this thread runs read these versions of tables."""
    before, _pinned.tables = _pinned.tables, tables
    try:
        yield
    finally:
        _pinned.tables = before


def tables_read(module: GraphModule) -> dict[str, int]:
    """The width of each table that a graph reads."""
    return {str(node.args[0]): int(node.args[2]) for node in module.graph.nodes if node.target is ROWS}


def _gathered(table: str, ids: torch.Tensor, width: int) -> torch.Tensor:
    tables = _pinned.tables
    if tables is None or table not in tables:
        raise RuntimeError(f"no version of the table {table} is pinned")
    _check(ids)
    rows = torch.empty(ids.numel(), width)
    tables[table].gather(ids.contiguous().view(-1).numpy(), rows.numpy())
    return rows.view(*ids.shape, width)


def _shaped(table: str, ids: torch.Tensor, width: int) -> torch.Tensor:
    _check(ids)
    return ids.new_empty((*ids.shape, width), dtype=torch.float32)


def _check(ids: torch.Tensor) -> None:
    if ids.dtype is not torch.int64:
        raise TypeError(f"ids of an embedding table are int64: {ids.dtype}")


_LIBRARY.impl("rows", _gathered, "CPU")
torch.library.register_fake("featdsl::rows", _shaped, lib=_LIBRARY)
