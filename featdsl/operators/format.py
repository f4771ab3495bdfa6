"""From values to text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from featdsl.operators import timestamp_text
from featdsl.operators.declare import Fault, operator
from featdsl.operators.math import digits_error, rounded_decimal
from featdsl.resources import Zone

HALVES = ("away", "even")


def _fixed_error(constants: Mapping[str, Any]) -> str | None:
    if constants.get("halves", "away") not in HALVES:
        return f"halves go `away` from zero or to the `even` digit, found `{constants['halves']}`"
    return digits_error(constants)


@operator(
    'fixed(x: float64, digits: const int64, halves: const string = "away") -> string',
    validate=_fixed_error,
    examples={
        "fixed(3.14159, digits: 2)": "3.14",
        "fixed(2, digits: 2)": "2.00",
        "fixed(-0.125, 2)": "-0.13",
        'fixed(-0.125, 2, halves: "even")': "-0.12",
        "fixed(1e21, 0)": "1000000000000000000000",
    },
)
def fixed(x: float, digits: int, halves: str = "away") -> str:
    """The number as a decimal with so many digits after the point (0 to 100), rounded as `round(x, digits: …)` does:
    exactly, halves away from zero, or with `halves: "even"` to the even digit, as Python and C write. `nan`, `inf` and
    `-inf` are written so."""
    if not math.isfinite(x):
        return repr(x)
    return f"{rounded_decimal(x, digits):f}" if halves == "away" else f"{x:.{digits}f}"


_PIECE = re.compile(r"\{\{|\}\}|\{(?::\.(?P<digits>\d{1,4})f)?\}|[{}]|[^{}]+")


def pieces_of(pattern: str) -> list[str]:
    """The texts around the values of a pattern. Errors: `ValueError` for a brace that is neither doubled nor around a
    value."""
    return _read(pattern)[0]


def _read(pattern: str) -> tuple[list[str], list[int | None]]:
    """The texts around the values, and for each value how many digits are asked for after the point."""
    pieces, digits = [""], []
    for part in _PIECE.finditer(pattern):
        text = part[0]
        if text in ("{", "}"):
            raise ValueError("in a pattern a value stands at {} or {:.2f}, and braces are written {{ and }}")
        if text.startswith("{") and text.endswith("}"):
            pieces.append("")
            digits.append(int(part["digits"]) if part["digits"] else None)
        else:
            pieces[-1] += text[0] if text in ("{{", "}}") else text
    return pieces, digits


def _pattern_error(constants: Mapping[str, Any]) -> str | Fault | None:
    try:
        wanted = _read(constants["pattern"])[1]
    except ValueError as error:
        at = next(part.start() for part in _PIECE.finditer(constants["pattern"]) if part[0] in ("{", "}"))
        return Fault(str(error), "pattern", at, at + 1)
    return next((e for n in wanted if n is not None and (e := digits_error({"digits": n}))), None)


def _written_by(constants: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("string", {}) if digits is None else ("fixed", {"digits": digits, "halves": "even"})
        for digits in _read(constants["pattern"])[1]
    ]


def _plain(constants: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **constants,
        "pattern": re.sub(r"(\{\{|\}\})|\{:[^}]*\}", lambda part: part[1] or "{}", constants["pattern"]),
    }


@operator(
    "format(pattern: const string, values: shown string...) -> string",
    validate=_pattern_error,
    arity=lambda constants: len(pieces_of(constants["pattern"])) - 1,
    shown_by=_written_by,
    canonical=_plain,
    examples={
        'format("{} of {}", 3, 4.5)': "3 of 4.5",
        'format("{:.2f} EUR", 12.5)': "12.50 EUR",
        'format("{{{}}}", "x")': "{x}",
    },
)
def format(*values: str, pattern: str) -> str:
    """The pattern with a value at each `{}`, written as `string` does; at `{:.2f}` a number with two digits after the
    point, as `fixed(x, 2, halves: "even")` writes it and Python's `format` too. (A timestamp is written by
    `format_timestamp`.) `{{` and `}}` are braces. Null if a value is."""
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
