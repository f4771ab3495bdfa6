"""From values to text in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import text
from featdsl.operators.format import pieces_of


@lowering("format")
def format(call: Call) -> str:
    first, *pieces = (text(piece) for piece in pieces_of(call.attributes["pattern"]))
    parts = [part for pair in zip(call.args, pieces, strict=True) for part in pair]
    return f"concat({', '.join([first, *parts])})"
