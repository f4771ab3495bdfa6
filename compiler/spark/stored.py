"""How a result is stored: in its declared width, and a float that is not finite as zero."""

from __future__ import annotations

from compiler.spark.cast import FLOAT32_LIMIT
from compiler.spark.sql import INFINITY
from featdsl.types import Kind, Type


def stored(type: Type, x: str) -> str:
    """The column `x`, as held inside the program, as it is stored. (To Spark, NaN is the greatest number.)"""
    if type.is_listlike:
        element = stored(type.item, "x_")
        return x if element == "x_" else f"transform({x}, x_ -> {element})"
    if type.kind is Kind.MAP:
        value = stored(type.item, "x_")
        return x if value == "x_" else f"transform_values({x}, (k_, x_) -> {value})"
    if type.kind is Kind.FLOAT64:
        return f"if(abs({x}) >= {INFINITY}, 0D, {x})"
    if type.kind is Kind.FLOAT32:
        return f"if(abs({x}) >= {FLOAT32_LIMIT}, cast(0 as float), cast({x} as float))"
    if type.kind is Kind.INT32:
        return f"cast({x} as int)"
    return f"timestamp_micros({x})" if type.kind is Kind.TIMESTAMP else x
