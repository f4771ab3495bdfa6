"""Maps in Spark SQL. Its maps keep the order of their entries, and the session lets the last of equal keys win."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering, rows
from compiler.spark.sql import number, text
from featdsl.types import Kind

rows({"keys": "map_keys({0})", "values": "map_values({0})"})


@lowering("get")
def get(call: Call) -> str:
    found = f"try_element_at({call.args[0]}, {call.args[1]})"
    return found if len(call.args) == 2 else f"coalesce({found}, {call.args[2]})"


@lowering("get_many")
def get_many(call: Call) -> str:
    map, keys = call.args
    found = f"filter(transform({keys}, k_ -> try_element_at({map}, k_)), v_ -> v_ is not null)"
    result = _combined(found, call.attributes["combiner"])
    return (
        f"coalesce({result}, {number(call.attributes['default'])})"
        if "default" in call.attributes
        else result
    )


def _combined(values: str, combiner: str) -> str:
    """One float of a list of them, left to right; null of none. NaN, which Spark orders above all, is neither less
    nor greater."""
    if combiner == "first":
        return f"get({values}, 0)"
    if combiner == "mean":
        start, step = "named_struct('s', 0D, 'n', 0L)", "named_struct('s', c_.s + x_, 'n', c_.n + 1L)"
        finish = "if(c_.n = 0L, null, c_.s / cast(c_.n as double))"
        return f"aggregate({values}, {start}, (c_, x_) -> {step}, c_ -> {finish})"
    step = {
        "sum": "coalesce(c_, 0D) + x_",
        "min": "if(c_ is null or (x_ < c_ and not isnan(c_)), x_, c_)",
        "max": "if(c_ is null or (x_ > c_ and not isnan(x_)), x_, c_)",
    }[combiner]
    return f"aggregate({values}, cast(null as double), (c_, x_) -> {step})"


@lowering("match")
def match(call: Call) -> str:
    map, key, inner_key = call.args
    wildcard = call.attributes.get("wildcard")
    if wildcard is None:
        return f"try_element_at(try_element_at({map}, {key}), {inner_key})"
    outer = f"filter(map_entries({map}), o_ -> {_admits(key, 'o_.key', wildcard, call, 1)})"
    inner = f"filter(map_entries(o_.value), n_ -> {_admits(inner_key, 'n_.key', wildcard, call, 2)})"
    values = f"flatten(transform({outer}, o_ -> transform({inner}, n_ -> n_.value)))"
    return _combined(values, call.attributes["combiner"])


def _admits(key: str, entry: str, wildcard: str, call: Call, index: int) -> str:
    same = f"{entry} = {key}"
    return f"({key} = {text(wildcard)} or {same})" if call.types[index].kind is Kind.STRING else same


@lowering("kv_dot")
def kv_dot(call: Call) -> str:
    (a, b), (a_type, b_type) = call.args, call.types
    bare = a_type.is_listlike
    terms = f"array_distinct({a})" if bare else f"map_entries({a})"
    key, value = ("x_", "1D") if bare else ("x_.key", "x_.value")
    other = (
        f"if(array_contains({b}, {key}), 1D, null)" if b_type.is_listlike else f"try_element_at({b}, {key})"
    )
    return f"aggregate({terms}, 0D, (c_, x_) -> c_ + coalesce({value} * {other}, 0D))"


@lowering("top_keys")
def top_keys(call: Call) -> str:
    """The sort is stable."""
    less = "when l_.value > r_.value then -1 when l_.value < r_.value then 1 else 0 end"
    if call.types[0].item.kind in (Kind.FLOAT32, Kind.FLOAT64):
        less = (
            f"when isnan(l_.value) or isnan(r_.value) then int(isnan(l_.value)) - int(isnan(r_.value)) {less}"
        )
    ordered = f"array_sort(map_entries({call.args[0]}), (l_, r_) -> case {less})"
    return f"transform(slice({ordered}, 1, {min(call.attributes['n'], 2_147_483_647)}), t_ -> t_.key)"


@lowering("merge")
def merge(call: Call) -> str:
    a, b = call.args
    combiner = call.attributes.get("combiner")
    if combiner is None:
        return f"map_from_entries(concat(map_entries({a}), map_entries({b})))"
    less, greater = "y_ < x_", "y_ > x_"
    if call.result.item.kind in (Kind.FLOAT32, Kind.FLOAT64):
        less, greater = f"{less} and not isnan(x_)", f"{greater} and not isnan(y_)"
    both = {"sum": "x_ + y_", "min": f"if({less}, y_, x_)", "max": f"if({greater}, y_, x_)"}[combiner]
    return f"map_zip_with({a}, {b}, (k_, x_, y_) -> if(x_ is null, y_, if(y_ is null, x_, {both})))"


@lowering("to_map")
def to_map(call: Call) -> str:
    keys, values = call.args
    size = f"least(size({keys}), size({values}))"
    return f"map_from_arrays(slice({keys}, 1, {size}), slice({values}, 1, {size}))"
