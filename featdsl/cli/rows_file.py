"""Files of joined rows: Parquet, a batch at a time; JSON, JSON lines and CSV whole."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from featdsl.errors import InputError

READABLE = (".parquet", ".json", ".jsonl", ".csv")


@dataclass(frozen=True)
class RowsFile:
    """Rows to read: their columns, how many, and they themselves."""

    path: str
    schema: pa.Schema
    num_rows: int
    _source: Any

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most `size` at a time. Errors: `InputError` for a damaged file."""
        with _naming(self.path):
            if isinstance(self._source, pa.Table):
                for start in range(0, self.num_rows, size):
                    yield self._source.slice(start, size).combine_chunks().to_batches()[0]
            else:
                yield from self._source.iter_batches(batch_size=size)


def open_rows(path: str) -> RowsFile:
    """Opens a file of rows by its suffix. In a CSV, `movie.year` is the field `year` of the struct `movie`.
    Errors: `InputError` for a file that is absent, of another kind, or damaged."""
    suffix = Path(path).suffix.lower()
    if not Path(path).exists():
        raise InputError(f"no such file: {path}")
    if suffix not in READABLE:
        raise InputError(
            f"rows are not read from such a file: {path}", help=f"it may be {', '.join(READABLE)}"
        )
    with _naming(path):
        if suffix == ".parquet":
            file = pq.ParquetFile(path)
            return RowsFile(path, file.schema_arrow, file.metadata.num_rows, file)
        table = _nested(pa.csv.read_csv(path)) if suffix == ".csv" else _read_json(path)
        return RowsFile(path, table.schema, table.num_rows, table)


def write_rows(
    path: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], metadata: Mapping[str, str]
) -> None:
    """Writes a Parquet file: aside, then renamed. Errors: `InputError` if it cannot be written."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"a folder stands where the file is to be written: {path}")
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None
    try:
        with (
            os.fdopen(handle, "wb") as stream,
            pq.ParquetWriter(stream, schema.with_metadata(metadata)) as to,
        ):
            for batch in batches:
                to.write_batch(batch)
        os.chmod(aside, 0o644)
        os.replace(aside, target)
    except BaseException as error:
        Path(aside).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None
        raise


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turns what Arrow and the system say into an error that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _first_line(error)
        raise InputError(f"the rows cannot be read: {reason}: {path}") from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _read_json(path: str) -> pa.Table:
    """An array of objects, or an object a line."""
    with open(path, "rb") as stream:
        start = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith(b"["):
        return pa.json.read_json(path)
    with open(path, encoding="utf-8-sig") as text:
        rows = json.load(text)
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("the array does not hold objects alone")
    return pa.Table.from_pylist(rows)


def _nested(table: pa.Table) -> pa.Table:
    """Columns `a.b` and `a.c` become a struct `a`."""
    members: dict[str, dict[str, pa.ChunkedArray]] = {}
    for name in table.column_names:
        owner, _, member = name.partition(".")
        members.setdefault(owner, {})[member] = table.column(name)
    columns = {}
    for owner, fields in members.items():
        arrays = {name: column.combine_chunks() for name, column in fields.items() if name}
        columns[owner] = (
            pa.StructArray.from_arrays(list(arrays.values()), list(arrays)) if arrays else fields[""]
        )
    return pa.table(columns)
