"""Rows of a table on their way: what a chunk of a layer holds.

A chunk is a safetensors file (arrays and nothing else, so nothing in it runs when it is read) of `ids` int64 [n],
`rows` float32 [n, width] and `deleted` int64 [m]. It has no checksum of its own: it is known by that of its content.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

CHUNK_BYTES = 8 << 20

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]


def layer_chunks(ids: Ids, rows: Rows, deleted: Ids, most_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The chunks of a layer: `rows` [n, width] of `ids` [n], and the ids that have none any more. A layer without any
    row or deleted id is one chunk. Errors: `ValueError` for other shapes, and for a value that is not finite."""
    if rows.ndim != 2 or ids.shape != (len(rows),) or deleted.ndim != 1:
        raise ValueError(f"{ids.shape} ids, rows {rows.shape}, {deleted.shape} deleted ids")
    if not np.isfinite(rows).all():
        id = ids[~np.isfinite(rows).all(axis=1)][0]
        raise ValueError(f"the row of id {id} is not finite")
    a_row = 8 + rows.itemsize * rows.shape[1]
    by_rows = max(1, most_bytes // a_row)
    by_deleted = max(1, most_bytes // 8)
    begun = False
    for begin in range(0, len(ids), by_rows):
        some = slice(begin, begin + by_rows)
        fits = begin + by_rows >= len(ids) and len(deleted) <= by_deleted
        yield _chunk(ids[some], rows[some], deleted if fits else deleted[:0])
        begun = True
        if fits:
            return
    for begin in range(0, len(deleted), by_deleted):
        yield _chunk(ids[:0], rows[:0], deleted[begin : begin + by_deleted])
        begun = True
    if not begun:
        yield _chunk(ids, rows, deleted)


def read_chunk(data: bytes, width: int) -> tuple[Ids, Rows, Ids]:
    """The ids, rows and deleted ids of a chunk. Errors: `ValueError` for anything that `layer_chunks` did not write for
    a table of this width."""
    try:
        held = load(data)
    except (SafetensorError, KeyError, ValueError, OverflowError) as fault:
        raise ValueError(f"it does not read: {fault}") from fault
    if set(held) != {"ids", "rows", "deleted"}:
        raise ValueError(f"it holds {', '.join(sorted(held)) or 'nothing'}")
    ids, rows, deleted = held["ids"], held["rows"], held["deleted"]
    if ids.dtype != np.int64 or deleted.dtype != np.int64 or rows.dtype != np.float32:
        raise ValueError(f"it holds ids of {ids.dtype}, rows of {rows.dtype}, deleted ids of {deleted.dtype}")
    if ids.ndim != 1 or deleted.ndim != 1 or rows.shape != (len(ids), width):
        raise ValueError(f"it holds {ids.shape} ids and rows {rows.shape} for a table of width {width}")
    if not np.isfinite(rows).all():
        raise ValueError(f"the row of id {ids[~np.isfinite(rows).all(axis=1)][0]} is not finite")
    return ids, rows, deleted


def _chunk(ids: Ids, rows: Rows, deleted: Ids) -> bytes:
    arrays = {"ids": ids, "rows": rows, "deleted": deleted}
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
