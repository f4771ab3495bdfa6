"""Types of Parquet files that Spark reads as other ones, put right by the Arrow schema in the file.

A column of nothing but nulls, without a type, is `int` to Spark: it becomes void, which reads as missing.
Timestamps in nanoseconds are bigint (with the setting that makes Spark read them at all): they become timestamps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from compiler.spark.sql import column, text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def with_arrow_types(df: DataFrame, schema: pa.Schema) -> DataFrame:
    """`df`, read from a file with the Arrow schema `schema`, typed as there."""
    from pyspark.sql import functions

    typed = {f.name: _typed(column(f.name), f.type) for f in schema if f.name in df.columns}
    return df.withColumns({name: functions.expr(sql) for name, sql in typed.items() if sql is not None})


def _typed(x: str, type: pa.DataType, depth: int = 0) -> str | None:
    """The SQL of `x` as `type`; None where nothing is to be done."""
    if pa.types.is_null(type):
        return "null"
    if pa.types.is_timestamp(type) and type.unit == "ns":
        return f"timestamp_micros(({x} - pmod({x}, 1000L)) div 1000L)"
    if pa.types.is_struct(type):
        members = {f.name: _typed(f"{x}.{column(f.name)}", f.type, depth) for f in type}
        if not any(members.values()):
            return None
        parts = ", ".join(f"{text(n)}, {sql or f'{x}.{column(n)}'}" for n, sql in members.items())
        return f"if({x} is null, null, named_struct({parts}))"
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        element = f"v{depth}_"
        sql = _typed(element, type.value_type, depth + 1)
        return None if sql is None else f"transform({x}, {element} -> {sql})"
    return None


def arrow_schema(files: Iterable[str]) -> pa.Schema | None:
    """The Arrow schema of the first of some Parquet files on this machine, None if it cannot be read."""
    import pyarrow.parquet as pq

    for file in files:
        try:
            return pq.read_schema(file.removeprefix("file://"))
        except (OSError, pa.ArrowException):
            return None
    return None
