"""BERT's three vectors in Spark SQL. (Its words and pieces come from the engine.)"""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering


def _kept(call: Call) -> list[str]:
    """How many pieces of each text stay: the longer one gives way, of equals the second."""
    room = call.attributes["n"] - 1 - len(call.args)
    sizes = [f"size({text})" for text in call.args]
    if len(sizes) == 1:
        return [f"least({sizes[0]}, {room})"]
    a, b = sizes
    half = room // 2
    fits = f"{a} + {b} <= {room}"
    return [
        f"if({fits}, {a}, if({b} <= {half}, {room} - {b}, least({a}, {room - half})))",
        f"if({fits}, {b}, if({b} <= {half}, {b}, greatest({room} - {a}, {half})))",
    ]


@lowering("text_ids")
def text_ids(call: Call) -> str:
    vocab = call.attributes["vocab"]
    first, separator, fill = (
        f"{vocab.id_of(call.attributes[name]) - 2}L" for name in ("first", "separator", "fill")
    )
    parts = [f"array({first})"]
    for text, size in zip(call.args, _kept(call), strict=True):
        parts += [f"slice({text}, 1, {size})", f"array({separator})"]
    padded = f"array_repeat({fill}, {call.attributes['n']})"
    return f"slice(concat({', '.join(parts)}, {padded}), 1, {call.attributes['n']})"


@lowering("text_segments")
def text_segments(call: Call) -> str:
    n = call.attributes["n"]
    if len(call.args) == 1:
        return f"array_repeat(0L, {n})"
    a, b = _kept(call)
    parts = f"array_repeat(0L, {a} + 2), array_repeat(1L, {b} + 1), array_repeat(0L, {n})"
    return f"slice(concat({parts}), 1, {n})"


@lowering("text_mask")
def text_mask(call: Call) -> str:
    n, used = call.attributes["n"], " + ".join(_kept(call))
    parts = f"array_repeat(1L, {used} + {1 + len(call.args)}), array_repeat(0L, {n})"
    return f"slice(concat({parts}), 1, {n})"
