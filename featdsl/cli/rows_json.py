"""JSON rows as a program declares them: an object is a map where a map is declared, a text a time where a time is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from compiler.arrow_types import arrow_type
from featdsl.check.zones import UTC_ZONE
from featdsl.operators.timestamp_text import read_iso
from featdsl.program import Field, Schema
from featdsl.program import Sequence as DeclaredSequence
from featdsl.types import Kind, Type

Members = Mapping[str, Field | DeclaredSequence]


def read_json(path: str, schema: Schema) -> pa.Table:
    """An array of objects, or an object a line. Errors: `ValueError` and `pa.ArrowException` for what is not that."""
    rows = list(_rows(Path(path).read_text(encoding="utf-8-sig")))
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("the rows are not objects alone")
    declared: dict[str, Members] = {source.name: _members(source.fields) for source in schema.sources}
    declared |= {"request": _members(schema.request), "candidate": _members(schema.candidate)}
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        columns = {name: _column(name, [row.get(name) for row in rows], declared.get(name)) for name in names}
    except OverflowError:
        raise ValueError("a number is too large") from None
    return pa.table(columns)


def _rows(text: str) -> Iterator[Any]:
    if text.lstrip().startswith("["):
        yield from _parsed(text)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield _parsed(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _members(fields: Sequence[Field | DeclaredSequence]) -> Members:
    return {field.name: field for field in fields}


def _column(name: str, values: list[Any], members: Members | None) -> pa.Array:
    """A source keyed by a list has a list of objects in each row."""
    if members is None:
        return _array(name, values)
    if not any(isinstance(value, list) for value in values):
        return _struct(name, values, members)
    inner: list[Any] = []
    starts: list[int | None] = []
    for value in values:
        starts.append(None if value is None else len(inner))
        inner += [] if value is None else value if isinstance(value, list) else [value]
    return pa.ListArray.from_arrays(
        pa.array([*starts, len(inner)], pa.int32()), _struct(name, inner, members)
    )


def _struct(name: str, values: list[Any], members: Members) -> pa.Array:
    if not all(value is None or isinstance(value, dict) for value in values):
        raise ValueError(f"`{name}` is not an object")
    names = dict.fromkeys(member for value in values for member in value or ())
    if not names:
        return pa.array(values)
    arrays = []
    for member in names:
        inner = [None if value is None else value.get(member) for value in values]
        arrays.append(_member(f"{name}.{member}", inner, members.get(member)))
    missing = pa.array([value is None for value in values])
    return pa.StructArray.from_arrays(arrays, names=list(names), mask=missing)


def _member(name: str, values: list[Any], declared: Field | DeclaredSequence | None) -> pa.Array:
    if isinstance(declared, Field):
        type = arrow_type(declared.type) if declared.type.innermost.kind is Kind.MAP else None
        return _array(name, [_value(name, value, declared.type) for value in values], type)
    if declared is not None:
        values = [_sequence(name, value, _members(declared.fields)) for value in values]
    return _array(name, values)


def _array(name: str, values: list[Any], type: pa.DataType | None = None) -> pa.Array:
    try:
        return pa.array(values, type)
    except pa.ArrowException as error:
        raise ValueError(f"`{name}`: {error}") from None


def _sequence(name: str, value: Any, members: Members) -> Any:
    """A list of objects, or an object of lists."""
    if isinstance(value, list):
        return [_sequence(name, element, members) for element in value]
    if not isinstance(value, dict):
        return value
    return {k: _within(f"{name}.{k}", v, members.get(k)) for k, v in value.items()}


def _within(name: str, value: Any, declared: Field | DeclaredSequence | None) -> Any:
    if not isinstance(declared, Field):
        return value
    if isinstance(value, list) and not declared.type.is_listlike:
        return [_value(name, element, declared.type) for element in value]
    return _value(name, value, declared.type)


def _value(name: str, value: Any, type: Type) -> Any:
    if type.kind is Kind.MAP and type.key is not None and isinstance(value, dict):
        return [(_key(name, key, type.key), _value(name, item, type.item)) for key, item in value.items()]
    if type.kind is Kind.MAP and isinstance(value, list):
        return [_entry(name, entry, type.item) for entry in value]
    if type.is_listlike and isinstance(value, list):
        return [_value(name, item, type.item) for item in value]
    if type.kind is Kind.TIMESTAMP and isinstance(value, str):
        at = read_iso(value, UTC_ZONE)
        if at is None:
            raise ValueError(f"`{name}` is no time: {value!r}")
        return at
    return value


def _entry(name: str, entry: Any, type: Type) -> tuple[Any, Any]:
    if not isinstance(entry, dict) or "key" not in entry:
        raise ValueError(f"`{name}` is neither an object nor a list of objects with `key` and `value`")
    return entry["key"], _value(name, entry.get("value"), type)


def _key(name: str, key: str, type: Type) -> str | int:
    if type.kind is Kind.STRING:
        return key
    try:
        return int(key)
    except ValueError:
        raise ValueError(f"a key of `{name}` is no integer: {key!r}") from None
