"""The input rules in plain Python: what a row of a source reads as. The oracle for `engine/row_reader.h`.

Values are Python's own: None, bool, int, float, str (or bytes), list, dict (a map may also be a list of
pairs); a timestamp is int microseconds, a datetime (without a zone: UTC) or a date (midnight UTC).

1. A row, struct or field that is missing or null reads as the field's default, else null; a list, map or
   sequence as empty. A field that has neither, is required: `InputError`.
2. NaN and infinity are null, and so is what rounds to infinity in a float32; text that is not UTF-8 is null.
3. A null element is dropped from a list, then the first `cap` stay. A null in a vector makes the vector null.
4. An entry whose key or value is null is dropped from a map; of equal keys the last value stands, at the
   place of the first.
5. In a sequence a null element drops its position from all lists, before the cap; a field that is nullable or
   has a default, a list or a map keeps the position. A null or absent list is null at every position; a null
   struct in a list of structs drops its position. Lists of different lengths: `InputError`.
6. A vector of another length, a number that does not fit, another type: `InputError`.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from featdsl.errors import InputError
from featdsl.program import Field, Sequence, Source
from featdsl.typed import Constant
from featdsl.types import FLOAT_KINDS, Kind, Type

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_FOUND = {bool: "bool", int: "an integer", float: "a float", str: "a string", bytes: "bytes"}


def read_source(source: Source, value: Any) -> dict[str, Any]:
    """The inputs of one row of `source`, by name; of a source keyed by a list, each a list aligned with the
    key (`value` is then a list of structs or None; a null struct is a missing row, and keeps its place)."""
    if not source.per_element:
        return read_struct(source.name, source.fields, value)
    rows = [read_struct(source.name, source.fields, element) for element in value or ()]
    return {name: [row[name] for row in rows] for name in input_names(source.name, source.fields)}


def read_struct(prefix: str, fields: Iterable[Field | Sequence], value: Any) -> dict[str, Any]:
    """The inputs `prefix.field` and `prefix.sequence.field` of one struct (a dict, or None: missing)."""
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"`{prefix}` is not a struct: {_found(value)}")
    inputs: dict[str, Any] = {}
    for field in fields:
        name = f"{prefix}.{field.name}"
        given = None if value is None else value.get(field.name)
        if isinstance(field, Sequence):
            inputs.update(_read_sequence(name, field, given))
            continue
        inputs[name] = _read_field(name, field, given)
        if inputs[name] is None and not field.type.nullable:
            raise InputError(f"`{name}` is required")
    return inputs


def input_names(prefix: str, fields: Iterable[Field | Sequence]) -> list[str]:
    """The names that `read_struct` gives, in order."""
    names: list[str] = []
    for field in fields:
        if isinstance(field, Sequence):
            names += [f"{prefix}.{field.name}.{member.name}" for member in field.fields]
        else:
            names.append(f"{prefix}.{field.name}")
    return names


def _read_field(name: str, field: Field, given: Any) -> Any:
    value = _read_value(name, field.type, given, field.cap)
    return _default(field.type, field.default) if value is None else value


def _default(type: Type, default: Constant) -> Any:
    if type.kind is Kind.LIST:
        return []
    if type.kind is Kind.MAP:
        return {}
    if default is None:
        return None
    if type.kind is Kind.VECTOR:
        assert type.size is not None
        return [_read_scalar("", type.item, default)] * type.size
    return _read_scalar("", type, default)


def _read_sequence(name: str, sequence: Sequence, given: Any) -> dict[str, list[Any]]:
    lists: dict[str, list[Any] | None]
    if given is None:
        lists = {field.name: None for field in sequence.fields}
    elif isinstance(given, Mapping):
        lists = {field.name: given.get(field.name) for field in sequence.fields}
    else:
        present = [element for element in _elements(name, given) if element is not None]
        if not all(isinstance(element, Mapping) for element in present):
            raise InputError(f"`{name}` is not a list of structs")
        lists = {field.name: [element.get(field.name) for element in present] for field in sequence.fields}
    lengths = {len(_elements(name, elements)) for elements in lists.values() if elements is not None}
    if len(lengths) > 1:
        raise InputError(f"the lists of `{name}` differ in length: {sorted(lengths)}")
    length = lengths.pop() if lengths else 0
    read = {
        field.name: [
            _read_field(f"{name}.{field.name}", field, element)
            for element in lists[field.name] or [None] * length
        ]
        for field in sequence.fields
    }
    needed = [read[field.name] for field in sequence.fields if not field.type.nullable]
    kept = [i for i in range(length) if all(elements[i] is not None for elements in needed)][: sequence.cap]
    return {f"{name}.{member}": [elements[i] for i in kept] for member, elements in read.items()}


def _read_value(name: str, type: Type, given: Any, cap: int | None) -> Any:
    if given is None:
        return None
    if type.kind is Kind.MAP:
        return _read_map(name, type, given, cap)
    if not type.is_listlike:
        return _read_scalar(name, type, given)
    elements = [_read_value(name, type.item, element, None) for element in _elements(name, given)]
    if type.kind is Kind.VECTOR:
        if len(elements) != type.size:
            raise InputError(f"`{name}` has {len(elements)} elements instead of {type.size}")
        return None if None in elements else elements
    return [element for element in elements if element is not None][:cap]


def _elements(name: str, given: Any) -> list[Any]:
    if not isinstance(given, list | tuple):
        raise InputError(f"`{name}` is not a list: {_found(given)}")
    return list(given)


def _read_map(name: str, type: Type, given: Any, cap: int | None) -> dict[Any, Any]:
    assert type.key is not None
    entries = given.items() if isinstance(given, Mapping) else _elements(name, given)
    read: dict[Any, Any] = {}
    for entry in entries:
        if entry is None:
            continue
        given_key, given_value = _entry(name, entry)
        key = _read_value(name, type.key, given_key, None)
        value = _read_value(name, type.item, given_value, None)
        if key is not None and value is not None:
            read[key] = value
    return dict(list(read.items())[:cap])


def _entry(name: str, entry: Any) -> tuple[Any, Any]:
    """A pair, or a struct of a `key` and a `value`."""
    if isinstance(entry, Mapping):
        return entry.get("key"), entry.get("value")
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        raise InputError(f"`{name}` is not a map: {_found(entry)}")
    return entry[0], entry[1]


def _read_scalar(name: str, type: Type, given: Any) -> bool | int | float | str | None:
    kind = type.kind
    if kind is Kind.BOOL and isinstance(given, bool):
        return given
    if kind is Kind.STRING and isinstance(given, str | bytes):
        return _read_text(given)
    if kind in FLOAT_KINDS and isinstance(given, int | float) and not isinstance(given, bool):
        return _read_float(kind, float(given))
    if kind is Kind.TIMESTAMP and isinstance(given, datetime.date):
        return _microseconds(given)
    if kind in (Kind.INT32, Kind.INT64, Kind.TIMESTAMP, Kind.ID) and _is_integer(given):
        limit = 1 << (31 if kind is Kind.INT32 else 63)
        if not -limit <= given < limit:
            raise InputError(f"`{name}` does not fit {kind.value}: {given}")
        return int(given)
    raise InputError(f"`{name}` is not {kind.value}: {_found(given)}")


def _is_integer(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _read_text(given: str | bytes) -> str | None:
    try:
        return given.decode() if isinstance(given, bytes) else given.encode().decode()
    except UnicodeError:
        return None


def _read_float(kind: Kind, given: float) -> float | None:
    if not math.isfinite(given):
        return None
    if kind is Kind.FLOAT64:
        return given
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", given))[0]
    except OverflowError:
        return None
    return rounded


def _microseconds(given: datetime.date) -> int:
    if not isinstance(given, datetime.datetime):
        given = datetime.datetime(given.year, given.month, given.day)
    if given.tzinfo is None:
        given = given.replace(tzinfo=datetime.UTC)
    return (given - _EPOCH) // _MICROSECOND


def _found(given: Any) -> str:
    return _FOUND.get(type(given), type(given).__name__)
