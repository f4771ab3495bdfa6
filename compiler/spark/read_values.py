"""The input rules for one value, in Spark SQL: a column of some Spark type as a declared type."""

from __future__ import annotations

import pyspark.sql.types as st

from compiler.spark.cast import FLOAT32_LIMIT
from compiler.spark.sql import INFINITY, held_as, integer, literal, text
from featdsl.errors import InputError
from featdsl.operators.cast import nearest_float32
from featdsl.program import Field
from featdsl.types import Kind, Type

_INTEGERS = (st.ByteType, st.ShortType, st.IntegerType, st.LongType)
_FLOATS = (st.FloatType, st.DoubleType)
_DAY_US = 86_400_000_000


def read_value(
    name: str, type: Type, x: str, given: st.DataType, cap: int | None = None, depth: int = 0
) -> str:
    """A value of Spark type `given` as the declared type, null where it reads as null."""
    element = f"x{depth}_"
    if isinstance(given, st.NullType):
        return literal(None, type)
    if type.is_listlike:
        if not isinstance(given, st.ArrayType):
            raise InputError(f"`{name}` is not a list: {given.simpleString()}")
        read = read_value(name, type.item, element, given.elementType, None, depth + 1)
        values = x if read == element else f"transform({x}, {element} -> {read})"
        if type.kind is Kind.VECTOR:
            fits = f"size({x}) = {type.size}"
            wrong = f"raise_error({text(f'`{name}` does not have {type.size} elements')})"
            whole = f"if(exists({values}, {element} -> {element} is null), null, {values})"
            return f"if({x} is null, null, if({fits}, {whole}, {wrong}))"
        kept = f"filter({values}, {element} -> {element} is not null)"
        return kept if cap is None else f"slice({kept}, 1, {cap})"
    if type.kind is Kind.MAP:
        return _map(name, type, x, given, cap, depth)
    return _scalar(name, type, x, given)


def _map(name: str, type: Type, x: str, given: st.DataType, cap: int | None, depth: int) -> str:
    if not isinstance(given, st.MapType):
        raise InputError(f"`{name}` is not a map: {given.simpleString()}")
    assert type.key is not None
    entry = f"x{depth}_"
    key = read_value(name, type.key, f"{entry}.key", given.keyType, None, depth + 1)
    value = read_value(name, type.item, f"{entry}.value", given.valueType, None, depth + 1)
    entries = f"transform(map_entries({x}), {entry} -> struct({key} as key, {value} as value))"
    kept = f"filter({entries}, {entry} -> {entry}.key is not null and {entry}.value is not null)"
    made = f"map_from_entries({kept})"
    return made if cap is None else f"map_from_entries(slice(map_entries({made}), 1, {cap}))"


def _scalar(name: str, type: Type, x: str, given: st.DataType) -> str:
    kind = type.kind
    if kind is Kind.BOOL and isinstance(given, st.BooleanType):
        return x
    if kind is Kind.STRING and isinstance(given, st.StringType | st.BinaryType):
        return f"try_validate_utf8(cast({x} as string))"
    if kind is Kind.FLOAT64 and isinstance(given, (*_INTEGERS, *_FLOATS)):
        value = f"cast({x} as double)"
        return value if isinstance(given, _INTEGERS) else f"if(abs({x}) < {INFINITY}, {value}, null)"
    if kind is Kind.FLOAT32 and isinstance(given, (*_INTEGERS, *_FLOATS)):
        value = f"cast(cast(cast({x} as double) as float) as double)"
        return value if isinstance(given, _INTEGERS) else f"if(abs({x}) < {FLOAT32_LIMIT}, {value}, null)"
    if kind is Kind.TIMESTAMP and isinstance(given, st.TimestampType | st.TimestampNTZType):
        return f"unix_micros(cast({x} as timestamp))"
    if kind is Kind.TIMESTAMP and isinstance(given, st.DateType):
        return f"cast(unix_date({x}) as bigint) * {_DAY_US}L"
    if kind in (Kind.INT32, Kind.INT64, Kind.TIMESTAMP, Kind.ID) and isinstance(given, _INTEGERS):
        value = f"cast({x} as bigint)"
        if kind is Kind.INT32 and isinstance(given, st.LongType):
            fits = f"{x} between {integer(-(2**31))} and {integer(2**31 - 1)}"
            wrong = f"raise_error(concat({text(f'`{name}` does not fit int32: ')}, cast({x} as string)))"
            return f"if({x} is null or {fits}, {value}, {wrong})"
        return value
    raise InputError(f"`{name}` is not {kind.value}: {given.simpleString()}")


def read_default(wanted: Field) -> str | None:
    """What a field reads as where it is missing; None for null."""
    type = wanted.type
    if type.kind is Kind.LIST:
        return f"cast(array() as {held_as(type)})"
    if type.kind is Kind.MAP:
        return f"cast(map() as {held_as(type)})"
    if wanted.default is None:
        return None
    scalar = type.item if type.kind is Kind.VECTOR else type
    default = wanted.default
    if scalar.kind is Kind.FLOAT32:
        assert isinstance(default, int | float)
        default = nearest_float32(default)
    one = literal(default, scalar)
    return f"array_repeat({one}, {type.size})" if type.kind is Kind.VECTOR else one
