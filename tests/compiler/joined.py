"""Random joined rows for a schema: nulls, NaN, broken text, missing rows, sequences in both forms."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from compiler.reference.arrow_values import python_values
from featdsl.program import Entity, Field, Schema, Sequence, Source
from featdsl.types import Kind
from tests.engine.row_cases import arrow_struct, rows, struct_of_lists, values


def tables(schema: Schema, most: int = 6) -> st.SearchStrategy[pa.Table]:
    """Tables of joined rows; some columns may be absent."""
    return st.integers(0, most).flatmap(lambda size: _table(schema, size))


@st.composite
def _table(draw: st.DrawFn, schema: Schema, size: int) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for entity in schema.entities:
        columns[entity.name] = _keys(draw, entity, size)
    for source in schema.sources:
        if not source.per_element and draw(st.integers(0, 5)):
            columns[source.name] = _structs(draw, source, size)
    for source in schema.sources:
        if source.per_element and draw(st.integers(0, 5)):
            owner, name, *_ = source.key.split(".")
            structs = python_values(columns[owner]) if owner in columns else [None] * size
            columns[source.name] = _lists(draw, source, [_length(row, name) for row in structs])
    for name, fields in (("request", schema.request), ("candidate", schema.candidate)):
        if fields and draw(st.integers(0, 5)):
            columns[name] = _parameters(draw, fields, size)
    return pa.table(columns) if columns else pa.table({"none": pa.nulls(size)})


def _keys(draw: st.DrawFn, entity: Entity, size: int) -> pa.Array:
    if entity.type.kind is Kind.STRING:
        return pa.array(draw(_exactly(st.text(max_size=4), size)), pa.string())
    return pa.array(draw(_exactly(st.integers(-(2**63), 2**63 - 1), size)), pa.int64())


def _structs(draw: st.DrawFn, source: Source, size: int) -> pa.Array:
    given = draw(_exactly(rows(source), size))
    whole = all(not _has_null_struct(row, source) for row in given)
    if whole and draw(st.booleans()):
        turned = [struct_of_lists(row, source) for row in given]
        return pa.array(turned, arrow_struct(source, lists=True))
    return pa.array(given, arrow_struct(source))


def _has_null_struct(row: dict[str, Any] | None, source: Source) -> bool:
    sequences = [field.name for field in source.fields if isinstance(field, Sequence)]
    return row is not None and any(None in (row[name] or []) for name in sequences)


def _length(row: dict[str, Any] | None, name: str) -> int:
    given = None if row is None else row[name]
    if isinstance(given, dict):
        return max((len(elements) for elements in given.values() if elements is not None), default=0)
    return len(given or [])


def _lists(draw: st.DrawFn, source: Source, lengths: list[int]) -> pa.Array:
    """One struct an element of the key as it was given, or no list at all."""
    given = [
        None if draw(st.integers(0, 3)) == 0 else draw(_exactly(rows(source), length)) for length in lengths
    ]
    return pa.array(given, pa.list_(arrow_struct(source)))


def _parameters(draw: st.DrawFn, fields: tuple[Field, ...], size: int) -> pa.Array:
    """A struct in which every required field and time is there."""
    made = []
    for _ in range(size):
        row = {field.name: draw(values(field.type)) for field in fields}
        for field in fields:
            if field.now:
                row[field.name] = draw(st.integers(-(10**17), 4 * 10**17))
        made.append(row)
    source = Source("p", "", fields[0].type, 0, fields, "p")  # type: ignore[arg-type]
    return pa.array(made, arrow_struct(source))


def _exactly(strategy: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=size, max_size=size)
