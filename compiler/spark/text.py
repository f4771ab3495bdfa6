"""Normal forms, n-grams and distances in Spark SQL."""

from __future__ import annotations

import unicodedata
from functools import cache

from compiler.spark.lowering import Call, lowering
from compiler.spark.sql import text


@cache
def _widths() -> tuple[str, str]:
    """The characters of another width, and what each becomes."""
    kinds = ((chr(code), unicodedata.decomposition(chr(code)).split(" ")) for code in range(0x3000, 0x10000))
    found = [(char, chr(int(parts[1], 16))) for char, parts in kinds if parts[0] in ("<wide>", "<narrow>")]
    return "".join(char for char, _ in found), "".join(usual for _, usual in found)


@lowering("fold_width")
def fold_width(call: Call) -> str:
    others, usual = _widths()
    return f"translate({call.args[0]}, {text(others)}, {text(usual)})"


@lowering("edit_distance")
def edit_distance(call: Call) -> str:
    a, b = call.args
    limit = call.attributes["limit"]
    return f"cast(coalesce(nullif(levenshtein({a}, {b}, {limit}), -1), {limit}) as bigint)"


def _lengths(call: Call) -> range:
    attributes = call.attributes
    if "n" in attributes:
        return range(attributes["n"], attributes["n"] + 1)
    return range(attributes["shortest"], attributes["longest"] + 1)


def _grams(lengths: range, parts: str, separator: str) -> str:
    """The n-grams of each length of an array of texts."""
    count = f"size({parts})"
    found = [
        f"if({count} < {n}, cast(array() as array<string>), transform(sequence(1, greatest({count} - {n - 1}, 1)), "
        f"p_ -> array_join(slice({parts}, p_, {n}), {separator})))"
        for n in lengths
    ]
    return found[0] if len(found) == 1 else f"concat({', '.join(found)})"


@lowering("ngrams")
def ngrams(call: Call) -> str:
    return _grams(_lengths(call), call.args[0], text(call.attributes["separator"]))


@lowering("char_ngrams")
def char_ngrams(call: Call) -> str:
    """The characters are made once: `substring` would count from the start for each part."""
    grams = _grams(_lengths(call), "c_", "''")
    return f"get(transform(array(regexp_extract_all({call.args[0]}, '(?s).', 0)), c_ -> {grams}), 0)"
