"""Joined rows: from a feat.toml (samples joined with sources), or from files of rows already joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark.sql.types as st
from pyspark.sql import functions

from compiler.bundle import Bundle
from compiler.spark.read import read_one
from compiler.spark.sql import column, text
from featdsl.errors import InputError
from featdsl.program import Field, Sequence, Source
from featdsl.types import Kind, Type
from offline.config import ColumnRef, Columns, Config, SamplesConfig, SourceConfig, Table
from offline.dataset import JoinedRows, fields_to_read
from offline.join import join_source, need_time
from offline.layout import Layout, layout_of
from offline.lookup import Lookup, lookup_of
from offline.sources import (
    TIME,
    SourceRows,
    key_of,
    microseconds,
    named_column,
    only_known,
    read_table,
    sortable,
    source_rows,
    struct_of,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

Say = Callable[[str], None]

_LABEL_TYPES = {
    Kind.BOOL: "boolean",
    Kind.INT32: "int",
    Kind.INT64: "bigint",
    Kind.FLOAT32: "float",
    Kind.FLOAT64: "double",
    Kind.STRING: "string",
    Kind.TIMESTAMP: "timestamp",
    Kind.ID: "bigint",
}


def join_samples(
    session: SparkSession,
    bundle: Bundle,
    set_name: str,
    config: Config,
    say: Say = lambda line: None,
    *,
    labels: Mapping[str, Type] | None = None,
    until_us: int | None = None,
    ordered: bool = True,
) -> JoinedRows:
    """The sample log of feat.toml, joined with every source that the set reads, `ordered` by time, then keys, or as it
    comes. `labels` (by name, with their types) are read where they are not those of the set's model; of samples from
    `until_us` on there are none. Errors: `InputError` naming the key in feat.toml."""
    samples = config.samples
    if samples is None:
        raise InputError(
            f"{config.file.name}: `samples` is missing", help="name the sample log under [samples]"
        )
    only_known("sources", config.sources, [s.name for s in bundle.schema.sources], "the program")
    needed = fields_to_read(bundle, set_name)
    layout = layout_of(
        bundle,
        set_name,
        [entity.name for entity in bundle.schema.entities],
        samples.time is not None,
        labels_of(bundle, set_name) if labels is None else labels,
    )
    df = _read_samples(session, bundle, samples, layout, needed)
    if until_us is not None:
        if samples.time is None:
            raise InputError(
                f"{config.file.name}: the samples have no time to end at",
                help="name the column: `time` in [samples]",
            )
        df = df.where(f"{TIME} < {until_us}L")
    if samples.time is not None and layout.time is not None:
        df = df.withColumn(layout.time, functions.expr(f"timestamp_micros({TIME})"))
    sources: list[tuple[Source, SourceRows, Lookup | None]] = []
    for name, fields in needed.items():
        if name not in ("request", "candidate"):
            source = bundle.schema.source(name)
            rows = source_rows(session, table_of(config, source), source, fields)
            need_time(df, rows)
            say(f"joining {name}")
            sources.append((source, rows, lookup_of(session, source, rows)))
    joins = 1 + max((at for at, (_, _, lookup) in enumerate(sources) if lookup is None), default=-1)
    for source, rows, lookup in sources[:joins]:
        df = _joined(df, bundle, source, rows, lookup)
    # Lookups keep the order, so what is moved to sort is not yet wide.
    df = _ordered(df, layout) if ordered else df if joins else _spread(df, layout)
    hops = {source.key.partition(".")[0] for source, _, _ in sources if "." in source.key}
    late = []
    for source, rows, lookup in sources[joins:]:
        if lookup is not None and source.name not in hops:
            df = _with_key(df, bundle, source, lookup)
            late.append(lookup)
        else:
            df = _joined(df, bundle, source, rows, lookup)
    return JoinedRows(df, layout, (), tuple(late))


def _joined(
    df: DataFrame, bundle: Bundle, source: Source, rows: SourceRows, lookup: Lookup | None
) -> DataFrame:
    if lookup is None:
        return join_source(df, bundle.schema, source, rows)
    df = _with_key(df, bundle, source, lookup)
    return df.withColumn(source.name, lookup.column(df))


def _with_key(df: DataFrame, bundle: Bundle, source: Source, lookup: Lookup) -> DataFrame:
    return df.withColumn(lookup.key, functions.expr(read_one(bundle.schema, df.schema, source.key)))


def _ordered(df: DataFrame, layout: Layout) -> DataFrame:
    """Samples by time, then keys. Those of one time and keys have an order too: the same data comes out, whichever
    engine makes it."""
    rest = [name for name, _ in layout.labels.values()]
    rest += [name for name in ("request", "candidate") if name in df.columns]
    return df.orderBy(*_identity(layout), *(functions.expr(sortable(df, column(name))) for name in rest))


def _spread(df: DataFrame, layout: Layout) -> DataFrame:
    return df.repartition(*_identity(layout)) if _identity(layout) else df


def _identity(layout: Layout) -> list[str]:
    keys = [name for name, _ in layout.keys.values()]
    return [column(name) for name in (*([layout.time] if layout.time else []), *keys)]


def read_rows(
    session: SparkSession, bundle: Bundle, set_name: str, path: str, *, now_us: int | None = None
) -> JoinedRows:
    """Rows that are joined already (Parquet, JSON by its suffix), in their order. Keys, a `time` and labels
    are kept where the rows have columns of these names. `now_us`: what a field with `= now` reads as where
    the rows do not have it."""
    suffix = Path(path).suffix.removeprefix(".")
    format = "json" if suffix in ("json", "jsonl", "ndjson") else "parquet"
    options = {"dropFieldIfAllNull": "true"} if format == "json" else {}
    df = read_table(
        session, Table(path if "://" in path else str(Path(path).absolute()), format, options), "--rows"
    )
    order: tuple[str, ...] = ()
    if format == "parquet" and len(df.inputFiles()) > 1:
        order = ("__file", "__row_index")
        df = df.select(
            "*", *(functions.col(f"_metadata.{c[2:]}").alias(c) for c in ("__file_path", "__row_index"))
        )
        df = df.withColumnRenamed("__file_path", "__file")
    keys = [e.name for e in bundle.schema.entities if e.name in df.columns]
    labels = {name: type for name, type in labels_of(bundle, set_name).items() if name in df.columns}
    timed = "time" in df.columns and isinstance(df.schema["time"].dataType, st.TimestampType)
    layout = layout_of(bundle, set_name, keys, timed, labels)
    named: dict[str, Column] = {name: _not_null(entity) for entity, (name, _) in layout.keys.items()}
    if layout.time is not None:
        named[layout.time] = _not_null("time")
    for label, (name, type) in layout.labels.items():
        named[name] = functions.col(column(label)).cast(_LABEL_TYPES[type.kind])
    df = df.withColumns(named)
    df = df if now_us is None else _at(df, bundle.schema.request, now_us)
    return JoinedRows(df, layout, order, given=True)


def _at(df: DataFrame, fields: tuple[Field, ...], now_us: int) -> DataFrame:
    """The rows with the call's time in `request`, where it is absent."""
    type = df.schema["request"].dataType if "request" in df.columns else None
    present = type.names if isinstance(type, st.StructType) else []
    timed = [f.name for f in fields if f.now]
    if not timed or (type is not None and not isinstance(type, st.StructType | st.NullType)):
        return df
    parts: list[str] = []
    for name in dict.fromkeys([*present, *timed]):
        value = f"request.{column(name)}" if name in present else "null"
        if name in timed:
            time = isinstance(type, st.StructType) and name in present and type[name].dataType
            now = f"timestamp_micros({now_us}L)" if isinstance(time, st.TimestampType) else f"{now_us}L"
            value = f"coalesce({value}, {now})"
        parts += [text(name), value]
    return df.withColumn("request", functions.expr(f"named_struct({', '.join(parts)})"))


