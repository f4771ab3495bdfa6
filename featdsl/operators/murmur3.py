"""Murmur3 as Spark's `hash` computes it: the reference for `algorithm: "murmur3"`.

It is Murmur3_x86_32, but that of a string takes each byte after the last whole word as a word of its own,
with its sign.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

from featdsl.operators.cast import nearest_float32

_MASK = (1 << 32) - 1


def murmur3(value: str | bool | int | float, seed: int, width: int) -> int:
    """Spark's hash of a value, an int32. `width` is that of the column of a number: 32 or 64."""
    if isinstance(value, str):
        data = value.encode()
        whole = len(data) // 4 * 4
        words = [
            *struct.unpack(f"<{whole // 4}I", data[:whole]),
            *struct.unpack(f"{len(data) - whole}b", data[whole:]),
        ]
        return _of_words(words, len(data), seed)
    if isinstance(value, float):
        if width == 32:
            value = nearest_float32(value)
        if math.isnan(value):
            value = math.nan
        # -0.0 + 0.0 is 0.0
        data = struct.pack("<f" if width == 32 else "<d", value + 0.0)
    elif isinstance(value, bool) or width == 32:
        data = struct.pack("<I", value & _MASK)
    else:
        data = struct.pack("<q", value)
    return _of_words(struct.unpack(f"<{len(data) // 4}I", data), len(data), seed)


def _rotate_left(value: int, count: int) -> int:
    return (value << count | value >> (32 - count)) & _MASK


def _of_words(words: Iterable[int], size: int, seed: int) -> int:
    state = seed & _MASK
    for word in words:
        mixed = _rotate_left(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
        state = (_rotate_left(state ^ mixed, 13) * 5 + 0xE6546B64) & _MASK
    state ^= size
    state = (state ^ (state >> 16)) * 0x85EBCA6B & _MASK
    state = (state ^ (state >> 13)) * 0xC2B2AE35 & _MASK
    state ^= state >> 16
    return state - (1 << 32) if state >> 31 else state
