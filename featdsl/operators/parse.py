"""From text to numbers, times and the values inside JSON. What is not wholly a value is null."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from featdsl.operators import json_text, timestamp_text
from featdsl.operators.declare import operator
from featdsl.resources import Zone

_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@operator(
    "parse_int(s: string) -> int64?",
    examples={'parse_int("-42")': -42, 'parse_int("4.0")': None, 'parse_int(" 42")': None},
)
def parse_int(s: str) -> int | None:
    """The integer that the text is: digits 0 to 9, perhaps with a sign before them.

    Null for everything else (white space, `1_000`, `1e3`, `0x1f`, other digits), and for what an int64 does not hold.
    Leading zeros are allowed. `parse_int(trim(s))` allows white space around.
    """
    if _INT.fullmatch(s) is None:
        return None
    digits = s.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 19:
        return None
    value = -int(digits) if s[0] == "-" else int(digits)
    return value if -(1 << 63) <= value < 1 << 63 else None


@operator(
    "parse_float(s: string) -> float64?",
    examples={'parse_float("1.5")': 1.5, 'parse_float("-2e3")': -2000.0, 'parse_float("nan")': None},
)
def parse_float(s: str) -> float | None:
    """The float64 next to the decimal number that the text is: digits with a point among, before or behind them,
    perhaps a sign before and `e` or `E` and an exponent behind.

    Null for everything else (white space, `1_000`, `0x1f`, `inf`, `nan`, `1.5f`), and for what rounds to infinity.
    Rounded correctly, ties to even, however many digits there are.
    """
    if _FLOAT.fullmatch(s) is None:
        return None
    value = float(s)
    return value if math.isfinite(value) else None


@operator(
    "parse_bool(s: string) -> bool?",
    examples={'parse_bool("true")': True, 'parse_bool("0")': False, 'parse_bool("yes")': None},
)
def parse_bool(s: str) -> bool | None:
    """True for `true` and `1`, false for `false` and `0`, in letters of any case; else null."""
    return {"true": True, "1": True, "false": False, "0": False}.get(s.lower())


def _format_error(constants: Mapping[str, Any]) -> str | None:
    if constants["format"] == "iso":
        return None
    try:
        letters = [letter for letter, _ in timestamp_text.items_of(constants["format"]) if letter]
    except ValueError as error:
        return str(error)
    if "j" in letters:
        return "%j is written, but not read: use %m and %d"
    if "Y" not in letters:
        return "a format that is read has %Y"
    if len(letters) != len(set(letters)):
        return f"a format that is read has each part once, found {constants['format']}"
    return None


@operator(
    'parse_timestamp(s: string, format: const string = "iso", zone: const zone = "UTC") -> timestamp?',
    validate=_format_error,
    examples={
        'int64(parse_timestamp("1970-01-02"))': 86_400_000_000,
        'int64(parse_timestamp("1970-01-01T00:00:01.5Z"))': 1_500_000,
        'int64(parse_timestamp("1970-01-01 09:00", zone: "Asia/Tokyo"))': 0,
        'int64(parse_timestamp("2.1.1970", "%d.%m.%Y"))': 86_400_000_000,
        'parse_timestamp("2023-02-29")': None,
    },
)
def parse_timestamp(s: str, format: str, zone: Zone) -> int | None:
    """The time that the text is, by default in ISO 8601: `2024-02-29`, then perhaps `T` or a space and `18:30`,
    `18:30:59` or `18:30:59.25`, then perhaps `Z` or an offset (`+01`, `+0130`, `+01:30`).

    A `format` has `%Y` (four digits), `%m %d %H %M %S` (one or two), `%f` (a fraction of 1 to 9 digits), `%z` (`Z`
    or an offset) and `%%`; everything else stands for itself. What is absent is the first day or 0. Digits after the
    microsecond are cut off. Without an offset the text is read on the zone's clocks: what they show twice is the
    earlier time, what they skip is read as if they had not been put forward. Null for what is not wholly a time that
    exists.
    """
    if format == "iso":
        return timestamp_text.read_iso(s, zone)
    return timestamp_text.read(s, timestamp_text.items_of(format), zone)


def _path_error(constants: Mapping[str, Any]) -> str | None:
    try:
        json_text.path_of(constants["path"])
    except ValueError as error:
        return str(error)
    return None


@operator(
    'parse_json(s: string, path: const string = "$") -> string?',
    validate=_path_error,
    examples={
        r"""parse_json("{\"a\": {\"b\": [5, \"x\"]}}", "$.a.b[1]")""": "x",
        r"""parse_json("{\"a\": {\"b\": [5, \"x\"]}}", "$.a.b")""": '[5, "x"]',
        r"""parse_json("{\"a\": 1.50}", "$.a")""": "1.50",
        r"""parse_json("{'a': 1}", "$.a")""": None,
    },
)
def parse_json(s: str, *, path: str) -> str | None:
    r"""The value at a path inside a JSON text, as text: of a string its characters, of everything else what is
    written there, as it stands.

    A path is `$` and steps: `.name`, `["any name"]`, `[0]` (from 0). Null where nothing is there, where a JSON null is,
    and for what is not wholly JSON as RFC 8259 has it (no comments, no single quotes, no `NaN`, no lone surrogates),
    or is nested deeper than 100. Of equal keys the last counts. `parse_json_int` and the others give typed values.
    """
    value = json_text.found(s, path)
    return None if value is None else value.text()


@operator(
    'parse_json_int(s: string, path: const string = "$") -> int64?',
    validate=_path_error,
    examples={
        r"""parse_json_int("{\"a\": [5]}", "$.a[0]")""": 5,
        r"""parse_json_int("{\"a\": \"5\"}", "$.a")""": None,
    },
)
def parse_json_int(s: str, *, path: str) -> int | None:
    """The number at a path inside a JSON text (see `parse_json`), if it is an int64 without fraction and exponent; else
    null. A string is no number: `parse_int(parse_json(s, path))` reads it."""
    value = json_text.found(s, path)
    return parse_int(value.raw) if value is not None and value.kind == "number" else None


@operator(
    'parse_json_float(s: string, path: const string = "$") -> float64?',
    validate=_path_error,
    examples={r"""parse_json_float("{\"a\": 5}", "$.a")""": 5.0, r"""parse_json_float("1e999")""": None},
)
def parse_json_float(s: str, *, path: str) -> float | None:
    """The number at a path inside a JSON text (see `parse_json`), as a float64; null for what is no number, or rounds
    to infinity."""
    value = json_text.found(s, path)
    return parse_float(value.raw) if value is not None and value.kind == "number" else None


@operator(
    'parse_json_bool(s: string, path: const string = "$") -> bool?',
    validate=_path_error,
    examples={r"""parse_json_bool("{\"a\": true}", "$.a")""": True, 'parse_json_bool("1")': None},
)
def parse_json_bool(s: str, *, path: str) -> bool | None:
    """The `true` or `false` at a path inside a JSON text (see `parse_json`); else null."""
    value = json_text.found(s, path)
    return bool(value.value) if value is not None and value.kind == "bool" else None


@operator(
    'parse_json_list(s: string, path: const string = "$") -> list<string>?',
    validate=_path_error,
    examples={
        r"""parse_json_list("{\"a\": [\"x\", 1.0, null, [2]]}", "$.a")""": ["x", "1.0", "[2]"],
        r"""parse_json_list("[1, 2]") |> parse_int""": [1, 2],
        'parse_json_list("5")': None,
    },
)
def parse_json_list(s: str, *, path: str) -> list[str] | None:
    """The list at a path inside a JSON text, each element as `parse_json` gives it, without the nulls; null for what is
    no list."""
    value = json_text.found(s, path)
    if value is None or value.kind != "list":
        return None
    texts = [element.text() for element in value.value]
    return [text for text in texts if text is not None]
