"""Numbers to small ids in Spark SQL, and ids to vectors."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import integer, number, piecewise
from featdsl.operators.numeric import log_edges


@lowering("bucketize")
def bucketize(call: Call) -> str:
    x, edges = call.args[0], call.attributes["edges"]
    bounds = [call.constant("edges", edge) for edge in edges]
    buckets = [integer(i) for i in range(len(edges) + 1)]
    found = piecewise(x, bounds, buckets, closed=call.attributes["right"])
    return f"if(isnan({x}), 0L, {found})" if call.may_be_nan(0) else found


@lowering("log_bucketize")
def log_bucketize(call: Call) -> str:
    x, attributes = call.args[0], call.attributes
    edges = log_edges(attributes["base"], attributes["buckets"], attributes["start"])
    found = piecewise(x, [number(edge) for edge in edges], [integer(i) for i in range(len(edges) + 1)])
    return f"if(isnan({x}), 0L, {found})" if call.may_be_nan(0) else found


@lowering("one_hot")
def one_hot(call: Call) -> str:
    places = f"sequence(0L, {call.attributes['size'] - 1}L)"
    return f"transform({places}, place_ -> if(place_ = {call.args[0]}, 1L, 0L))"
