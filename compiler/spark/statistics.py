"""Statistics of a list in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import number
from featdsl.types import FLOAT_KINDS


@lowering("prod")
def prod(call: Call) -> str:
    one = "1D" if call.types[0].item.kind in FLOAT_KINDS else "1L"
    return f"aggregate({call.args[0]}, {one}, (product_, x_) -> product_ * x_)"


@lowering("histogram")
def histogram(call: Call) -> str:
    list, edges = call.args[0], call.attributes["edges"]
    bounds = f"array({', '.join(number(edge) for edge in edges)})"
    above = f"coalesce(x_ >= get({bounds}, b_ - 1), true)"
    below = f"coalesce(x_ < get({bounds}, b_), true)"
    inside = f"if(isnan(x_), b_ = 0, {above} and {below})"
    count = f"cast(size(filter({list}, x_ -> {inside})) as bigint)"
    return f"transform(sequence(0, {len(edges)}), b_ -> {count})"


@lowering("ew_mean")
def ew_mean(call: Call) -> str:
    kept = number(1.0 - call.attributes["alpha"])
    step = f"named_struct('t', s_.t * {kept} + x_, 'w', s_.w * {kept} + 1D)"
    start = "named_struct('t', 0D, 'w', 0D)"
    return f"aggregate({call.args[0]}, {start}, (s_, x_) -> {step}, s_ -> s_.t / s_.w)"


@lowering("drawdown")
def drawdown(call: Call) -> str:
    """To Spark NaN is the greatest number, here nothing is greater than it and it is greater than nothing."""
    list = call.args[0]
    peak = "if(not isnan(x_) and not isnan(s_.p) and x_ > s_.p, x_, s_.p)"
    fall = f"if(not isnan({peak}) and {peak} > 0D, ({peak} - x_) / {peak}, 0D)"
    worst = f"if(not isnan({fall}) and {fall} > s_.w, {fall}, s_.w)"
    start = f"named_struct('p', get({list}, 0), 'w', 0D)"
    step = f"named_struct('p', {peak}, 'w', {worst})"
    return f"if(size({list}) = 0, null, aggregate({list}, {start}, (s_, x_) -> {step}, s_ -> s_.w))"
