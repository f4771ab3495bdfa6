"""The implementations that must agree, an entry each: a checked program and joined rows in, values out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featdsl.program import CheckedProgram
from tests.conformance.tree import run_tree

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
    from compiler.spark.transform import transform

    rows = session.createDataFrame(table.append_column("row", pa.array(range(table.num_rows))))
    result = transform(compile_program(program), "features", rows, keep=["row"]).toArrow()
    return columns(result.sort_by("row").drop_columns(["row"]))


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
