"""Tables of a saved model, as their layers on disk and as versions in memory: see `model_sync/table_stack.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine import Snapshot, SnapshotTable, row_sums
from featdsl.errors import InputError
from featdsl.steps import step
from featdsl.torch.embedding_table import EmbeddingTable
from model_sync.layer_file import Ids, Rows, layer_chunks, read_chunk
from model_sync.table_stack import LAYERS, Chunk, Layer, TableEntry, TableState, write_tables
from model_sync.version import digest_of

_SUMMED_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class ResidentTable:
    """A table of a version in memory. `applied`: how many rows were written or deleted to make it of what was there."""

    rows: Snapshot
    applied: int

    @property
    def state(self) -> TableState:
        """What it is: versions of a table with equal states have equal rows."""
        return TableState.of(self.rows.rows, self.rows.sum)


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
                sha256 = digest_of(data)
                (folder / LAYERS / sha256).write_bytes(data)
                chunks.append(Chunk(len(data), sha256))
        except ValueError as fault:
            raise InputError(f"the table {table.name} is not saved: {fault}") from fault
        layer = Layer(len(ids), 0, tuple(chunks), TableState.of(len(ids), _sum_of(ids, rows)))
        entries[table.name] = TableEntry(table.width, (layer,))
    write_tables(folder, entries)


def resident_table(
    name: str, entry: TableEntry, folder: Path, residents: Sequence[ResidentTable] = ()
) -> ResidentTable:
    """The table of a version in `folder`. Of `residents`, other versions of it, it is made of the one that is what most
    of its layers make, whatever that was made of, and if there is none of the last one's rows, where they are the same.
    Errors: `InputError` for a layer that is not what `entry` says, and says which."""
    count = len(entry.layers)
    known = {one.state: one.rows for one in residents}
    begin = next((n for n in range(count, 0, -1) if entry.layers[n - 1].after in known), 0)
    if begin:
        rows = known[entry.layers[begin - 1].after]
    elif residents:
        rows = residents[-1].rows
    else:
        rows = SnapshotTable(entry.width).empty()
    applied = 0
    for number, layer in enumerate(entry.layers[begin:], begin + 1):
        try:
            rows, written = (_anchored if number == 1 else _with_layer)(rows, layer, entry.width, folder)
        except (ValueError, OSError) as fault:
            raise InputError(f"the table {name} does not load: layer {number} of {count}: {fault}") from fault
        applied += written
    return ResidentTable(rows, applied)


def _with_layer(rows: Snapshot, layer: Layer, width: int, folder: Path) -> tuple[Snapshot, int]:
    """The rows and a layer on them, and how many ids that wrote or deleted. Errors: `ValueError`, `OSError`."""
    for ids, values, gone in _read(layer, width, folder):
        rows = rows.table.apply(rows, ids, values, gone)
    _check_state(rows, layer)
    return rows, layer.rows + layer.deleted


def _anchored(rows: Snapshot, layer: Layer, width: int, folder: Path) -> tuple[Snapshot, int]:
    """What a layer has that says all rows, and how many ids were written or deleted to make it of other rows: those
    that are the same stay where they are, once in memory. Errors: `ValueError`, `OSError`."""
    held, written, all_ids = rows.rows > 0, 0, []
    for ids, values, gone in _read(layer, width, folder):
        if held:
            all_ids.append(ids)
            other = _other(rows, ids, values)
            ids, values = ids[other], values[other]
        rows = rows.table.apply(rows, ids, values, gone)
        written += len(ids) + len(gone)
    if rows.rows != layer.after.rows and all_ids:
        held_ids = rows.ids()
        gone = held_ids[~np.isin(held_ids, np.concatenate(all_ids))]
        rows = rows.table.apply(rows, gone[:0], np.empty((0, width), np.float32), gone)
        written += len(gone)
    _check_state(rows, layer)
    return rows, written


def _other(rows: Snapshot, ids: Ids, values: Rows) -> npt.NDArray[np.bool_]:
    """Which values are not, to the bit, what an id has. Zeros count as other: an id without a row reads as them."""
    held = np.empty_like(values)
    rows.gather(ids, held)
    words = values.view(np.uint32)
    other: npt.NDArray[np.bool_] = (held.view(np.uint32) != words).any(axis=1) | ~words.any(axis=1)
    return other


def _check_state(rows: Snapshot, layer: Layer) -> None:
    """Errors: `ValueError`."""
    state = TableState.of(rows.rows, rows.sum)
    if state.rows != layer.after.rows:
        raise ValueError(f"the table has {state.rows} rows after it, not {layer.after.rows}")
    if state.sum != layer.after.sum:
        raise ValueError(f"the sum of the table's rows after it is {state.sum}, not {layer.after.sum}")


def _read(layer: Layer, width: int, folder: Path) -> Iterator[tuple[Ids, Rows, Ids]]:
    """What its chunks hold. Errors: `ValueError`, `OSError`."""
    written = deleted = 0
    for chunk in layer.chunks:
        data = (folder / LAYERS / chunk.sha256).read_bytes()
        step()
        if len(data) != chunk.size or digest_of(data) != chunk.sha256:
            raise ValueError(f"the checksum of a chunk is wrong: {chunk.sha256}")
        try:
            held = read_chunk(data, width)
        except ValueError as fault:
            raise ValueError(f"{fault} (chunk {chunk.sha256})") from fault
        written += len(held[0])
        deleted += len(held[2])
        step()
        yield held
        step()
    if (written, deleted) != (layer.rows, layer.deleted):
        raise ValueError(
            f"it has {written} rows and {deleted} deleted ids, not {layer.rows} and {layer.deleted}"
        )


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
