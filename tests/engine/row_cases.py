"""Random declarations of sources, and rows for them: what the tests of rows draw from."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from featdsl.levels import Level
from featdsl.program import Field, Sequence, Source
from featdsl.types import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    STRING,
    TIMESTAMP,
    Kind,
    Type,
    list_of,
    map_of,
    vector_of,
)

SCALARS = (BOOL, INT32, INT64, FLOAT32, FLOAT64, STRING, TIMESTAMP)
_NAMES = ("a", "b", "c", "d")


def scalar_types() -> st.SearchStrategy[Type]:
    return st.sampled_from(SCALARS)


def types() -> st.SearchStrategy[Type]:
    """Scalars, vectors, lists and maps, nested."""
    vectors = st.builds(vector_of, scalar_types(), st.integers(0, 3))
    elements = st.one_of(scalar_types(), vectors, scalar_types().map(list_of))
    keys = st.sampled_from((STRING, INT64))
    inner = st.builds(map_of, keys, elements)
    maps = st.builds(
        map_of, keys, st.one_of(elements, inner, inner.map(list_of), st.builds(map_of, keys, inner))
    )
    return st.one_of(scalar_types(), vectors, elements.map(list_of), maps, maps.map(list_of))


def float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def defaults(type: Type) -> st.SearchStrategy[Any]:
    scalar = type.item if type.kind is Kind.VECTOR else type
    return {
        Kind.BOOL: st.booleans(),
        Kind.INT32: st.integers(-(2**31), 2**31 - 1),
        Kind.FLOAT32: st.floats(width=32, allow_nan=False, allow_infinity=False),
        Kind.FLOAT64: st.floats(allow_nan=False, allow_infinity=False),
        Kind.STRING: st.text(max_size=5),
    }.get(scalar.kind, st.integers(-(2**63), 2**63 - 1))


@st.composite
def fields(draw: st.DrawFn, name: str, in_sequence: bool) -> Field:
    type = draw(types())
    cap = None
    if type.kind in (Kind.LIST, Kind.MAP):
        cap = draw(st.one_of(st.none(), st.integers(0, 3)))
        return Field(name, type, cap=cap)
    nullable = draw(st.booleans())
    required = in_sequence and not nullable and draw(st.booleans())
    default = None if nullable or required else draw(defaults(type))
    return Field(name, type.optional(nullable), default)


@st.composite
def sources(draw: st.DrawFn) -> Source:
    """A source with some fields and sequences."""
    made: list[Field | Sequence] = []
    for name in _NAMES[: draw(st.integers(1, 4))]:
        if draw(st.integers(0, 2)) == 0:
            members = tuple(
                draw(fields(member, True)) for member in ("x", "y", "z")[: draw(st.integers(1, 3))]
            )
            made.append(Sequence(name, members, draw(st.one_of(st.none(), st.integers(0, 3)))))
        else:
            made.append(draw(fields(name, False)))
    return Source("s", "user", INT64, Level.REQUEST, tuple(made), "s")


def values(type: Type) -> st.SearchStrategy[Any]:
    """A value as a row holds it, or None: nulls, NaN, infinities, text that is not UTF-8 (as bytes)."""
    return st.one_of(st.none(), _present(type))


def _present(type: Type) -> st.SearchStrategy[Any]:
    if type.kind is Kind.MAP:
        assert type.key is not None
        keys = (
            st.sampled_from([b"k", b"", b"\xff", b"long key"])
            if type.key.kind is Kind.STRING
            else st.integers(0, 3)
        )
        return st.lists(st.tuples(keys, values(type.item)), max_size=4)
    if type.kind is Kind.VECTOR:
        elements = _present(type.item) if type.size else st.nothing()
        return st.lists(st.one_of(elements, values(type.item)), min_size=type.size or 0, max_size=type.size)
    if type.kind is Kind.LIST:
        return st.lists(values(type.item), max_size=4)
    return {
        Kind.BOOL: st.booleans(),
        Kind.INT32: st.integers(-(2**31), 2**31 - 1),
        Kind.FLOAT32: st.floats(width=32),
        Kind.FLOAT64: st.floats(),
        Kind.STRING: st.one_of(
            st.text(max_size=5).map(str.encode), st.sampled_from([b"\xff\xfe", b"\xed\xa0\x80", b"a\x00"])
        ),
    }.get(type.kind, st.integers(-(2**63), 2**63 - 1))


def rows(source: Source) -> st.SearchStrategy[dict[str, Any] | None]:
    """A row of a source, a sequence as a list of structs; or None, a missing row."""
    members = {}
    for field in source.fields:
        if isinstance(field, Sequence):
            element = st.fixed_dictionaries({member.name: values(member.type) for member in field.fields})
            members[field.name] = st.one_of(st.none(), st.lists(st.one_of(st.none(), element), max_size=4))
        else:
            members[field.name] = values(field.type)
    return st.one_of(st.none(), st.fixed_dictionaries(members))


@st.composite
def sources_with_rows(draw: st.DrawFn) -> tuple[Source, list[dict[str, Any] | None]]:
    source = draw(sources())
    return source, draw(st.lists(rows(source), max_size=5))


def struct_of_lists(row: dict[str, Any] | None, source: Source) -> dict[str, Any] | None:
    """The same row with its sequences as structs of lists (a null struct must not be in them)."""
    if row is None:
        return None
    turned = dict(row)
    for field in source.fields:
        if isinstance(field, Sequence) and row[field.name] is not None:
            elements = row[field.name]
            turned[field.name] = {m.name: [element[m.name] for element in elements] for m in field.fields}
    return turned


# --- Arrow ---

_ARROW = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.ID: pa.int64(),
    Kind.FLOAT32: pa.float32(),
    Kind.FLOAT64: pa.float64(),
    Kind.STRING: pa.binary(),
    Kind.TIMESTAMP: pa.timestamp("us"),
}


def arrow_type(type: Type) -> pa.DataType:
    """Text is binary, as it may be no UTF-8."""
    if type.kind is Kind.MAP:
        assert type.key is not None
        return pa.map_(arrow_type(type.key), arrow_type(type.item))
    if type.is_listlike:
        return pa.list_(arrow_type(type.item))
    return _ARROW[type.kind]


def arrow_struct(source: Source, *, lists: bool = False) -> pa.DataType:
    """The struct of a source's rows, a sequence as a list of structs, or with `lists` as a struct of lists."""
    members = []
    for field in source.fields:
        if isinstance(field, Sequence):
            inner = [
                (m.name, pa.list_(arrow_type(m.type)) if lists else arrow_type(m.type)) for m in field.fields
            ]
            members.append((field.name, pa.struct(inner) if lists else pa.list_(pa.struct(inner))))
        else:
            members.append((field.name, arrow_type(field.type)))
    return pa.struct(members)
