"""Writing a data set's files from the executors: transform (with `--engine native`), write, count.

Spark's own writer knows neither fixed-size lists nor metadata of a schema.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from offline.lookup import Lookup
from offline.shipped import runner

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FLAGS = "__flags"
"""A list of bools a row, each counted (see `offline/dataset.py`)."""

_RESULT = "file string, num_rows bigint, flags array<bigint>, nonfinite bigint"


@dataclass(frozen=True, slots=True)
class PartWriter:
    """What a task needs: where to write, the files' schema, and the native program, or None where the columns
    come ready from Spark. `late`: sources whose rows are looked up here; `late_flags`: of these the place of a flag,
    and the source or field that it counts the nulls of."""

    folder: str
    schema: bytes
    flags: int
    program: bytes | None = None
    set_name: str = ""
    late: tuple[Lookup, ...] = ()
    late_flags: tuple[tuple[int, str], ...] = ()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Writes one file of a partition's batches; gives one row of counts. A file is written aside and then
        renamed, so a task that is run again does no harm. An empty partition has no file."""
        import pyarrow.parquet as pq
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        schema = pa.ipc.read_schema(pa.py_buffer(self.schema))
        name = f"part-{context.partitionId():05d}.parquet"
        aside = os.path.join(self.folder, f".{name}.{context.taskAttemptId()}")
        transform = self._transform(schema)
        counts, rows, writer = [0] * self.flags, 0, None
        nonfinite = self._nonfinite()
        try:
            for batch in batches:
                if batch.num_rows == 0:
                    continue
                writer = writer or pq.ParquetWriter(aside, schema, compression="zstd")
                for lookup in self.late:
                    batch = lookup.add(batch)
                for i, count in enumerate(self._counted(batch)):
                    counts[i] += count
                writer.write_batch(transform(batch))
                rows += batch.num_rows
        except BaseException:
            if writer is not None:
                writer.close()
                os.remove(aside)
            raise
        if writer is None:
            return
        writer.close()
        os.replace(aside, os.path.join(self.folder, name))
        yield pa.record_batch(
            [[name], [rows], pa.array([counts], pa.list_(pa.int64())), [self._nonfinite() - nonfinite]],
            names=["file", "num_rows", "flags", "nonfinite"],
        )

    def _counted(self, batch: pa.RecordBatch) -> list[int]:
        counts = _counted(batch.column(batch.schema.get_field_index(FLAGS)), self.flags)
        for i, name in self.late_flags:
            source, _, field = name.partition(".")
            rows = batch.column(batch.schema.get_field_index(source))
            # a row that is not there has null fields; only those of rows that are there count
            counts[i] = (rows.drop_null().field(field) if field else rows).null_count
        return counts

    def _transform(self, schema: pa.Schema) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        def column(batch: pa.RecordBatch, made: pa.RecordBatch | None, field: pa.Field) -> pa.Array:
            holder = made if made is not None and field.name in made.schema.names else batch
            array = holder.column(holder.schema.get_field_index(field.name))
            return as_stored(array, field.type)

        def transform(batch: pa.RecordBatch) -> pa.RecordBatch:
            made = None if self.program is None else runner(self.program, self.set_name).run(batch)
            return pa.RecordBatch.from_arrays([column(batch, made, f) for f in schema], schema=schema)

        return transform

    def _nonfinite(self) -> int:
        if self.program is None:
            return 0
        programs = runner(self.program, self.set_name).programs
        stages = (programs.request, programs.item, programs.pair)
        return sum(stage.nonfinite_total for stage in stages if stage is not None)


def as_stored(array: pa.Array, type: pa.DataType) -> pa.Array:
    """An array of Spark's as the type that is stored: a list becomes a fixed-size list."""
    if array.type == type:
        return array
    if pa.types.is_fixed_size_list(type) and pa.types.is_list(array.type):
        values = array.flatten()
        return pa.FixedSizeListArray.from_arrays(as_stored(values, type.value_type), type.list_size)
    return array.cast(type)


def _counted(flags: pa.Array, size: int) -> list[int]:
    if size == 0:
        return []
    values = flags.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return [int(count) for count in values.sum(axis=0)]


def write_parts(df: DataFrame, writer: PartWriter) -> list[Any]:
    """Writes all parts; the rows of counts, in order of the files."""
    return sorted(df.mapInArrow(writer, _RESULT).collect(), key=lambda row: str(row.file))
