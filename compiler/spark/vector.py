"""Vectors in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering
from featdsl.types import FLOAT_KINDS


def _products(a: str, b: str) -> str:
    return f"aggregate(zip_with({a}, {b}, (x_, y_) -> x_ * y_), 0D, (sum_, x_) -> sum_ + x_)"


def _of_one_size(call: Call, body: str) -> str:
    a, b = call.args
    return f"if(size({a}) = size({b}), {body}, null)"


@lowering("dot")
def dot(call: Call) -> str:
    return _of_one_size(call, _products(*call.args))


@lowering("l2_norm")
def l2_norm(call: Call) -> str:
    return f"sqrt({_products(call.args[0], call.args[0])})"


@lowering("euclidean")
def euclidean(call: Call) -> str:
    a, b = call.args
    squares = f"zip_with({a}, {b}, (x_, y_) -> (x_ - y_) * (x_ - y_))"
    return _of_one_size(call, f"sqrt(aggregate({squares}, 0D, (sum_, x_) -> sum_ + x_))")


@lowering("cosine")
def cosine(call: Call) -> str:
    a, b = call.args
    if call.types[0].item.kind in FLOAT_KINDS:
        scale = f"sqrt({_products(a, a)}) * sqrt({_products(b, b)})"
        # a division by zero is null
        return _of_one_size(call, f"if({scale} = 0D, 0D, {_products(a, b)} / ({scale}))")
    both = f"size(array_intersect({a}, {b}))"
    product = " * ".join(f"cast(size(array_distinct({x})) as bigint)" for x in (a, b))
    return f"if({product} = 0L, 0D, cast({both} as double) / sqrt(cast({product} as double)))"


def _sum(list: str) -> str:
    return f"aggregate({list}, 0D, (sum_, x_) -> sum_ + x_)"


@lowering("corr")
def corr(call: Call) -> str:
    """One pass for the means, one for the sums of squares and products: NaN and 0 as the engine has them."""
    a, b = call.args
    n = f"cast(size({a}) as double)"
    means = f"named_struct('a', {_sum(a)} / {n}, 'b', {_sum(b)} / {n})"
    pairs = f"zip_with({a}, {b}, (x_, y_) -> named_struct('x', x_ - m_.a, 'y', y_ - m_.b))"
    start = "named_struct('aa', 0D, 'bb', 0D, 'ab', 0D)"
    step = "named_struct('aa', s_.aa + p_.x * p_.x, 'bb', s_.bb + p_.y * p_.y, 'ab', s_.ab + p_.x * p_.y)"
    scale = "sqrt(s_.aa) * sqrt(s_.bb)"
    found = (
        f"aggregate({pairs}, {start}, (s_, p_) -> {step}, s_ -> if({scale} = 0D, null, s_.ab / ({scale})))"
    )
    made = f"get(transform(array({means}), m_ -> {found}), 0)"
    same = [f"array_min({v}) = array_max({v}) and not isnan(array_max({v}))" for v in (a, b)]
    return _of_one_size(call, f"if(size({a}) = 0 or {' or '.join(same)}, null, {made})")


@lowering("sum_pool")
def sum_pool(call: Call) -> str:
    return _pooled(call, "sum_ + x_", "x_", first="0D")


@lowering("mean_pool")
def mean_pool(call: Call) -> str:
    return _pooled(call, "sum_ + x_", f"x_ / cast(size({call.args[0]}) as double)", first="0D")


@lowering("max_pool")
def max_pool(call: Call) -> str:
    return _pooled(call, "if(not isnan(x_) and not isnan(sum_) and x_ > sum_, x_, sum_)", "x_")


@lowering("min_pool")
def min_pool(call: Call) -> str:
    return _pooled(call, "if(not isnan(x_) and not isnan(sum_) and x_ < sum_, x_, sum_)", "x_")


def _pooled(call: Call, step: str, last: str, first: str = "x_") -> str:
    """`step` of the value so far and the next vector's, at each place; `first` is what it begins with."""
    list = call.args[0]
    start = f"transform(get({list}, 0), x_ -> {first})"
    added = f"zip_with(all_, v_, (sum_, x_) -> {step})"
    finish = f"all_ -> transform(all_, x_ -> {last})"
    return f"aggregate({list}, {start}, (all_, v_) -> {added}, {finish})"
