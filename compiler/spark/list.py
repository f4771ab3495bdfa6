"""Lists in Spark SQL."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering, rows
from compiler.spark.sql import held_as

rows(
    {
        "each": "{0}",
        "first": "get({0}, 0)",
        "last": "try_element_at({0}, -1)",
    }
)

_MOST = 2_147_483_647


@lowering("size")
def size(call: Call) -> str:
    return f"cast(size({call.args[0]}) as bigint)"


@lowering("as_list")
def as_list(call: Call) -> str:
    x = call.args[0]
    return f"if({x} is null, cast(array() as {held_as(call.result)}), array({x}))"


@lowering("at")
def at(call: Call) -> str:
    list, index = call.args
    place = f"if({index} < 0L, {index} + size({list}), {index})"
    return f"if({place} >= 0L and {place} < size({list}), get({list}, cast({place} as int)), null)"


@lowering("take")
def take(call: Call) -> str:
    return f"slice({call.args[0]}, 1, {min(call.attributes['n'], _MOST)})"


@lowering("pad")
def pad(call: Call) -> str:
    list, n = call.args[0], call.attributes["n"]
    fill = f"cast({call.constant('fill', call.attributes['fill'])} as {held_as(call.result.item)})"
    return f"concat(slice({list}, 1, {n}), array_repeat({fill}, {n} - size({list})))"


@lowering("distinct")
def distinct(call: Call) -> str:
    """Of floats the first of equals is kept as it is: `array_distinct` makes 0.0 of -0.0."""
    list = call.args[0]
    if call.result.item.kind.value.startswith("float"):
        zero = f"get(filter({list}, z_ -> z_ = 0D), 0)"
        return f"transform(array_distinct({list}), x_ -> if(x_ = 0D, {zero}, x_))"
    return f"array_distinct({list})"


@lowering("contains")
def contains(call: Call) -> str:
    function = "array_contains" if call.types[0].is_listlike else "contains"
    return f"{function}({call.args[0]}, {call.args[1]})"


@lowering("sum")
def sum(call: Call) -> str:
    zero = "0D" if call.result.kind.value.startswith("float") else "0L"
    return f"aggregate({call.args[0]}, {zero}, (sum_, x_) -> sum_ + x_)"


@lowering("mean")
def mean(call: Call) -> str:
    list = call.args[0]
    total = f"aggregate({list}, 0D, (sum_, x_) -> sum_ + cast(x_ as double))"
    return f"{total} / cast(size({list}) as double)"


@lowering("count")
def count(call: Call) -> str:
    return f"cast(size(filter({call.args[0]}, x_ -> x_)) as bigint)"


@lowering("any")
def any(call: Call) -> str:
    return f"exists({call.args[0]}, x_ -> x_)"


@lowering("all")
def all(call: Call) -> str:
    return f"forall({call.args[0]}, x_ -> x_)"
