"""XXH64, written from its published specification: the reference for `hash` and `cross`."""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_PRIME_1 = 0x9E3779B185EBCA87
_PRIME_2 = 0xC2B2AE3D27D4EB4F
_PRIME_3 = 0x165667B19E3779F9
_PRIME_4 = 0x85EBCA77C2B2AE63
_PRIME_5 = 0x27D4EB2F165667C5


def signed(code: int) -> int:
    """An unsigned 64-bit integer read as a signed one; a signed one is left alone."""
    return code - (1 << 64) if code >> 63 == 1 else code


def _rotate_left(value: int, count: int) -> int:
    return ((value << count) | (value >> (64 - count))) & _MASK


def _round(accumulator: int, lane: int) -> int:
    accumulator = (accumulator + lane * _PRIME_2) & _MASK
    return (_rotate_left(accumulator, 31) * _PRIME_1) & _MASK


def xxh64(data: bytes, seed: int) -> int:
    """The XXH64 of `data`, read as a signed 64-bit integer. `seed` is taken modulo 2**64."""
    seed &= _MASK
    position = 0
    if len(data) >= 32:
        lanes = [seed + _PRIME_1 + _PRIME_2, seed + _PRIME_2, seed, seed - _PRIME_1]
        lanes = [lane & _MASK for lane in lanes]
        while position + 32 <= len(data):
            stripe = struct.unpack_from("<4Q", data, position)
            lanes = [_round(lane, word) for lane, word in zip(lanes, stripe, strict=True)]
            position += 32
        state = sum(_rotate_left(lane, count) for lane, count in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            state = ((state ^ _round(0, lane)) * _PRIME_1 + _PRIME_4) & _MASK
    else:
        state = seed + _PRIME_5
    state = (state + len(data)) & _MASK

    while position + 8 <= len(data):
        (word,) = struct.unpack_from("<Q", data, position)
        state = (_rotate_left(state ^ _round(0, word), 27) * _PRIME_1 + _PRIME_4) & _MASK
        position += 8
    if position + 4 <= len(data):
        (word,) = struct.unpack_from("<I", data, position)
        state = (_rotate_left(state ^ (word * _PRIME_1 & _MASK), 23) * _PRIME_2 + _PRIME_3) & _MASK
        position += 4
    for byte in data[position:]:
        state = (_rotate_left(state ^ (byte * _PRIME_5 & _MASK), 11) * _PRIME_1) & _MASK

    state = ((state ^ (state >> 33)) * _PRIME_2) & _MASK
    state = ((state ^ (state >> 29)) * _PRIME_3) & _MASK
    state ^= state >> 32
    return signed(state)
