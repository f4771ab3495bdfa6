"""Joined rows: a table with a struct column a source, `request` and `candidate`, and a column an entity.

What both runners have in common: which columns are there, whether they can be read, and the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa
import pyarrow.types as kinds

from compiler.arrow_types import arrow_type
from compiler.bundle import Bundle
from compiler.column_types import check_types
from compiler.inputs import in_reading_order, inputs_read, needed_fields, with_keys
from compiler.ir import Root
from featdsl.errors import InputError
from featdsl.program import Entity, Field, Schema, Sequence, Source

_TEXT_KEYS = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)


@dataclass(frozen=True, slots=True)
class Part:
    """One column of structs to read: a source, `request` or `candidate`, and the fields that are needed.
    `source` is None for the latter two."""

    name: str
    fields: tuple[Field | Sequence, ...]
    source: Source | None = None

    @property
    def per_element(self) -> bool:
        return self.source is not None and self.source.per_element


@dataclass(frozen=True, slots=True)
class Plan:
    """What a program set reads of joined rows, each part after the one that holds its key."""

    parts: tuple[Part, ...]
    keys: tuple[Entity, ...]


def plan_reading(schema: Schema, roots: Mapping[str, Root], now_us: int | None) -> Plan:
    """The plan for the roots of a set (all of them: its stages also prepare `keep` and `score`). A field that
    reads as the call's time reads as `now_us` where it is absent; without `now_us` it is required."""
    read = inputs_read(root.node for root in roots.values())
    aligned = {s.key for s in schema.sources if s.per_element and needed_fields(s.name, s.fields, read)}
    inputs = read | (with_keys(schema, aligned) & aligned)
    parts = [
        Part(s.name, needed_fields(s.name, s.fields, inputs), s) for s in in_reading_order(schema.sources)
    ]
    for name, fields in (("request", schema.request), ("candidate", schema.candidate)):
        timed = tuple(replace(f, default=now_us) if f.now else f for f in fields)
        parts.insert(0, Part(name, needed_fields(name, timed, inputs)))
    return Plan(
        tuple(part for part in parts if part.fields),
        tuple(entity for entity in schema.entities if entity.name in inputs),
    )


def column_index(rows: pa.Schema, name: str) -> int:
    """Where a column is, or -1. Errors: `InputError` if it is there twice."""
    found = rows.get_all_field_indices(name)
    if len(found) > 1:
        raise InputError(f"the rows have {len(found)} columns `{name}`")
    return found[0] if found else -1


def struct_column(rows: pa.RecordBatch, part: Part) -> pa.Array:
    """The structs of a part (lists of structs, if it is keyed by a list); all null if the column is absent.
    Errors: `InputError` for a column of another type, or without a field that is required."""
    index = column_index(rows.schema, part.name)
    empty = pa.struct([])
    column = rows.column(index) if index >= 0 else pa.nulls(rows.num_rows, pa.null())
    if kinds.is_null(column.type):
        column = pa.nulls(rows.num_rows, pa.list_(empty) if part.per_element else empty)
    struct = column.type
    if part.per_element:
        if not (kinds.is_list(struct) or kinds.is_large_list(struct)):
            raise InputError(f"column `{part.name}` must be a list of structs, found {struct}")
        struct = struct.value_type
    if not kinds.is_struct(struct):
        wanted = "a list of structs" if part.per_element else "a struct"
        raise InputError(f"column `{part.name}` must be {wanted}, found {column.type}")
    present = [field.name for field in struct]
    twice = [name for name in present if present.count(name) > 1]
    if twice:
        raise InputError(f"column `{part.name}` has two fields `{twice[0]}`")
    for field in part.fields:
        if field.name not in present and isinstance(field, Field) and _must_be_given(field):
            raise InputError(
                f"the rows have no `{part.name}.{field.name}`, which is required",
                help=f"add it to the struct `{part.name}`, or give it a default in the program",
            )
    check_types(part.name, part.fields, struct)
    return column


def _must_be_given(field: Field) -> bool:
    return field.required or (field.now and field.default is None)


def key_column(rows: pa.RecordBatch, entity: Entity, first_row: int = 0) -> pa.Array:
    """The keys of an entity as its type. Errors: `InputError` for an absent column, another type, a null."""
    index = column_index(rows.schema, entity.name)
    if index < 0:
        raise InputError(f"the rows have no column `{entity.name}` with the {entity.type} key")
    column = rows.column(index)
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    wanted = arrow_type(entity.type)
    if kinds.is_integer(wanted):
        spare = 0 if kinds.is_signed_integer(column.type) else 1
        fits = kinds.is_integer(column.type) and column.type.bit_width + spare <= wanted.bit_width
    else:
        fits = any(is_text(column.type) for is_text in _TEXT_KEYS)
    if not fits:
        raise InputError(f"column `{entity.name}` must be {entity.type}, found {column.type}")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise InputError(f"column `{entity.name}` has a null, in row {first_row + row}")
    return column.cast(wanted)


class RowRunner(Protocol):
    """A program set, loaded once, for batch after batch of joined rows."""

    plan: Plan
    schema: pa.Schema

    @property
    def nonfinite_total(self) -> int:
        """How many floats were not finite and became 0 so far."""

    def run(self, rows: pa.RecordBatch, *, first_row: int = 0) -> pa.RecordBatch:
        """The outputs for these rows, in order. `first_row` is the number of the first, for messages."""


def run_table(
    runner: RowRunner,
    rows: pa.Table | pa.RecordBatch,
    chunk_rows: int,
    on_progress: Callable[[int], None] | None = None,
) -> pa.Table:
    """The outputs for a whole table. `on_progress` is told how many rows are done."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    made = []
    for start in range(0, table.num_rows, chunk_rows):
        batch = table.slice(start, chunk_rows).combine_chunks().to_batches()[0]
        made.append(runner.run(batch, first_row=start))
        if on_progress is not None:
            on_progress(start + batch.num_rows)
    return pa.Table.from_batches(made, runner.schema)


def output_schema(roots: Mapping[str, Root]) -> pa.Schema:
    """The columns that roots are stored in."""
    return pa.schema([(name, arrow_type(root.type)) for name, root in roots.items()])


def computable(bundle: Bundle, set_name: str) -> dict[str, Root]:
    """The outputs of a set that need no answer of a model: all but `keep` and `score`."""
    return {name: root for name, root in bundle.outputs(set_name).items() if root.stage != "after"}
