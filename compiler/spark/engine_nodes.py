"""Nodes that run in the engine inside a Spark plan: an Arrow UDF over the node's arguments.

Inside the program integers are bigint and floats double; the engine is given the declared types.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

from compiler.arrow_types import arrow_type
from compiler.ir import Node
from compiler.native.emit import emit
from compiler.passes.split import Output, Stage
from compiler.spark.sql import column, held_as
from featdsl.types import FLOAT_KINDS, Kind, Type, parse_type

if TYPE_CHECKING:
    from pyspark.sql import Column

_RESULT = "result"


def engine_column(node: Node) -> Column:
    """The node as a column, its arguments being the columns `$<id>` (constants are in the program)."""
    from pyspark.sql import functions
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]

    inputs = {f"${a.id}": a for a in node.args if a.op != "const"}
    constants = {a.id: a for a in node.args if a.op == "const"}
    stage = Stage(
        "pair", tuple(inputs.items()), (*constants.values(), node), (Output(_RESULT, node, node.type, False),)
    )
    program = emit(stage)
    types = tuple((name, str(argument.type)) for name, argument in inputs.items())
    result = held_as(node.type)

    def run(*arrays: pa.Array) -> pa.Array:
        return run_node(program, types, list(arrays[: len(types)]), str(node.type), len(arrays[0]))

    # a function needs a column to know how many rows there are
    columns = [functions.col(column(name)) for name in inputs] or [functions.lit(0)]
    made: Column = arrow_udf(run, result)(*columns)
    return made.alias(f"${node.id}")


def run_node(
    program: bytes, types: tuple[tuple[str, str], ...], arrays: list[pa.Array], result: str, rows: int
) -> pa.Array:
    """Runs a program of one result on arrays of `rows` as Spark holds them."""
    from engine._engine import Batch

    declared = [array.cast(_given(parse_type(type))) for array, (_, type) in zip(arrays, types, strict=True)]
    batch = pa.record_batch(declared, names=[name for name, _ in types])
    batches = [Batch.from_arrow(batch, list(types))] if types else []
    out = _program(program).run(batches, rows)
    return pa.record_batch(out).column(0).cast(_held(parse_type(result)))


@cache
def _program(data: bytes):  # type: ignore[no-untyped-def]
    from engine._engine import Program

    return Program(data)


def _given(type: Type) -> pa.DataType:
    """The Arrow type of an argument: a vector stays a list, for pyarrow 26 crashes where it casts lists that are all
    null to one."""
    if type.is_listlike:
        return pa.list_(_given(type.item))
    if type.kind is Kind.MAP:
        assert type.key is not None
        return pa.map_(_given(type.key), _given(type.item))
    return arrow_type(type)


def _held(type: Type) -> pa.DataType:
    """The Arrow type of a value as Spark holds it inside the program."""
    if type.is_listlike:
        return pa.list_(_held(type.item))
    if type.kind is Kind.MAP:
        assert type.key is not None
        return pa.map_(_held(type.key), _held(type.item))
    if type.kind in (Kind.BOOL, Kind.STRING):
        return arrow_type(type)
    return pa.float64() if type.kind in FLOAT_KINDS else pa.int64()
