"""Messages as Arrow columns, checked against the types that are declared: the server's way in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from compiler.arrow_types import arrow_type
from featdsl.types import FLOAT_KINDS, INTEGER_KINDS, Kind, Type
from online.proto.scorer_pb2 import Map, Value, Values
from online.values import plain_of

_VALUE_CASES: dict[str, str] = {
    "bool_value": "bools",
    "int_value": "integers",
    "float_value": "doubles",
    "string_value": "strings",
    "timestamp_micros": "timestamps_micros",
    "list_value": "lists",
    "map_value": "maps",
}
_NAMES = {
    "bools": "bool",
    "integers": "int",
    "doubles": "float",
    "floats": "float",
    "strings": "string",
    "timestamps_micros": "timestamp",
    "lists": "list",
    "maps": "map",
}


class BadValue(Exception):
    """A value of another type than the one that is declared; the text says what was given."""


def row_of(value: Value, type: Type) -> pa.Array:
    """One value as a column of one row. Errors: `BadValue`."""
    case = value.WhichOneof("of")
    if case is None:
        raise BadValue("given no value")
    if case == "null_value":
        return pa.nulls(1, arrow_type(type))
    accept(_VALUE_CASES[case], type)
    plain = plain_of(value) if type.is_scalar else _checked(value, type)
    return _array([plain], type)


def column_of(values: Values, type: Type) -> pa.Array:
    """A column. Errors: `BadValue`."""
    case = values.WhichOneof("of")
    if case is None:
        if any(values.present):
            raise BadValue("given no value")
        return pa.nulls(len(values.present), arrow_type(type))
    accept(case, type)
    if not type.is_scalar:
        return _array(_checked_list(values, type), type)
    elements = getattr(values, case).values
    return _array(elements, type, _absent(values, len(elements)))


def accept(case: str, type: Type) -> None:
    """Whether values that arrive so may stand for a type: integers widen to floats, and may be
    microseconds. Errors: `BadValue`."""
    kind = type.kind
    good = (
        (case == "bools" and kind is Kind.BOOL)
        or (case == "integers" and (kind in INTEGER_KINDS | FLOAT_KINDS or kind is Kind.TIMESTAMP))
        or (case in ("doubles", "floats") and kind in FLOAT_KINDS)
        or (case == "strings" and kind is Kind.STRING)
        or (case == "timestamps_micros" and kind is Kind.TIMESTAMP)
        or (case == "lists" and type.is_listlike)
        or (case == "maps" and kind is Kind.MAP)
    )
    if not good:
        raise BadValue(f"given {_NAMES[case]}")


def _array(values: Sequence[Any], type: Type, absent: Any = None) -> pa.Array:
    wanted = arrow_type(type)
    try:
        if type.kind is Kind.FLOAT32:
            with np.errstate(over="ignore"):
                return pa.array(np.array(values, np.float64).astype(np.float32), wanted, mask=absent)
        if type.kind in _NUMPY:
            numbers = np.array(values, _NUMPY[type.kind])
            return pa.array(numbers, mask=absent).cast(wanted)
        if absent is not None:
            values = [None if gone else value for value, gone in zip(values, absent, strict=True)]
        return pa.array(list(values), wanted)
    except (OverflowError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadValue(f"given what does not fit ({error})") from error


_NUMPY: dict[Kind, Any] = {
    Kind.INT32: np.int64,
    Kind.BOOL: np.bool_,
    Kind.INT64: np.int64,
    Kind.FLOAT64: np.float64,
    Kind.TIMESTAMP: np.dtype("datetime64[us]"),
}


def _absent(values: Values, size: int) -> Any:
    if not values.present:
        return None
    if len(values.present) != size:
        raise BadValue(f"given {size} values, but `present` for {len(values.present)}")
    return ~np.array(values.present, np.bool_)


def _checked(value: Value, type: Type) -> Any:
    case = value.WhichOneof("of")
    if case == "list_value":
        return _checked_elements(value.list_value, type)
    return _checked_map(value.map_value, type)


def _checked_list(values: Values, type: Type) -> list[Any]:
    case = values.WhichOneof("of")
    entries = getattr(values, case).values
    rows = [
        _checked_elements(entry, type) if case == "lists" else _checked_map(entry, type) for entry in entries
    ]
    absent = _absent(values, len(rows))
    return rows if absent is None else [None if a else row for row, a in zip(rows, absent, strict=True)]


def _checked_elements(values: Values, type: Type) -> list[Any]:
    """A list's elements, null ones as None; floats rounded to the declared width."""
    elements = column_of(values, type.item).to_pylist() if values.WhichOneof("of") else []
    if type.kind is Kind.VECTOR and len(elements) != type.size:
        raise BadValue(f"given {len(elements)} elements")
    return elements


def _checked_map(value: Map, type: Type) -> list[tuple[Any, Any]]:
    assert type.key is not None
    keys = column_of(value.keys, type.key).to_pylist()
    values = column_of(value.values, type.item).to_pylist()
    if len(keys) != len(values):
        raise BadValue(f"given a map of {len(keys)} keys and {len(values)} values")
    return [(key, held) for key, held in zip(keys, values, strict=True) if key is not None]
