"""The engine on joined rows: each row is its own request, item and pair."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from compiler.bundle import Bundle
from compiler.joined_rows import (
    Part,
    Plan,
    computable,
    key_column,
    output_schema,
    plan_reading,
    run_table,
    struct_column,
)
from compiler.native.program import StagePrograms, row_reader, stage_programs
from compiler.reference.aligned import aligned_rows
from compiler.reference.arrow_values import python_values
from engine._engine import Batch, EngineError, RowReader
from featdsl.errors import InputError
from featdsl.program import Source

Progress = Callable[[int], None]


def run_rows(
    bundle: Bundle,
    set_name: str,
    rows: pa.Table | pa.RecordBatch,
    *,
    now_us: int | None = None,
    chunk_rows: int = 16_384,
    on_progress: Progress | None = None,
) -> pa.Table:
    """The outputs of a program set for joined rows, one row each, in order: for `features` a column a
    feature, for `model/<name>` a column an input. What a model's outputs are needed for (`keep`, `score`) is
    not there.

    `now_us` is what a field with `= now` reads as where the rows do not have it. `on_progress` is told how
    many rows are done. Errors: `InputError` for rows that cannot be read, with column and row.
    """
    return run_table(RowRunner(bundle, set_name, now_us=now_us), rows, chunk_rows, on_progress)


class RowRunner:
    """A program set with its readers, loaded once, for batch after batch of joined rows."""

    def __init__(self, bundle: Bundle, set_name: str, *, now_us: int | None = None) -> None:
        roots = computable(bundle, set_name)
        self.plan: Plan = plan_reading(bundle.schema, bundle.outputs(set_name), now_us)
        self.programs: StagePrograms = stage_programs(bundle, set_name)
        self._readers = {part.name: row_reader(part.name, part.fields) for part in self.plan.parts}
        self._owners = {part.name: part.source for part in self.plan.parts if part.source is not None}
        self.schema = output_schema(roots)

    @property
    def nonfinite_total(self) -> int:
        """How many floats were not finite and became 0 so far."""
        stages = (self.programs.request, self.programs.pair)
        return sum(program.nonfinite_total for program in stages if program is not None)

    def run(self, rows: pa.RecordBatch, *, first_row: int = 0) -> pa.RecordBatch:
        """The outputs for these rows. `first_row` is the number of the first, for messages."""
        try:
            batches = self._read(rows, first_row)
            return self._compute(batches, rows.num_rows)
        except EngineError as error:
            raise InputError(_from_row(str(error), first_row)) from None

    def _read(self, rows: pa.RecordBatch, first_row: int) -> list[Batch]:
        keys = self.plan.keys
        columns = [key_column(rows, entity, first_row) for entity in keys]
        names = [entity.name for entity in keys]
        types = [(entity.name, str(entity.type)) for entity in keys]
        read: list[Batch] = []
        if keys:
            read.append(Batch.from_arrow(pa.RecordBatch.from_arrays(columns, names), types))
        by_part: dict[str, Batch] = {}
        for part in self.plan.parts:
            column = struct_column(rows, part)
            reader = self._readers[part.name]
            if part.source is not None and part.per_element:
                by_part[part.name] = self._read_lists(part, part.source, column, rows, by_part, first_row)
            else:
                by_part[part.name] = reader.read_arrow(column)
        return [*read, *by_part.values()]

    def _read_lists(
        self,
        part: Part,
        source: Source,
        column: pa.Array,
        rows: pa.RecordBatch,
        by_part: Mapping[str, Batch],
        first_row: int,
    ) -> Batch:
        reader: RowReader = self._readers[part.name]
        owner = self._owners[source.key.split(".")[0]]
        key = pa.record_batch(by_part[owner.name].select([source.key])).column(0)
        lengths = pc.list_value_length(key)
        if column.null_count or not pc.list_value_length(column).cast(pa.int64()).equals(
            lengths.cast(pa.int64())
        ):
            part_of_owner = next(p for p in self.plan.parts if p.name == owner.name)
            given = python_values(struct_column(rows, part_of_owner))
            column = _aligned(source, column, lengths.to_pylist(), owner, given, first_row)
        return reader.read_arrow_lists(column)

    def _compute(self, batches: list[Batch], num_rows: int) -> pa.RecordBatch:
        made: dict[str, Any] = {}
        programs = self.programs
        for program in (programs.request, programs.item, programs.pair):
            if program is not None:
                result = program.run(batches, num_rows)
                results = [name for name in result.names if not name.startswith("$")]
                arrays = pa.record_batch(result.select(results)) if results else None
                made |= {name: arrays.column(i) for i, name in enumerate(results)} if arrays else {}
                batches = [*batches, result.carried()]
        columns = [made[field.name] for field in self.schema]
        if [column.type for column in columns] != self.schema.types:
            columns = [column.cast(field.type) for column, field in zip(columns, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _aligned(
    source: Source, column: pa.Array, lengths: list[int], owner: Source, given: list[Any], first_row: int
) -> pa.Array:
    """The lists with one struct an element of the key as read."""
    offsets, places = [0], []
    starts = column.offsets.to_pylist()
    present = column.is_valid().to_pylist()
    for i, length in enumerate(lengths):
        elements = range(starts[i + 1] - starts[i]) if present[i] else None
        try:
            row = aligned_rows(source, elements, range(length), owner, given[i])
        except InputError as error:
            raise InputError(f"row {first_row + i}: {error.message}") from None
        places += [None if place is None else starts[i] + place for place in row]
        offsets.append(len(places))
    values = column.values.take(pa.array(places, pa.int64()))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _from_row(message: str, first_row: int) -> str:
    """The engine counts the rows of its batch; here they count from the table's first."""
    return re.sub(r"^row (\d+)", lambda found: f"row {int(found[1]) + first_row}", message)
