"""Reading what `feat dataset` wrote."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import IterableDataset, get_worker_info

from featdsl.errors import InputError

Batch = dict[str, torch.Tensor]


class Dataset(IterableDataset[Batch]):
    """Batches of a dataset: a dict of tensors by column, inputs and labels ([n] or [n, k]).

    `columns`: which, by default all that are numbers. `where`: keeps the rows with `low <= column < high`, as
    (column, low, high) with None for an open end; it splits by time. `shuffle_seed`: None keeps the order of
    the files; else row groups and their rows are shuffled, differently each epoch (`epoch` counts them).
    Workers of a `DataLoader` (use `batch_size=None` there) share the row groups. Errors: `InputError` for a
    folder that is no dataset, or one of another program when `fingerprint` is given.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        batch_size: int = 1024,
        columns: list[str] | None = None,
        where: tuple[str, int | float | None, int | float | None] | None = None,
        shuffle_seed: int | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.files = _files(Path(path))
        schema = pq.read_schema(self.files[0])
        metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        self.fingerprint = metadata.get("featdsl.fingerprint", "")
        if fingerprint is not None and fingerprint != self.fingerprint:
            raise InputError(
                f"the dataset is of another feature program: {path}",
                help="make it anew with `feat dataset`",
            )
        self.columns = columns if columns is not None else [f.name for f in schema if _is_numeric(f.type)]
        for name in self.columns:
            if name not in schema.names:
                raise InputError(
                    f"the dataset has no such column: {name}", help=f"it has: {', '.join(schema.names)}"
                )
        self.batch_size = batch_size
        self.where = where
        self.shuffle_seed = shuffle_seed
        self.epoch = 0

    def __iter__(self) -> Iterator[Batch]:
        groups = [(f, g) for f in self.files for g in range(pq.ParquetFile(f).num_row_groups)]
        shuffle = None
        if self.shuffle_seed is not None:
            shuffle = random.Random(self.shuffle_seed * 1_000_003 + self.epoch)
            shuffle.shuffle(groups)
            self.epoch += 1
        worker = get_worker_info()
        if worker is not None:
            groups = groups[worker.id :: worker.num_workers]
        held: list[dict[str, np.ndarray]] = []
        for file, group in groups:
            block = self._read(file, group, shuffle)
            if held:
                block = {n: np.concatenate([held[0][n], block[n]]) for n in self.columns}
                held = []
            rows = len(block[self.columns[0]]) if self.columns else 0
            whole = rows - rows % self.batch_size
            for start in range(0, whole, self.batch_size):
                yield _tensors(block, start, start + self.batch_size)
            if whole < rows:
                held = [{n: a[whole:] for n, a in block.items()}]
        if held:
            yield _tensors(held[0], 0, len(held[0][self.columns[0]]))

    def _read(self, file: Path, group: int, shuffle: random.Random | None) -> dict[str, np.ndarray]:
        wanted = list(dict.fromkeys([*self.columns, *([self.where[0]] if self.where else [])]))
        table = pq.ParquetFile(file).read_row_group(group, columns=wanted)
        columns = {name: _array(table.column(name).combine_chunks()) for name in wanted}
        order = np.arange(table.num_rows)
        if self.where is not None:
            name, low, high = self.where
            keep = np.ones(table.num_rows, dtype=bool)
            if low is not None:
                keep &= columns[name] >= low
            if high is not None:
                keep &= columns[name] < high
            order = order[keep]
        if shuffle is not None:
            order = np.random.default_rng(shuffle.getrandbits(64)).permutation(order)
        return {name: columns[name][order] for name in self.columns}


def _tensors(block: dict[str, np.ndarray], start: int, end: int) -> Batch:
    return {name: torch.from_numpy(np.ascontiguousarray(array[start:end])) for name, array in block.items()}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        raise InputError(f"not a dataset: {path}: no such folder", help="`feat dataset --out DIR` makes one")
    files = sorted(p for p in path.rglob("*.parquet") if not p.name.startswith(("_", ".")))
    if not files:
        raise InputError(f"not a dataset: {path}: there is no Parquet file in it")
    return files


def _is_numeric(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    return bool(
        pa.types.is_integer(inner)
        or pa.types.is_floating(inner)
        or pa.types.is_boolean(inner)
        or pa.types.is_timestamp(inner)
    )


def _array(column: pa.Array) -> np.ndarray:
    """[n] or [n, k]; a timestamp as int64 microseconds."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).view(pa.int64())
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat).reshape(len(column), column.type.list_size)
    return np.asarray(column.to_numpy(zero_copy_only=False))
