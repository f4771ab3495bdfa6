"""Tables as the program's sources: reading them, and putting their columns into the declared fields."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyspark.sql.types as st
from pyspark.sql import functions

from compiler.spark.sql import column, text
from featdsl.errors import InputError
from featdsl.program import Field, Sequence, Source
from featdsl.types import Kind, Type, list_of
from offline.arrow_types import arrow_schema, with_arrow_types
from offline.config import UNITS, ColumnRef, Columns, SourceConfig, Table, TimeColumn
from offline.failures import why

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

KEY, AT, TIE, ROW = "__key", "__at", "__tie", "__row"
"""The columns of a source's rows: key; microseconds from which the row holds; what decides between rows of one
key and time; the struct of fields."""

TIME = "__time"
"""The sample's time in microseconds, in joined samples."""

_CSV = {"header": "true", "escape": '"', "multiLine": "true", "mode": "FAILFAST"}
"""As RFC 4180 has it: a quote in quotes is doubled, and quoted text may hold line breaks."""
_JSON = {"mode": "FAILFAST"}

_INTEGERS = (st.ByteType, st.ShortType, st.IntegerType, st.LongType)


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Rows with the columns KEY, ROW and, if `timed`, AT and TIE. `name` is the source's, for messages."""

    name: str
    df: DataFrame
    timed: bool


def read_table(session: SparkSession, table: Table, at: str) -> DataFrame:
    """The table; `at` is its place in feat.toml, for messages. CSV has all columns as strings (they are
    cast to what the program declares). Errors: `InputError` where it cannot be read."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        if table.format == "table":
            return session.read.table(table.location)
        reader = session.read.options(**table.options)
        if table.format == "csv":
            return reader.options(**{**_CSV, **table.options}).csv(table.location)
        if table.format == "json":
            return reader.options(**{**_JSON, **table.options}).json(table.location)
        df = reader.parquet(table.location)
        schema = arrow_schema(df.inputFiles()[:1])
        return df if schema is None else with_arrow_types(df, schema)
    except (PySparkException, Py4JJavaError) as error:
        if "PATH_NOT_FOUND" in str(error) or "TABLE_OR_VIEW_NOT_FOUND" in str(error):
            raise InputError(
                f"`{at}`: there is no such table: {table.location}", help="see `path` or `table` in feat.toml"
            ) from None
        raise InputError(f"`{at}`: the table cannot be read: {table.location}: {why(str(error))}") from None


def source_rows(
    session: SparkSession, config: SourceConfig, source: Source, fields: Iterable[Field | Sequence]
) -> SourceRows:
    """The rows of a source with the given fields. A row without key or time is left out. Errors:
    `InputError` for a column that is not there or of another type."""
    at = f"sources.{config.name}"
    df = read_table(session, config.table, at)
    fields = tuple(fields)
    known = {f.name for f in source.fields}
    only_known(f"{at}.columns", config.columns, known, f"source `{source.name}`")
    row = struct_of(df, f"{at}.columns", fields, config.columns)
    key_type = source.key_type.item if source.key_type.is_listlike else source.key_type
    key = key_of(df, f"{at}.key", config.key, key_type)
    selected = df.select(
        functions.expr(key).alias(KEY), functions.expr(row).alias(ROW), *_when(df, at, config, source)
    )
    selected = selected.where(functions.col(KEY).isNotNull())
    if config.time is None:
        return SourceRows(config.name, selected, False)
    return SourceRows(config.name, selected.where(functions.col(AT).isNotNull()), True)


def _when(df: DataFrame, at: str, config: SourceConfig, source: Source) -> list[Column]:
    """AT and TIE. All fields of the source decide, also those that are not read: whatever a program set reads,
    and what is loaded into the store, is of the same row."""
    if config.time is None:
        return []
    time = microseconds(df, f"{at}.time", config.time)
    parts = []
    if config.tie_break is not None:
        parts.append(named_column(df, f"{at}.tie_break", config.tie_break))
    for f in source.fields:
        try:
            row = struct_of(df, f"{at}.columns", (f,), config.columns)
        except InputError:  # a field that is not read may have no column
            continue
        parts.append(sortable(df, row))
    tie = functions.expr(f"struct({', '.join(parts)})" if parts else "cast(null as struct<none: int>)")
    return [functions.expr(f"{time} + {config.delay_us}L").alias(AT), tie.alias(TIE)]


def microseconds(df: DataFrame, at: str, time: TimeColumn) -> str:
    """A time column as microseconds. A timestamp without a zone is in UTC."""
    x = named_column(df, at, time.column)
    found = _in_microseconds(at, x, _type(df, x), time.unit)
    if found is None:
        raise InputError(
            f"`{at}`: the column is no time: `{time.column}` is {_type(df, x).simpleString()}",
            help="a timestamp, a date, or a number with `time_unit`",
        )
    return found


def key_of(df: DataFrame, at: str, name: str, type: Type) -> str:
    """A key column as the entity's type."""
    x = named_column(df, at, name)
    given = _type(df, x)
    if type.kind is Kind.STRING and isinstance(given, st.StringType):
        return x
    held = "int" if type.kind is Kind.INT32 else "bigint"
    if type.kind is not Kind.STRING and isinstance(given, (*_INTEGERS, st.StringType)):
        return _parsed(at, x, held) if isinstance(given, st.StringType) else _fitting(at, x, held)
    raise InputError(f"`{at}`: the key is {type}, but the column `{name}` is {given.simpleString()}")


