"""Comparison, truth and choice in Spark SQL. To Spark NaN equals NaN and is the greatest number; here not."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering, rows

rows(
    {
        "and": "{0} and {1}",
        "or": "{0} or {1}",
        "not": "not {0}",
        "if": "if({0}, {1}, {2})",
        "coalesce": "coalesce({0}, {1})",
        "is_null": "{0} is null",
        "in": "array_contains({1}, {0})",
    }
)


def _unless_nan(call: Call, index: int, comparison: str) -> str:
    """`comparison`, but false where the argument is NaN."""
    return f"not isnan({call.args[index]}) and {comparison}" if call.may_be_nan(index) else comparison


@lowering("equal")
def equal(call: Call) -> str:
    return _unless_nan(call, 0, f"{call.args[0]} = {call.args[1]}")


@lowering("not_equal")
def not_equal(call: Call) -> str:
    return f"not ({equal(call)})"


@lowering("less")
def less(call: Call) -> str:
    return _unless_nan(call, 1, f"{call.args[0]} < {call.args[1]}")


@lowering("less_equal")
def less_equal(call: Call) -> str:
    return _unless_nan(call, 1, f"{call.args[0]} <= {call.args[1]}")


@lowering("greater")
def greater(call: Call) -> str:
    return _unless_nan(call, 0, f"{call.args[0]} > {call.args[1]}")


@lowering("greater_equal")
def greater_equal(call: Call) -> str:
    return _unless_nan(call, 0, f"{call.args[0]} >= {call.args[1]}")
