"""Columns of Parquet files that hold nothing but nulls.

Arrow writes a column without a type (`null`) as integers with a mark that Spark does not know: it sees `int`.
Here such columns, and fields of structs and lists, become Spark's void again, which reads as missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from compiler.spark.sql import column, text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def with_void_columns(df: DataFrame, schema: pa.Schema) -> DataFrame:
    """`df`, read from a file with the Arrow schema `schema`, with its columns of nulls typed as such."""
    from pyspark.sql import functions

    typed = {f.name: _typed(column(f.name), f.type) for f in schema if f.name in df.columns}
    return df.withColumns({name: functions.expr(sql) for name, sql in typed.items() if sql is not None})


def _typed(x: str, type: pa.DataType, depth: int = 0) -> str | None:
    """The SQL of `x` with void in it; None where nothing is to be done."""
    if pa.types.is_null(type):
        return "null"
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
