"""The int64 whose `hash` is a given id: XXH64 of 8 bytes can be undone step by step. No source holds an id,
so this is how a case gets one."""

from __future__ import annotations

_MASK = (1 << 64) - 1
_PRIME_1 = 0x9E3779B185EBCA87
_PRIME_2 = 0xC2B2AE3D27D4EB4F
_PRIME_3 = 0x165667B19E3779F9
_PRIME_4 = 0x85EBCA77C2B2AE63
_PRIME_5 = 0x27D4EB2F165667C5
_SEED = 42


def unhash(id: int) -> int:
    """The value x for which `hash(x)` is `id`."""
    state = id & _MASK
    state = _unshift(state, 32) * _inverse(_PRIME_3) & _MASK
    state = _unshift(state, 29) * _inverse(_PRIME_2) & _MASK
    state = _unshift(state, 33)
    state = _rotate_right((state - _PRIME_4) * _inverse(_PRIME_1) & _MASK, 27)
    lane = state ^ (_SEED + _PRIME_5 + 8)
    lane = _rotate_right(lane * _inverse(_PRIME_1) & _MASK, 31) * _inverse(_PRIME_2) & _MASK
    return lane - (1 << 64) if lane >> 63 else lane


def _unshift(value: int, count: int) -> int:
    """The x of `x ^ (x >> count)`, for a count of at least 22."""
    return value ^ (value >> count) ^ (value >> 2 * count)


def _rotate_right(value: int, count: int) -> int:
    return (value >> count | value << (64 - count)) & _MASK


def _inverse(odd: int) -> int:
    return pow(odd, -1, 1 << 64)