def table_of(config: Config, source: Source) -> SourceConfig:
    """The configuration of the table that a source's rows are stored in. Errors: `InputError` without one."""
    found = config.sources.get(source.rows_of)
    if found is None:
        raise InputError(
            f"{config.file.name}: `sources.{source.rows_of}` is missing",
            help=f"say where its rows lie: [sources.{source.rows_of}] with `path` and `key`",
        )
    return found


def labels_of(bundle: Bundle, set_name: str) -> dict[str, Type]:
    """The labels of a set's model, with their types."""
    if set_name == "features":
        return {}
    return {label.name: label.type for label in bundle.model(set_name.removeprefix("model/")).labels}


def _not_null(name: str) -> Column:
    missing = f"raise_error({text(f'column `{name}` has no value in a row')})"
    return functions.expr(f"coalesce({column(name)}, {missing})")


def _read_samples(
    session: SparkSession,
    bundle: Bundle,
    samples: SamplesConfig,
    layout: Layout,
    needed: dict[str, tuple[Field | Sequence, ...]],
) -> DataFrame:
    log = read_table(session, samples.table, "samples")
    only_known("samples.keys", samples.keys, layout.keys, "the program")
    if bundle.models:
        labels = [label.name for model in bundle.models.values() for label in model.labels]
        only_known("samples.labels", samples.labels, labels, "the program's models")
    columns: dict[str, str] = {}
    for entity, (name, type) in layout.keys.items():
        key = key_of(log, f"samples.keys.{entity}", _ref(samples.keys, entity).column, type)
        columns[entity] = f"coalesce({key}, raise_error({text(f'a sample has no key `{entity}`')}))"
        columns[name] = columns[entity]
    if samples.time is not None:
        at = microseconds(log, "samples.time", samples.time)
        columns[TIME] = f"coalesce({at}, raise_error({text('a sample has no time')}))"
    for name, declared, given in (
        ("request", bundle.schema.request, samples.request),
        ("candidate", bundle.schema.candidate, samples.candidate),
    ):
        only_known(f"samples.{name}", given, [f.name for f in declared], f"`{name}`")
        if name in needed:
            columns[name] = _sent(log, name, needed[name], given, columns.get(TIME))
    for label, (name, type) in layout.labels.items():
        x = named_column(log, f"samples.labels.{label}", _ref(samples.labels, label).column)
        columns[name] = _label(label, x, type)
    return log.select(*(functions.expr(sql).alias(name) for name, sql in columns.items()))


