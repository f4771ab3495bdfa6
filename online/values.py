"""Values between protocol messages, Python and Arrow, by the types of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from featdsl.types import FLOAT_KINDS, INTEGER_KINDS, Kind, Type
from online.proto.scorer_pb2 import Lists, Map, Maps, Null, Value, Values

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

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
_ARROW = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.ID: pa.int64(),
    Kind.FLOAT32: pa.float32(),
    Kind.FLOAT64: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}


class BadValue(Exception):
    """A value of another type than the one that is declared; the text says what was given."""


def arrow_type(type: Type) -> pa.DataType:
    """The Arrow type that a column of this type has."""
    if type.kind is Kind.LIST:
        return pa.list_(arrow_type(type.item))
    if type.kind is Kind.VECTOR:
        return pa.list_(arrow_type(type.item), type.size)
    if type.kind is Kind.MAP and type.key is not None:
        return pa.map_(arrow_type(type.key), arrow_type(type.item))
    return _ARROW[type.kind]


# --- messages as Arrow columns (the server's way in) ----------------------------------------------


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
        return pa.nulls(0, arrow_type(type))
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
        if type.kind in _NUMPY and not any(value is None for value in values):
            numbers = np.array(values, _NUMPY[type.kind])
            return pa.array(numbers, wanted, mask=absent)
        if absent is not None:
            values = [None if gone else value for value, gone in zip(values, absent, strict=True)]
        return pa.array(list(values), wanted)
    except (OverflowError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadValue(f"given what does not fit ({error})") from error


_NUMPY: dict[Kind, Any] = {
    Kind.BOOL: np.bool_,
    Kind.INT32: np.int32,
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


# --- typed Python values as messages (the server's way out) ----------------------------------------


def value_of(value: Any, type: Type) -> Value:
    """A value of a type, exactly: floats as doubles, timestamps as microseconds (an int or a datetime)."""
    if value is None:
        return Value(null_value=Null())
    if type.is_listlike:
        return Value(list_value=values_of(value, type.item))
    if type.kind is Kind.MAP:
        return Value(map_value=_map_of(value, type))
    if type.kind is Kind.TIMESTAMP:
        return Value(timestamp_micros=micros(value))
    if type.kind is Kind.BOOL:
        return Value(bool_value=bool(value))
    if type.kind is Kind.STRING:
        return Value(string_value=value)
    return Value(float_value=value) if type.kind in FLOAT_KINDS else Value(int_value=value)


def values_of(values: Sequence[Any], type: Type) -> Values:
    """The elements of a list of this element type; None is null."""
    result = Values()
    if any(value is None for value in values):
        result.present.extend(value is not None for value in values)
        values = [_zero(type) if value is None else value for value in values]
    if type.is_listlike:
        result.lists.CopyFrom(Lists(values=[values_of(value, type.item) for value in values]))
    elif type.kind is Kind.MAP:
        result.maps.CopyFrom(Maps(values=[_map_of(value, type) for value in values]))
    elif type.kind is Kind.TIMESTAMP:
        result.timestamps_micros.values.extend(micros(value) for value in values)
    elif type.kind is Kind.BOOL:
        result.bools.values.extend(map(bool, values))
    elif type.kind is Kind.STRING:
        result.strings.values.extend(values)
    elif type.kind in FLOAT_KINDS:
        result.doubles.values.extend(values)
    elif type.kind is not Kind.NOTHING:
        result.integers.values.extend(values)
    return result


def _zero(type: Type) -> Any:
    if not type.is_scalar:
        return []
    return "" if type.kind is Kind.STRING else 0


def _map_of(value: Any, type: Type) -> Map:
    assert type.key is not None
    pairs = list(value.items() if isinstance(value, Mapping) else value)
    return Map(
        keys=values_of([key for key, _ in pairs], type.key),
        values=values_of([held for _, held in pairs], type.item),
    )


def micros(value: int | datetime) -> int:
    """Microseconds since 1970 in UTC; a datetime without a zone is UTC."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    return int(value)


# --- messages as plain Python values (the client's way out) ----------------------------------------


def plain_of(value: Value) -> Any:
    """A message's value: timestamps as int microseconds, lists as lists, maps as dicts, null as None."""
    case = value.WhichOneof("of")
    if case is None or case == "null_value":
        return None
    if case == "list_value":
        return plain_list(value.list_value)
    if case == "map_value":
        return _plain_map(value.map_value)
    return getattr(value, case)


def plain_list(values: Values) -> list[Any]:
    """The values of a column or list; what is not present is None."""
    case = values.WhichOneof("of")
    if case is None:
        return []
    elements: list[Any] = list(getattr(values, case).values)
    if case == "lists":
        elements = [plain_list(element) for element in elements]
    elif case == "maps":
        elements = [_plain_map(element) for element in elements]
    if values.present:
        return [e if there else None for e, there in zip(elements, values.present, strict=False)]
    return elements


def _plain_map(value: Map) -> dict[Any, Any]:
    return dict(zip(plain_list(value.keys), plain_list(value.values), strict=False))
