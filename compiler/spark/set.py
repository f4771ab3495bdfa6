"""Lists as sets, in Spark SQL. `array_intersect` and `array_distinct` take NaN as one value, -0.0 as 0.0."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering


@lowering("overlap_count")
def overlap_count(call: Call) -> str:
    return f"cast(size(array_intersect({call.args[0]}, {call.args[1]})) as bigint)"


@lowering("jaccard")
def jaccard(call: Call) -> str:
    a, b = call.args
    both = f"size(array_intersect({a}, {b}))"
    either = f"size(array_union({a}, {b}))"
    return f"if({either} = 0, 0D, cast({both} as double) / cast({either} as double))"