def _ref(columns: Columns, name: str) -> ColumnRef:
    ref = columns.get(name, ColumnRef(name))
    if not isinstance(ref, ColumnRef):
        raise InputError(f"`{name}` in [samples] is one column, not several")
    return ref


def _label(name: str, given: str, type: Type) -> str:
    cast = f"try_cast({given} as {_LABEL_TYPES[type.kind]})"
    wrong = f"raise_error(concat({text(f'label `{name}` is no {type}: ')}, cast({given} as string)))"
    return f"if({given} is null, null, coalesce({cast}, {wrong}))"


def _sent(
    log: DataFrame, name: str, fields: tuple[Field | Sequence, ...], columns: Columns, time: str | None
) -> str:
    """The struct `request` or `candidate`: from the columns named in feat.toml, else from those of the fields'
    names. A field with `= now` is the sample's time. What has no column reads as its default."""
    parts: list[str] = []
    for f in fields:
        at = f"samples.{name}.{f.name}"
        now = isinstance(f, Field) and f.now and f.name not in columns
        if now:
            if time is None:
                raise InputError(
                    f"`{at}` is the sample's time, but the samples have none",
                    help="name the column: `time` in [samples]",
                )
            parts += [text(f.name), time]
        elif f.name in columns or f.name in log.columns:
            one = struct_of(log, f"samples.{name}", [f], columns)
            value = f"{one}.{column(f.name)}"
            parts += [
                text(f.name),
                f"coalesce({value}, {time})" if getattr(f, "now", False) and time else value,
            ]
        elif isinstance(f, Field) and f.default is None and not f.type.nullable and f.type.is_scalar:
            raise InputError(
                f"`{at}` is missing: the field is required, and the samples have no column of its name",
                help=f"name its column under [samples.{name}], or give the field a default in the program",
            )
    return f"named_struct({', '.join(parts)})" if parts else "cast(null as struct<none: int>)"
