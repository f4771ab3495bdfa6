"""Values between protocol messages and Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from featdsl.types import FLOAT_KINDS, Kind, Type
from online.proto.scorer_pb2 import Lists, Map, Maps, Null, Value, Values

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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
        return [None] * len(values.present)
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