def struct_of(df: DataFrame, at: str, fields: Iterable[Field | Sequence], columns: Columns) -> str:
    """The struct of the given fields, from the columns named in feat.toml, else from those of their names."""
    parts: list[str] = []
    for f in fields:
        spec = columns.get(f.name, ColumnRef(f.name))
        if isinstance(spec, ColumnRef):
            value = _value(df, f"{at}.{f.name}", spec, f)
        elif isinstance(f, Sequence):
            only_known(f"{at}.{f.name}", spec, {m.name for m in f.fields}, f"sequence `{f.name}`")
            value = struct_of(df, f"{at}.{f.name}", _as_lists(f), spec)
        else:
            raise InputError(f"`{at}.{f.name}`: the field is no sequence, so it has one column")
        parts += [text(f.name), value]
    return f"named_struct({', '.join(parts)})"


def _as_lists(sequence: Sequence) -> tuple[Field, ...]:
    return tuple(Field(f.name, list_of(f.type)) for f in sequence.fields)


def _value(df: DataFrame, at: str, ref: ColumnRef, f: Field | Sequence) -> str:
    x = named_column(df, at, ref.column)
    given = _type(df, x)
    if isinstance(f, Sequence):
        return _objects(at, x, f, ref.unit) if isinstance(given, st.StringType) else x
    if isinstance(given, st.StringType) and f.type.kind is not Kind.STRING:
        return _from_text(at, x, f.type, ref.unit)
    if isinstance(given, st.StructType) and f.type.kind is Kind.MAP:  # what JSON writes as an object
        return _from_text(at, f"to_json({x})", f.type, ref.unit)
    if f.type.kind is Kind.TIMESTAMP:
        return _in_microseconds(at, x, given, ref.unit) or x
    if f.type.is_listlike and isinstance(given, st.ArrayType):
        return _elements(at, x, given.elementType, f.type.item, ref.unit)
    return x


def _elements(at: str, x: str, given: st.DataType, item: Type, unit: str) -> str:
    """A list whose elements are times, or text that is to be read."""
    element: str | None = None
    if item.kind is Kind.TIMESTAMP:
        element = _in_microseconds(at, "t_", given, unit)
    elif isinstance(given, st.StringType) and item.is_scalar and item.kind is not Kind.STRING:
        element = _from_text(at, "t_", item, unit)
    return f"transform({x}, t_ -> {element})" if element else x


def _in_microseconds(at: str, x: str, given: st.DataType, unit: str) -> str | None:
    if isinstance(given, st.TimestampType | st.TimestampNTZType | st.DateType):
        return f"unix_micros(cast({x} as timestamp))"
    if isinstance(given, _INTEGERS):
        return _scaled(at, f"cast({x} as bigint)", unit)
    if isinstance(given, st.FloatType | st.DoubleType) and unit != "ns":
        return f"try_cast(round(cast({x} as double) * {UNITS[unit]}D) as bigint)"
    if isinstance(given, st.StringType):
        return _time_of_text(at, x, unit)
    return None


def _scaled(at: str, x: str, unit: str) -> str:
    if unit == "ns":
        return f"(({x} - pmod({x}, 1000L)) div 1000L)"
    wrong = f"raise_error(concat({text(f'`{at}`: no time counts so many {unit}: ')}, cast({x} as string)))"
    return f"if({x} is null, null, coalesce(try_multiply({x}, {UNITS[unit]}L), {wrong}))"


def _time_of_text(at: str, x: str, unit: str) -> str:
    """A date, a date with a time, or a number that counts `unit`. (Spark reads a time without a date as one of
    today, and digits as a year.)"""
    number = _scaled(at, f"try_cast(trim({x}) as bigint)", unit)
    cases = [("[+-]?[0-9]+", number), ("[+-]?[0-9]{4,6}-.*", f"unix_micros(try_cast({x} as timestamp))")]
    if unit != "ns":
        decimal = f"try_cast(round(try_cast({x} as double) * {UNITS[unit]}D) as bigint)"
        cases.append(("[+-]?[0-9]+[.][0-9]*", decimal))
    whens = " ".join(f"when trim({x}) rlike {text(f'^{form}$')} then {value}" for form, value in cases)
    wrong = f"raise_error(concat({text(f'`{at}`: is no timestamp: ')}, {x}))"
    return f"if({x} is null or trim({x}) = '', null, coalesce(case {whens} end, {wrong}))"


