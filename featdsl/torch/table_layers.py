"""Tables of a saved model, as their layers on disk and as versions in memory: see `model_sync/table_stack.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine import Snapshot, SnapshotTable, row_sums
from featdsl.errors import InputError
from featdsl.torch.embedding_table import EmbeddingTable
from model_sync.layer_file import Ids, Rows, layer_chunks, read_chunk
from model_sync.table_stack import LAYERS, Chunk, Layer, TableEntry, TableState, write_tables

_SUMMED_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class ResidentTable:
    """A table of a version in memory. `keys`: of what it is made of, see `TableEntry.keys`; `applied`: how many rows
    were written or deleted to make it of what was there."""

    keys: tuple[str, ...]
    rows: Snapshot
    applied: int


def write_anchors(folder: Path, tables: Iterable[EmbeddingTable]) -> None:
    """Writes all rows of the tables beside a saved model, a layer each, in the order of their ids: what does not change
    makes the same chunks. Errors: `InputError` for a value that is not finite."""
    (folder / LAYERS).mkdir()
    entries = {}
    for table in tables:
        whole = table.change(all_rows=True)
        order = whole.ids.argsort()
        ids, rows = whole.ids[order], whole.rows[order]
        chunks = []
        try:
            for data in layer_chunks(ids, rows, ids[:0]):
                sha256 = hashlib.sha256(data).hexdigest()
                (folder / LAYERS / sha256).write_bytes(data)
                chunks.append(Chunk(len(data), sha256))
        except ValueError as fault:
            raise InputError(f"the table {table.name} is not saved: {fault}") from fault
        layer = Layer(len(ids), 0, tuple(chunks), TableState.of(len(ids), _sum_of(ids, rows)))
        entries[table.name] = TableEntry(table.width, (layer,))
    write_tables(folder, entries)


def resident_table(
    name: str, entry: TableEntry, folder: Path, residents: Iterable[ResidentTable] = ()
) -> ResidentTable:
    """The table of a version in `folder`. Of `residents`, other versions of it, it is made of the one that has most of
    its layers and nothing else. Errors: `InputError` for a layer that is not what `entry` says, and says which."""
    keys = tuple(entry.keys())
    known = {one.keys: one for one in residents}
    below = next((known[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in known), None)
    rows = below.rows if below is not None else SnapshotTable(entry.width).empty()
    begin = len(below.keys) if below is not None else 0
    applied = 0
    for number, layer in enumerate(entry.layers[begin:], begin + 1):
        try:
            rows = _with_layer(rows, layer, entry.width, folder)
        except (ValueError, OSError) as fault:
            raise InputError(
                f"the table {name} does not load: layer {number} of {len(keys)}: {fault}"
            ) from fault
        applied += layer.rows + layer.deleted
    return ResidentTable(keys, rows, applied)


def _with_layer(rows: Snapshot, layer: Layer, width: int, folder: Path) -> Snapshot:
    """Errors: `ValueError`, `OSError`."""
    written = deleted = 0
    for ids, values, gone in _read(layer, width, folder):
        rows = rows.table.apply(rows, ids, values, gone)
        written += len(ids)
        deleted += len(gone)
    if (written, deleted) != (layer.rows, layer.deleted):
        raise ValueError(
            f"it has {written} rows and {deleted} deleted ids, not {layer.rows} and {layer.deleted}"
        )
    state = TableState.of(rows.rows, rows.sum)
    if state.rows != layer.after.rows:
        raise ValueError(f"the table has {state.rows} rows after it, not {layer.after.rows}")
    if state.sum != layer.after.sum:
        raise ValueError(f"the sum of the table's rows after it is {state.sum}, not {layer.after.sum}")
    return rows


def _read(layer: Layer, width: int, folder: Path) -> Iterator[tuple[Ids, Rows, Ids]]:
    for chunk in layer.chunks:
        data = (folder / LAYERS / chunk.sha256).read_bytes()
        if len(data) != chunk.size or hashlib.sha256(data).hexdigest() != chunk.sha256:
            raise ValueError(f"the checksum of a chunk is wrong: {chunk.sha256}")
        try:
            yield read_chunk(data, width)
        except ValueError as fault:
            raise ValueError(f"{fault} (chunk {chunk.sha256})") from fault


def _sum_of(ids: npt.NDArray[np.int64], rows: npt.NDArray[np.float32]) -> tuple[int, int]:
    """What `Snapshot.sum` is of these rows."""
    total = 0
    for begin in range(0, len(ids), _SUMMED_ROWS):
        some = slice(begin, begin + _SUMMED_ROWS)
        words = row_sums(ids[some], rows[some])
        low, high = words[::2], words[1::2]
        total += int((low & 0xFFFFFFFF).sum()) + (int((low >> np.uint64(32)).sum()) << 32)
        total += int(high.sum()) << 64  # what runs over is above 2^128
    return total & (2**64 - 1), total >> 64 & (2**64 - 1)
