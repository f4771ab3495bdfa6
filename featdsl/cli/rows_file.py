"""Files of joined rows: Parquet, a batch at a time; JSON, JSON lines and CSV whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from featdsl.cli.rows_json import read_json
from featdsl.errors import InputError
from featdsl.program import Field, Schema
from featdsl.types import Kind

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


def open_rows(path: str, schema: Schema) -> RowsFile:
    """Opens a file of rows by its suffix, for a program that reads `schema`. In a CSV, `movie.year` is the field
    `year` of the struct `movie`. Errors: `InputError` for a file that is absent, of another kind, or damaged."""
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
        table = _read_csv(path, schema) if suffix == ".csv" else read_json(path, schema)
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


def _read_csv(path: str, schema: Schema) -> pa.Table:
    """What is declared as a text is one, also where it looks like a number or a date."""
    texts = [entity.name for entity in schema.entities if entity.type.kind is Kind.STRING]
    named = [(source.name, source.fields) for source in schema.sources]
    for owner, fields in (*named, ("request", schema.request), ("candidate", schema.candidate)):
        texts += [f"{owner}.{f.name}" for f in fields if isinstance(f, Field) and f.type.kind is Kind.STRING]
    options = pa.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
    return _nested(pa.csv.read_csv(path, convert_options=options))


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
