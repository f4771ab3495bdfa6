"""Casts among bool, numbers and strings. What does not fit is null; text becomes a number by `parse_*`."""

from __future__ import annotations

import math
import struct
from typing import Any

from featdsl.operators.declare import operator

_KEYS = ("string", "int64")


@operator(
    "bool(x: bool) -> bool",
    "bool(x: int64) -> bool",
    "bool(x: float64) -> bool",
    examples={"bool(2)": True, "bool(0.0)": False},
)
def bool_(x: Any) -> bool:
    """Whether the number is not zero. A NaN is not zero."""
    return bool(x != 0)


def _integer(x: Any, bits: int) -> int | None:
    if isinstance(x, float) and not math.isfinite(x):
        return None
    whole = int(x)
    return whole if -(1 << bits - 1) <= whole < 1 << bits - 1 else None


@operator(
    "int32(x: bool) -> int32",
    "int32(x: int32) -> int32",
    "int32(x: int64) -> int32?",
    "int32(x: float64) -> int32?",
    examples={"int32(-2.9)": -2, "int32(3_000_000_000)": None},
)
def int32(x: Any) -> int | None:
    """The number without its fraction; null if it does not fit into 32 bits, and for NaN and infinity."""
    return _integer(x, 32)


@operator(
    "int64(x: bool) -> int64",
    "int64(x: int64) -> int64",
    "int64(x: float64) -> int64?",
    "int64(x: timestamp) -> int64",
    "int64(x: id) -> int64",
    examples={"int64(2.9)": 2, "int64(1e19)": None, "int64(true)": 1},
)
def int64(x: Any) -> int | None:
    """The number without its fraction; null if it does not fit into 64 bits, and for NaN and infinity.

    Of a timestamp its microseconds since 1970, of an id its bits as a signed number.
    """
    return _integer(x, 64)


def nearest_float32(x: int | float) -> float:
    """The float32 next to `x` (ties to even), infinite where it is out of range."""
    if isinstance(x, int):
        x = _odd_tail(x)
    try:
        return float(struct.unpack("<f", struct.pack("<f", x))[0])
    except OverflowError:
        return math.copysign(math.inf, x)


def _odd_tail(x: int) -> float:
    """A float64 that rounds to the same float32 as the int64 `x`: the bits that get lost leave a 1 behind, so
    that rounding twice is rounding once."""
    size = -x if x < 0 else x
    if size.bit_length() > 53:
        size = size >> 11 << 11 | (1 << 11 if size & 0x7FF else 0)
    return math.copysign(float(size), x)


@operator(
    "float32(x: bool) -> float32",
    "float32(x: float32) -> float32",
    "float32(x: int64) -> float32",
    "float32(x: float64) -> float32?",
    examples={"float32(0.1)": 0.10000000149011612, "float32(1e300)": None},
)
def float32(x: Any) -> float | None:
    """The nearest float32, ties to even; null if that is not finite."""
    if x is True or x is False:
        return 1.0 if x else 0.0
    rounded = nearest_float32(x)
    return rounded if math.isfinite(rounded) else None


@operator(
    "float64(x: bool) -> float64",
    "float64(x: int64) -> float64",
    "float64(x: float64) -> float64",
    *(f"float64(x: map<{key}, int64>) -> map<{key}, float64>" for key in _KEYS),
    *(
        f"float64(x: map<{key}, map<{inner}, int64>>) -> map<{key}, map<{inner}, float64>>"
        for key in _KEYS
        for inner in _KEYS
    ),
    examples={"float64(3)": 3.0, "float64(true)": 1.0},
)
def float64(x: Any) -> Any:
    """The nearest float64, ties to even. Of a map of integers, or a map of such maps: that of each value."""
    return {key: float64(value) for key, value in x.items()} if isinstance(x, dict) else float(x)


@operator(
    "string(x: string) -> string",
    "string(x: bool) -> string",
    "string(x: int64) -> string",
    "string(x: float64) -> string",
    "string(x: id) -> string",
    examples={"string(1.5)": "1.5", "string(true)": "true", "string(-7)": "-7", "string(1e16)": "1e+16"},
)
def string(x: Any) -> str:
    """The value as text: `true`, `-7`, and of a float the shortest decimal that reads back to it, written as
    Python's `repr` does (`1.0`, `1e+16`, `1e-05`, `inf`, `nan`)."""
    if x is True or x is False:
        return "true" if x else "false"
    return repr(x) if isinstance(x, float) else str(x)
