"""Picking and ordering lists in Spark SQL. `array_sort` with a comparison is stable; of its own it is by value."""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering, rows
from featdsl.types import FLOAT_KINDS

rows(
    {
        "filter": "filter({0}, (x_, n_) -> get({1}, n_))",
        "flatten": "flatten({0})",
        "zip": "map_from_arrays({0}, {1})",
        "diff": "transform(slice({0}, 2, greatest(size({0}) - 1, 0)), (x_, n_) -> x_ - get({0}, n_))",
    }
)

_MOST = 2_147_483_647


@lowering("slice")
def slice(call: Call) -> str:
    list, start = call.args[:2]
    begin = _clamped(start, list)
    end = _clamped(call.args[2], list) if len(call.args) > 2 else f"cast(size({list}) as bigint)"
    return f"slice({list}, cast({begin} + 1L as int), cast(greatest({end} - {begin}, 0L) as int))"


def _clamped(position: str, list: str) -> str:
    size = f"cast(size({list}) as bigint)"
    return f"if({position} < 0L, greatest({position} + {size}, 0L), least({position}, {size}))"


@lowering("take_last")
def take_last(call: Call) -> str:
    list, n = call.args[0], min(call.attributes["n"], _MOST)
    return f"slice({list}, greatest(size({list}) - {n}, 0) + 1, {n})"


@lowering("sort")
def sort(call: Call) -> str:
    descending = call.attributes["descending"]
    if call.types[0].item.kind in FLOAT_KINDS:
        return f"array_sort({call.args[0]}, (x_, y_) -> {_compared('x_', 'y_', True, descending)})"
    ascending = f"array_sort({call.args[0]})"
    return f"reverse({ascending})" if descending else ascending


@lowering("sort_by")
def sort_by(call: Call) -> str:
    list, by = call.args
    is_float = call.types[1].item.kind in FLOAT_KINDS
    compared = _compared("x_.k", "y_.k", is_float, call.attributes["descending"])
    places = f"transform({by}, (k_, n_) -> named_struct('k', k_, 'n', n_))"
    return f"transform(array_sort({places}, (x_, y_) -> {compared}), p_ -> get({list}, p_.n))"


def _compared(x: str, y: str, is_float: bool, descending: bool) -> str:
    """Less than 0 where `x` comes first: NaN comes last in both directions."""
    nan = f"when isnan({x}) or isnan({y}) then cast(isnan({x}) as int) - cast(isnan({y}) as int) "
    first, last = (">", "<") if descending else ("<", ">")
    return f"case {nan if is_float else ''}when {x} {first} {y} then -1 when {x} {last} {y} then 1 else 0 end"


@lowering("index_of")
def index_of(call: Call) -> str:
    list, value = call.args
    return f"nullif(array_position({list}, {value}), 0L) - 1L"
