"""From values to text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from featdsl.operators import timestamp_text
from featdsl.operators.declare import operator
from featdsl.operators.math import digits_error, rounded_decimal
from featdsl.resources import Zone


@operator(
    "fixed(x: float64, digits: const int64) -> string",
    validate=digits_error,
    examples={
        "fixed(3.14159, digits: 2)": "3.14",
        "fixed(2, digits: 2)": "2.00",
        "fixed(-0.125, 2)": "-0.13",
        "fixed(1e21, 0)": "1000000000000000000000",
    },
)
def fixed(x: float, digits: int) -> str:
    """The number as a decimal with so many digits after the point (0 to 100), rounded as `round(x, digits: …)` does:
    exactly, halves away from zero. `nan`, `inf` and `-inf` are written so."""
    if not math.isfinite(x):
        return repr(x)
    return f"{rounded_decimal(x, digits):f}"


_PIECE = re.compile(r"\{\{|\}\}|\{\}|[{}]|[^{}]+")


def pieces_of(pattern: str) -> list[str]:
    """The texts around the `{}` of a pattern. Errors: `ValueError` for a brace that is neither that nor doubled."""
    pieces = [""]
    for part in _PIECE.findall(pattern):
        if part == "{}":
            pieces.append("")
        elif part in ("{", "}"):
            raise ValueError("in a pattern a value stands at {}, and braces are written {{ and }}")
        else:
            pieces[-1] += part[0] if part in ("{{", "}}") else part
    return pieces


def _pattern_error(constants: Mapping[str, Any]) -> str | None:
    try:
        pieces_of(constants["pattern"])
    except ValueError as error:
        return str(error)
    return None


@operator(
    "format(pattern: const string, values: shown string...) -> string",
    validate=_pattern_error,
    arity=lambda constants: len(pieces_of(constants["pattern"])) - 1,
    examples={
        'format("{} of {}", 3, 4.5)': "3 of 4.5",
        'format("{{{}}}", "x")': "{x}",
        'format("{} km", fixed(12.345, digits: 1))': "12.3 km",
    },
)
def format(*values: str, pattern: str) -> str:
    """The pattern with a value at each `{}`, written as `string` does (a timestamp by `format_timestamp`, a number with
    so many digits by `fixed`). `{{` and `}}` are braces. Null if a value is."""
    pieces = pieces_of(pattern)
    return pieces[0] + "".join(value + piece for value, piece in zip(values, pieces[1:], strict=True))


def _timestamp_pattern_error(constants: Mapping[str, Any]) -> str | None:
    try:
        items = timestamp_text.items_of(constants["pattern"])
    except ValueError as error:
        return str(error)
    if not any(letter for letter, _ in items):
        return f"the pattern has no part of the time, such as %Y-%m-%d: `{constants['pattern']}`"
    return None


@operator(
    'format_timestamp(at: timestamp, pattern: const string, zone: const zone = "UTC") -> string',
    validate=_timestamp_pattern_error,
    examples={
        'format_timestamp(timestamp_millis(1500), "%Y-%m-%dT%H:%M:%S.%fZ")': "1970-01-01T00:00:01.500000Z",
        'format_timestamp(timestamp_seconds(0), "%d/%m/%Y %H:%M %z", zone: "Asia/Tokyo")': "01/01/1970 09:00 +0900",
    },
)
def format_timestamp(at: int, pattern: str, zone: Zone) -> str:
    """The time on the zone's clocks, by a pattern: `%Y` the year (four digits or more, a minus before year 0),
    `%m %d %H %M %S` with two digits, `%f` six digits of microseconds, `%j` the day of the year with three, `%z` the
    offset as +HHMM, `%%` a percent sign. Everything else stands for itself."""
    return timestamp_text.written(at, timestamp_text.items_of(pattern), zone)
