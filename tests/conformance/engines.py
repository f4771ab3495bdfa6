"""The implementations that must agree, an entry each: a checked program and joined rows in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featdsl.program import CheckedProgram
from tests.conformance.tree import run_tree

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from compiler.bundle import Bundle

Engine = Callable[[CheckedProgram, pa.Table], dict[str, list[Any]]]


def reference(program: CheckedProgram, table: pa.Table) -> dict[str, list[Any]]:
    """The IR after all passes, with the operators' references."""
    from compiler.bundle import compile_program
    from compiler.reference.run import run_rows

    return columns(run_rows(compile_program(program), "features", table))


def native(program: CheckedProgram, table: pa.Table) -> dict[str, list[Any]]:
    """The C++ engine."""
    from compiler.bundle import compile_program
    from compiler.native.rows import run_rows

    return columns(run_rows(compile_program(program), "features", table))


def spark(program: CheckedProgram, table: pa.Table, session: SparkSession) -> dict[str, list[Any]]:
    """Spark columns; what Spark cannot match to the bit runs in the engine there, as its lowering says."""
    from compiler.bundle import compile_program

    return spark_columns(compile_program(program), table, session)


def spark_columns(bundle: Bundle, table: pa.Table, session: SparkSession) -> dict[str, list[Any]]:
    """The features as Spark makes them."""
    from compiler.spark.transform import transform

    rows = session.createDataFrame(table.append_column("row", pa.array(range(table.num_rows))))
    made = transform(bundle, "features", rows, keep=["row"])
    return columns(made.toArrow().sort_by("row").drop_columns(["row"]))


def engine_calls(bundle: Bundle, table: pa.Table, session: SparkSession) -> int:
    """How many values of a row Spark's optimized plan gets from the engine; all others are Spark's own."""
    from compiler.spark.transform import transform

    frame = transform(bundle, "features", session.createDataFrame(table))
    frame.sparkSession.conf.set("spark.sql.debug.maxToStringFields", "1000000")
    plan = frame._jdf.queryExecution().optimizedPlan().toString()
    calls = re.findall(r"ArrowEvalPython \[(.*?)\], \[(.*?)\], \d+\n", plan)
    return sum(len(results.split(", ")) for _, results in calls)


ENGINES: dict[str, Engine] = {"tree": run_tree, "reference": reference, "native": native}


def columns(table: pa.Table) -> dict[str, list[Any]]:
    """Columns as Python values; a timestamp as int microseconds, a map as a dict."""
    return {name: _values(table.column(name)) for name in table.column_names}


def _values(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.cast(_plain(column.type)).to_pylist(maps_as_pydicts="strict")
    return values


def _plain(type: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(type):
        return pa.int64()
    if pa.types.is_fixed_size_list(type):
        return pa.list_(_plain(type.value_type), type.list_size)
    if pa.types.is_list(type):
        return pa.list_(_plain(type.value_type))
    return type
