"""Numbers to small ids in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import integer, piecewise


@lowering("bucketize")
def bucketize(call: Call) -> str:
    x, edges = call.args[0], call.attributes["edges"]
    bounds = [call.constant("edges", edge) for edge in edges]
    buckets = [integer(i) for i in range(len(edges) + 1)]
    found = piecewise(x, bounds, buckets, closed=call.attributes["right"])
    return f"if(isnan({x}), 0L, {found})" if call.may_be_nan(0) else found
