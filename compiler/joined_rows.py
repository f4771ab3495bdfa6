"""Joined rows: a table with a struct column a source, `request` and `candidate`, and a column an entity.

What both runners have in common: which columns are there, whether they can be read, and which are not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.types as kinds

from compiler.arrow_types import arrow_type
from compiler.inputs import in_reading_order, inputs_read, needed_fields, with_keys
from compiler.ir import Root
from featdsl.errors import InputError
from featdsl.program import Entity, Field, Schema, Sequence, Source


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


def plan_reading(schema: Schema, roots: dict[str, Root], now_us: int | None) -> Plan:
    """The plan for some roots. A field that reads as the call's time reads as `now_us` where it is absent;
    without `now_us` it is required."""
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


def struct_column(rows: pa.RecordBatch, part: Part) -> pa.Array:
    """The structs of a part (lists of structs, if it is keyed by a list); all null if the column is absent.
    Errors: `InputError` for a column of another type, or without a field that is required."""
    index = rows.schema.get_field_index(part.name)
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
    present = {field.name for field in struct}
    for field in part.fields:
        if field.name not in present and isinstance(field, Field) and _must_be_given(field):
            raise InputError(
                f"the rows have no `{part.name}.{field.name}`, which is required",
                help=f"add it to the struct `{part.name}`, or give it a default in the program",
            )
    return column


def _must_be_given(field: Field) -> bool:
    return field.required or (field.now and field.default is None)


def key_column(rows: pa.RecordBatch, entity: Entity, first_row: int = 0) -> pa.Array:
    """The keys of an entity as its type. Errors: `InputError` for an absent column, another type, a null."""
    index = rows.schema.get_field_index(entity.name)
    if index < 0:
        raise InputError(f"the rows have no column `{entity.name}` with the {entity.type} key")
    column = rows.column(index)
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    wanted = arrow_type(entity.type)
    if kinds.is_integer(wanted):
        fits = kinds.is_signed_integer(column.type) and column.type.bit_width <= wanted.bit_width
    else:
        fits = kinds.is_string(column.type) or kinds.is_large_string(column.type)
    if not fits:
        raise InputError(f"column `{entity.name}` must be {entity.type}, found {column.type}")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise InputError(f"column `{entity.name}` has a null, in row {first_row + row}")
    return column.cast(wanted)


def notes_on(rows: pa.Schema, plan: Plan, schema: Schema) -> Iterator[str]:
    """What somebody should know who reads such rows with such a program: columns and fields that are absent
    (and read as missing) or not known, with what may have been meant."""
    known = [entity.name for entity in schema.entities] + [source.name for source in schema.sources]
    known += ["request", "candidate"]
    unknown = [name for name in rows.names if name not in known]
    absent = [part.name for part in plan.parts if part.name not in rows.names]
    for name in absent:
        near = difflib.get_close_matches(name, unknown, n=1)
        yield f"there is no column `{name}`: {_missing(name)}" + (f"; is it `{near[0]}`?" if near else "")
    for name in unknown:
        near = difflib.get_close_matches(name, [*absent, *known], n=1)
        yield f"column `{name}` is not of the program" + (f"; did you mean `{near[0]}`?" if near else "")
    for part in plan.parts:
        if part.name in rows.names:
            yield from _notes_on_struct(rows.field(part.name).type, part)


def _missing(name: str) -> str:
    return "its fields read as their defaults" if name in ("request", "candidate") else "every row is missing"


def _notes_on_struct(type: pa.DataType, part: Part) -> Iterator[str]:
    struct = type.value_type if kinds.is_list(type) or kinds.is_large_list(type) else type
    if not kinds.is_struct(struct):
        return
    present = [field.name for field in struct]
    for field in part.fields:
        if field.name not in present:
            near = difflib.get_close_matches(field.name, present, n=1)
            hint = f"; is it `{near[0]}`?" if near else ""
            yield f"`{part.name}` has no field `{field.name}`: it reads as missing{hint}"
