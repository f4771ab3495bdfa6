"""Ids in Spark SQL: `xxhash64` of Spark is XXH64 with seed 42, and chains its arguments as `cross` does; `hash`
is its Murmur3, with that seed too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import integer, text
from featdsl.resources import Vocab
from featdsl.types import Kind

SCANNED = 64
"""Up to this size a vocab is scanned, beyond it is searched."""


@lowering("hash")
def hash(call: Call) -> str:
    x, given = call.args[0], call.types[0].kind
    if given is Kind.ID:
        code = x
    elif call.attributes["algorithm"] == "murmur3":
        narrow = call.attributes.get("width") == 32
        held = ("float" if call.is_float() else "int") if narrow else None
        code = f"cast(hash({f'cast({x} as {held})' if held else x}) as bigint)"
    else:
        code = f"xxhash64(cast({x} as bigint))" if given is Kind.BOOL else f"xxhash64({x})"
    buckets, offset = call.attributes.get("buckets"), call.attributes.get("offset")
    if buckets is None:
        return code
    if offset is not None:
        return f"{offset}L + pmod({code}, {buckets}L)"
    folded = f"1L + pmod({code}, {buckets - 1}L)"
    return f"if({x} is null, 0L, {folded})" if call.types[0].nullable else folded


@lowering("cross")
def cross(call: Call) -> str:
    if not call.types[0].is_listlike:
        return f"xxhash64({', '.join(call.args)})"
    names = [f"p{i}_" for i in range(len(call.args))]
    parts = [
        f"coalesce({part}, cast(array() as array<bigint>))" if type.nullable else part
        for part, type in zip(call.args, call.types, strict=True)
    ]
    product = f"transform({parts[-1]}, {names[-1]} -> xxhash64({', '.join(names)}))"
    for part, name in zip(reversed(parts[:-1]), reversed(names[:-1]), strict=True):
        product = f"flatten(transform({part}, {name} -> {product}))"
    return product


@lowering("lookup")
def lookup(call: Call) -> str:
    x, given = call.args[0], call.attributes
    vocab, ids, buckets = given["vocab"], given.get("ids"), given.get("oov_buckets")
    assert isinstance(vocab, Vocab)
    plain = "offset" in given or ids is not None
    first = given.get("offset", 2)
    if buckets is not None:
        other = f"({first + len(vocab.entries)}L + pmod(xxhash64({x}), {buckets}L))"
    elif "default" in given:
        other = integer(given["default"])
    else:
        other = "cast(null as bigint)" if plain else "1L"
    found = _looked_up(x, vocab.entries, ids or range(first, first + len(vocab.entries)), other)
    return found if plain or not call.types[0].nullable else f"if({x} is null, 0L, {found})"


def _looked_up(x: str, entries: Sequence[object], ids: Sequence[int], other: str) -> str:
    """The id of an entry, `other` for any other value; `x` is not null."""
    if not entries:
        return other
    if len(entries) > SCANNED:
        return _searched(x, entries, ids, other)
    place = f"array_position({_array(entries)}, {x})"
    if isinstance(ids, range):
        return f"coalesce(nullif({place}, 0L) + {ids.start - 1}L, {other})"
    return f"coalesce(get({_array(ids)}, cast({place} as int) - 1), {other})"


def _searched(x: str, entries: Sequence[Any], ids: Sequence[int], other: str) -> str:
    """A binary search: after the steps, `n_` entries of the sorted vocab are at most `x`."""
    order = sorted(range(len(entries)), key=lambda i: entries[i])
    ordered = _array(tuple(entries[i] for i in order))
    numbers = _array(tuple(ids[i] for i in order))
    steps = ", ".join(str(1 << bit) for bit in reversed(range(len(order).bit_length())))
    step = f"if(coalesce(get({ordered}, n_ + s_ - 1) <= {x}, false), n_ + s_, n_)"
    found = f"if(coalesce(get({ordered}, n_ - 1) = {x}, false), get({numbers}, n_ - 1), {other})"
    return f"aggregate(array({steps}), 0, (n_, s_) -> {step}, n_ -> {found})"


@lowering("index")
def index(call: Call) -> str:
    x, size, offset = call.args[0], call.attributes["size"], call.attributes.get("offset")
    inside = f"{x} >= 0L and {x} < {size}L"
    if offset is not None:
        return f"if({inside}, {x} + {offset}L, null)"
    return f"if({x} is null, 0L, if({inside}, {x} + 2L, 1L))"


@lowering("combine")
def combine(call: Call) -> str:
    sizes = [call.attributes[f"{part}_size"] for part in "abcdef"[: len(call.args)]]
    code = call.args[0]
    for part, size in zip(call.args[1:], sizes[1:], strict=True):
        code = f"({code} * {size}L + {part})"
    inside = " and ".join(
        f"{part} >= 0L and {part} < {size}L" for part, size in zip(call.args, sizes, strict=True)
    )
    return f"if({inside}, {code}, null)"


def _array(entries: Sequence[object]) -> str:
    """A constant array, as one literal that is split while Spark optimises the query: an array of literals
    would cost a node an entry. Entries hold no line break (see the rules of vocab files)."""
    if isinstance(entries[0], str) and any("\n" in str(entry) for entry in entries):
        return f"array({', '.join(text(str(entry)) for entry in entries)})"
    if len(entries) <= SCANNED:
        return f"array({', '.join(text(e) if isinstance(e, str) else integer(int(str(e))) for e in entries)})"
    split = rf"split({text(chr(10).join(map(str, entries)))}, '\\n', -1)"
    return split if isinstance(entries[0], str) else f"cast({split} as array<bigint>)"
