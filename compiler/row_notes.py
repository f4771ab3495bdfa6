"""What somebody should know who gives joined rows to a program: what is absent, or not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.types as kinds

from compiler.joined_rows import Part, Plan, column_index
from featdsl.program import Field, Schema


def notes_on(rows: pa.Schema, plan: Plan, schema: Schema) -> Iterator[str]:
    """Columns and fields that are absent (and read as missing) or not known, and what may have been meant.
    Errors: `InputError` for a column that is there twice."""
    known = [entity.name for entity in schema.entities] + [source.name for source in schema.sources]
    known += ["request", "candidate"]
    unknown = [name for name in rows.names if name not in known]
    absent = [part.name for part in plan.parts if part.name not in rows.names]
    for name in absent:
        yield f"there is no column `{name}`: {_reads_as(name)}{_near(name, unknown, 'is it')}"
    for name in unknown:
        yield f"the program has no column `{name}`{_near(name, [*absent, *known], 'did you mean')}"
    for part in plan.parts:
        yield from _notes_on_part(rows, part)


def _notes_on_part(rows: pa.Schema, part: Part) -> Iterator[str]:
    index = column_index(rows, part.name)
    present = _fields(rows.field(index).type) if index >= 0 else []
    if present is None:
        return
    for field in part.fields:
        if field.name in present:
            continue
        if isinstance(field, Field) and field.now:
            yield f"the rows have no `{part.name}.{field.name}`: it reads as the time of this run"
        elif index >= 0:
            hint = _near(field.name, present, "is it")
            yield f"`{part.name}` has no field `{field.name}`: it reads as missing{hint}"


def _fields(type: pa.DataType) -> list[str] | None:
    """The fields of a column; None if it can have none, which is an error to come."""
    struct = type.value_type if kinds.is_list(type) or kinds.is_large_list(type) else type
    if kinds.is_struct(struct):
        return [field.name for field in struct]
    return [] if kinds.is_null(struct) else None


def _reads_as(name: str) -> str:
    return "its fields read as their defaults" if name in ("request", "candidate") else "every row is missing"


def _near(name: str, others: Iterable[str], question: str) -> str:
    near = difflib.get_close_matches(name, list(others), n=1)
    return f"; {question} `{near[0]}`?" if near else ""
