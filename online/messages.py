"""Plain Python and numpy values as messages, by what they are: the client's way in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from featdsl.errors import InputError
from featdsl.types import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Kind, Type, list_of, map_of
from online.proto.scorer_pb2 import Keys, Value, Values
from online.values import value_of, values_of

_NOTHING = Type(Kind.NOTHING)


def keys_message(keys: Any) -> Keys:
    """A key or a sequence of keys, all int or all str. Errors: `InputError`."""
    plain = _plain(keys)
    given = plain if isinstance(plain, list) else [plain]
    message = Keys()
    if not given:
        return message
    if all(isinstance(key, int) and not isinstance(key, bool) for key in given):
        try:
            message.integers.values.extend(given)
        except (ValueError, OverflowError) as error:
            raise InputError(f"a key does not fit int64: {error}") from error
    elif all(isinstance(key, str) for key in given):
        message.strings.values.extend(_text(key) for key in given)
    else:
        raise InputError(f"keys are all int or all str, not {_names(given)}")
    return message


def value_message(value: Any) -> Value:
    """A value: None, bool, int, float, str, datetime (without a zone: UTC), a list, a dict; numpy's too.
    Errors: `InputError`."""
    plain = _plain(value)
    message: Value = _made(value_of, plain, type_of(plain))
    return message


def column_message(values: Sequence[Any]) -> Values:
    """A column: a value a candidate, None for null. Errors: `InputError`."""
    plain = _plain(values)
    if not isinstance(plain, list):
        raise InputError(f"a column is a sequence of values, not {type(plain).__name__}")
    message: Values = _made(values_of, plain, _common(map(type_of, plain), plain))
    return message


def type_of(value: Any) -> Type:
    """The type of the language that a plain value is of; of None the one of nothing. Errors: `InputError`."""
    match value:
        case None:
            return _NOTHING
        case bool():
            return BOOL
        case int():
            return INT64
        case float():
            return FLOAT64
        case str():
            return STRING
        case datetime():
            return TIMESTAMP
        case list() | tuple():
            return list_of(_common(map(type_of, value), value))
        case Mapping():
            keys = _common(map(type_of, value), value)
            return map_of(keys, _common(map(type_of, value.values()), value))
    raise InputError(f"a value of this kind cannot be sent: {type(value).__name__}")


def _common(types: Iterable[Type], values: Any) -> Type:
    """The one type of all elements; ints among floats are floats."""
    found = _NOTHING
    for type in types:
        found = _wider(found, type, values)
    return found


def _wider(a: Type, b: Type, values: Any) -> Type:
    if a == b or b.kind is Kind.NOTHING:
        return a
    if a.kind is Kind.NOTHING:
        return b
    if {a.kind, b.kind} == {Kind.INT64, Kind.FLOAT64}:
        return FLOAT64
    if a.kind is b.kind is Kind.LIST:
        return list_of(_wider(a.item, b.item, values))
    if a.kind is b.kind is Kind.MAP and a.key is not None and b.key is not None:
        return map_of(_wider(a.key, b.key, values), _wider(a.item, b.item, values))
    raise InputError(f"the values of a list or column are of one type, not {_names(values)}")


def _made(make: Any, value: Any, type: Type) -> Any:
    try:
        return make(value, type)
    except (ValueError, OverflowError, TypeError) as error:
        raise InputError(f"a value cannot be sent: {error}") from error


def _plain(value: Any) -> Any:
    """numpy's arrays and scalars as Python's own; a sequence as a list."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(element) for element in value]
    return value


def _text(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"a key is no UTF-8 text: {key!r}") from error
    return key


def _names(values: Iterable[Any]) -> str:
    return " and ".join(sorted({type(value).__name__ for value in values}))
