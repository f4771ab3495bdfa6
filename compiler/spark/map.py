"""Maps in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering


@lowering("get")
def get(call: Call) -> str:
    found = f"try_element_at({call.args[0]}, {call.args[1]})"
    return found if len(call.args) == 2 else f"coalesce({found}, {call.args[2]})"
