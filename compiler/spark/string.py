"""Text in Spark SQL. Java's own Unicode tables are another version, so classes of characters are spelled out."""

from __future__ import annotations

import sys
from functools import cache

from compiler.spark.lowering import Call, lowering, rows
from compiler.spark.sql import text
from featdsl.operators.string import WHITE_SPACE, is_word_character

rows(
    {
        "trim": f"trim(BOTH {text(''.join(sorted(WHITE_SPACE)))} FROM {{0}})",
        "length": "cast(length({0}) as bigint)",
        "join": "array_join({0}, {1})",
        "replace": "replace({0}, {1}, {2})",
        "find": "cast(nullif(instr({0}, {1}), 0) - 1 as bigint)",
        "reverse": "reverse({0})",
        "starts_with": "startswith({0}, {1})",
        "ends_with": "endswith({0}, {1})",
    }
)


@lowering("concat")
def concat(call: Call) -> str:
    return f"concat({', '.join(call.args)})"


@lowering("strip")
def strip(call: Call) -> str:
    return f"trim(BOTH {text(call.attributes['chars'])} FROM {call.args[0]})"


@lowering("substr")
def substr(call: Call) -> str:
    """Spark's `substring` counts from 1, and a start before the text shortens the part."""
    s, start = call.args[:2]
    first = f"if({start} < 0L, greatest({start} + length({s}), 0L), least({start}, length({s})))"
    length = f"length({s})" if len(call.args) == 2 else f"greatest(least({call.args[2]}, length({s})), 0L)"
    return f"substring({s}, cast({first} as int) + 1, cast({length} as int))"


@lowering("repeat")
def repeat(call: Call) -> str:
    return f"repeat({call.args[0]}, {call.attributes['n']})"


@lowering("left_pad", "right_pad")
def padded(call: Call) -> str:
    s, n, fill = call.args[0], call.attributes["n"], text(call.attributes["fill"])
    function = "lpad" if call.signature.name == "left_pad" else "rpad"
    return f"{function}({s}, greatest({n}, length({s})), {fill})"


@lowering("split")
def split(call: Call) -> str:
    pattern = "".join(
        f"\\{c}" if c.isascii() and not c.isalnum() else c for c in call.attributes["separator"]
    )
    return f"split({call.args[0]}, {text(pattern)}, -1)"


@lowering("words")
def words(call: Call) -> str:
    s = call.args[0]
    ascii_only = rf"{s} rlike '\\A[\\x00-\\x7F]*\\z'"
    simple = f"regexp_extract_all({s}, '[0-9A-Za-z_]+', 0)"
    return f"if({ascii_only}, {simple}, regexp_extract_all({s}, {text(_word_class() + '+')}, 0))"


@cache
def _word_class() -> str:
    """The characters of a word as a character class of Java's regular expressions."""
    ranges: list[tuple[int, int]] = []
    for code in range(sys.maxunicode + 1):
        if is_word_character(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = (ranges[-1][0], code)
            else:
                ranges.append((code, code))
    return "[" + "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in ranges) + "]"