_TEXT_TYPES = {
    Kind.BOOL: "boolean",
    Kind.INT32: "int",
    Kind.INT64: "bigint",
    Kind.FLOAT32: "float",
    Kind.FLOAT64: "double",
    Kind.ID: "bigint",
}


def _from_text(at: str, x: str, type: Type, unit: str) -> str:
    """Text (of a CSV file) as a declared type; lists and maps are JSON. Empty text is null."""
    if type.kind is Kind.TIMESTAMP:
        return _time_of_text(at, x, unit)
    if type.is_scalar:
        return _parsed(at, x, _TEXT_TYPES[type.kind])
    read = _from_json(at, x, type)
    if type.is_listlike and type.item.kind is Kind.TIMESTAMP:
        return f"transform({read}, t_ -> {_time_of_text(at, 't_', unit)})"
    if type.kind is Kind.MAP and type.key is not None and type.key.kind is not Kind.STRING:
        key = _parsed(at, "e_.key", "bigint")
        return f"map_from_entries(transform(map_entries({read}), e_ -> struct({key}, e_.value)))"
    return read


def _objects(at: str, x: str, sequence: Sequence, unit: str) -> str:
    """The JSON text of a sequence."""
    parts: list[str] = []
    for f in sequence.fields:
        value = f"s_.{column(f.name)}"
        if f.type.kind is Kind.TIMESTAMP:
            value = _time_of_text(f"{at}.{f.name}", value, unit)
        parts += [text(f.name), value]
    return f"transform({_from_json(at, x, sequence)}, s_ -> named_struct({', '.join(parts)}))"


def _from_json(at: str, x: str, type: Type | Sequence) -> str:
    """JSON text. A map's keys, and times, are text in it; a sequence is a list of objects."""
    if isinstance(type, Sequence):
        members = ", ".join(f"{column(f.name)}: {_json_type(f.type)}" for f in type.fields)
        kind, name = f"array<struct<{members}>>", "list of objects"
    else:
        kind, name = _json_type(type), str(type)
    wrong = f"raise_error(concat({text(f'`{at}`: is no {name} in JSON: ')}, {x}))"
    # Spark takes one object for a list of one.
    opening = "{" if kind.startswith("map") else "["
    read = f"if(startswith(trim({x}), '{opening}'), from_json({x}, {text(kind)}), null)"
    return f"if({x} is null or trim({x}) in ('', 'null'), null, coalesce({read}, {wrong}))"


def _json_type(type: Type) -> str:
    if type.is_listlike:
        return f"array<{_json_type(type.item)}>"
    if type.kind is Kind.MAP:
        return f"map<string, {_json_type(type.item)}>"
    return _TEXT_TYPES.get(type.kind, "string")


def _fitting(at: str, x: str, type: str) -> str:
    wrong = f"raise_error(concat({text(f'`{at}`: does not fit {type}: ')}, cast({x} as string)))"
    return f"if({x} is null, null, coalesce(try_cast({x} as {type}), {wrong}))"


def _parsed(at: str, x: str, type: str) -> str:
    wrong = f"raise_error(concat({text(f'`{at}`: is no {type}: ')}, {x}))"
    return f"if({x} is null or trim({x}) = '', null, coalesce(try_cast({x} as {type}), {wrong}))"


def named_column(df: DataFrame, at: str, name: str) -> str:
    """The SQL of a column, which may be a field of a struct (`profile.age`)."""
    if name in df.columns:
        return column(name)
    first, *rest = name.split(".")
    type: st.DataType = df.schema
    for part in (first, *rest):
        if not isinstance(type, st.StructType) or part not in type.names:
            near = difflib.get_close_matches(name, df.columns, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"the columns are: {', '.join(df.columns)}"
            raise InputError(f"`{at}`: the table has no such column: {name}", help=advice)
        type = type[part].dataType
    return ".".join(column(part) for part in (first, *rest))


def _type(df: DataFrame, x: str) -> st.DataType:
    return df.select(functions.expr(x).alias("x")).schema["x"].dataType


def sortable(df: DataFrame, x: str) -> str:
    """SQL that orders rows by a value: itself, or where it holds a map, which has no order, its JSON."""
    return f"to_json(struct({x}))" if _has_map(_type(df, x)) else x


def _has_map(type: st.DataType) -> bool:
    if isinstance(type, st.StructType):
        return any(_has_map(f.dataType) for f in type.fields)
    return isinstance(type, st.MapType) or (isinstance(type, st.ArrayType) and _has_map(type.elementType))


def only_known(at: str, given: Mapping[str, object], known: Iterable[str], of: str) -> None:
    """Errors: `InputError` for a name in `given` that is not one of `known`, the fields of `of`."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(known))}"
            raise InputError(f"`{at}.{name}`: there is no such name in {of}", help=advice)


def several_rows(name: str, key: object, count: int) -> InputError:
    """The error for a key with several rows in a source without a time column."""
    return InputError(
        f"source `{name}` has no time column, but a key with {count} rows: {key}",
        help=f"name the column in feat.toml (`time` in [sources.{name}]), or keep one row a key",
    )
