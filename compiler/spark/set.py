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


@lowering("containment")
def containment(call: Call) -> str:
    a, b = call.args
    both, all = f"size(array_intersect({a}, {b}))", f"size(array_distinct({a}))"
    return f"if({all} = 0, 0D, cast({both} as double) / cast({all} as double))"


@lowering("intersection")
def intersection(call: Call) -> str:
    return f"array_intersect({call.args[0]}, {call.args[1]})"


@lowering("difference")
def difference(call: Call) -> str:
    return f"array_except({call.args[0]}, {call.args[1]})"


@lowering("is_equal")
def is_equal(call: Call) -> str:
    a, b = call.args
    return f"size({a}) = size({b}) and forall(zip_with({a}, {b}, (x_, y_) -> x_ = y_), x_ -> x_)"


@lowering("contains_in_order")
def contains_in_order(call: Call) -> str:
    list, part = call.args
    step = f"if(n_ < size({part}) and get({part}, n_) = x_, n_ + 1, n_)"
    return f"aggregate({list}, 0, (n_, x_) -> coalesce({step}, n_), n_ -> n_ = size({part}))"
