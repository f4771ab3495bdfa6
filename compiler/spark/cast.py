"""Casts in Spark SQL. Spark's own saturate, so the range is looked at first. A float as text is a fallback."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from featdsl.types import Kind

FLOAT32_LIMIT = "3.4028235677973366e38D"
"""2**128 - 2**103: what is smaller in size rounds to a finite float32."""


@lowering("bool")
def bool(call: Call) -> str:
    x = call.args[0]
    if call.types[0].kind is Kind.BOOL:
        return x
    return f"{x} <> 0D" if call.is_float() else f"{x} <> 0L"


@lowering("int32")
def int32(call: Call) -> str:
    x, given = call.args[0], call.types[0].kind
    if given is Kind.INT32:
        return x
    if given is Kind.BOOL:
        return f"cast({x} as bigint)"
    if call.is_float():
        return f"if({x} > -2147483649D and {x} < 2147483648D, cast({x} as bigint), null)"
    return f"if({x} between -2147483648L and 2147483647L, {x}, null)"


@lowering("int64")
def int64(call: Call) -> str:
    x = call.args[0]
    if call.is_float():
        return f"if({x} >= -9223372036854775808D and {x} < 9223372036854775808D, cast({x} as bigint), null)"
    return f"cast({x} as bigint)" if call.types[0].kind is Kind.BOOL else x


@lowering("float32")
def float32(call: Call) -> str:
    x = call.args[0]
    if call.types[0].kind in (Kind.FLOAT32, Kind.BOOL):
        return f"cast({x} as double)"
    if call.is_float():
        return f"if(abs({x}) < {FLOAT32_LIMIT}, cast(cast({x} as float) as double), null)"
    # Spark takes bigint to float for a widening, and would leave it out before the cast to double
    return f"cast(cast({x} as float) * 1F as double)"


@lowering("float64")
def float64(call: Call) -> str:
    if call.types[0].kind is Kind.MAP:
        one = "cast(x_ as double)"
        if call.types[0].item.kind is Kind.MAP:
            one = f"transform_values(x_, (l_, y_) -> {one.replace('x_', 'y_')})"
        return f"transform_values({call.args[0]}, (k_, x_) -> {one})"
    return f"cast({call.args[0]} as double)"


@lowering("string")
def string(call: Call) -> str:
    return f"cast({call.args[0]} as string)"
