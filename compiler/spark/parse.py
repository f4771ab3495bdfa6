"""From text to numbers in Spark SQL. Its casts take more than the language does, so the text is looked at first; JSON
and times are fall-backs."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import INFINITY, text

_INT = text(r"^[+-]?[0-9]+\z")
_FLOAT = text(r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z")


@lowering("parse_int")
def parse_int(call: Call) -> str:
    s = call.args[0]
    return f"if({s} rlike {_INT}, cast({s} as bigint), null)"


@lowering("parse_float")
def parse_float(call: Call) -> str:
    s = call.args[0]
    number = f"cast({s} as double)"
    return f"if({s} rlike {_FLOAT} and abs({number}) < {INFINITY}, {number}, null)"


@lowering("parse_bool")
def parse_bool(call: Call) -> str:
    s = call.args[0]
    return f"case when lower({s}) in ('true', '1') then true when lower({s}) in ('false', '0') then false end"
