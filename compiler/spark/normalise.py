"""Numbers brought to a common scale, in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from compiler.spark.math import less
from compiler.spark.sql import number


@lowering("zscore")
def zscore(call: Call) -> str:
    mean, std = number(call.attributes["mean"]), number(call.attributes["std"])
    return f"({call.args[0]} - {mean}) / {std}"


@lowering("minmax")
def minmax(call: Call) -> str:
    low, high = call.attributes["low"], call.attributes["high"]
    place = f"(({call.args[0]} - {number(low)}) / {number(high - low)})"
    if not call.attributes["clip"]:
        return place
    return f"if({place} < 0D, 0D, if({less('1D', place, True)}, 1D, {place}))"


@lowering("log_scale")
def log_scale(call: Call) -> str:
    x, threshold = call.args[0], number(max(call.attributes["threshold"], 0.0))
    default = number(call.attributes["default"])
    return f"coalesce(if(isnan({x}) or {x} <= {threshold}, null, log10({x})), {default})"


@lowering("signed_log1p")
def signed_log1p(call: Call) -> str:
    x = call.args[0]
    return f"if({x} = 0D, {x}, log1p(abs({x})) * if({x} < 0D, -1D, 1D))"
