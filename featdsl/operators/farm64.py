"""Fingerprint64 of FarmHash: the reference for `algorithm: "farm64"`, as TensorFlow hashes, and `"farm64_bytes"`, as
OpenMLDB does."""

from __future__ import annotations

import math
import struct

from featdsl.operators.cast import nearest_float32

_MASK = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F


def farm64(data: bytes) -> int:
    """The Fingerprint64 of `data`, an unsigned 64-bit integer."""
    size = len(data)
    if size <= 16:
        return _up_to_16(data)
    if size <= 32:
        return _up_to_32(data)
    return _up_to_64(data) if size <= 64 else _longer(data)


def text_of(value: str | bool | int | float) -> str:
    """The text that TensorFlow's `tf.as_string` makes of a value: it hashes nothing but strings."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value + 0.0:f}" if isinstance(value, float) else str(value)


def bytes_of(value: str | bool | int | float, width: int) -> bytes:
    """The bytes that OpenMLDB hashes: a text's UTF-8, a bool's one byte, the 4 or 8 bytes of a number, the least first.
    A wider integer is cut."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, float):
        value = nearest_float32(value) if width == 32 else value
        value = math.nan if math.isnan(value) else value + 0.0  # -0.0 + 0.0 is 0.0
        return struct.pack("<f" if width == 32 else "<d", value)
    return (value & (1 << width) - 1).to_bytes(width // 8, "little")


def _word(data: bytes, at: int, size: int = 8) -> int:
    at += len(data) if at < 0 else 0
    return int.from_bytes(data[at : at + size], "little")


def _rotate(value: int, count: int) -> int:
    value &= _MASK
    return value >> count | (value << (64 - count)) & _MASK


def _shift_mix(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _mix(u: int, v: int, factor: int) -> int:
    a = _shift_mix(((u ^ v) & _MASK) * factor)
    b = _shift_mix((v & _MASK ^ a) * factor)
    return b * factor & _MASK


def _up_to_16(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    if size >= 8:
        a, b = _word(data, 0) + _K2, _word(data, -8)
        return _mix(_rotate(b, 37) * factor + a, (_rotate(a, 25) + b) * factor, factor)
    if size >= 4:
        return _mix(size + (_word(data, 0, 4) << 3), _word(data, -4, 4), factor)
    if size == 0:
        return _K2
    y = data[0] + (data[size >> 1] << 8)
    z = size + (data[-1] << 2)
    return _shift_mix(y * _K2 ^ z * _K0) * _K2 & _MASK


def _up_to_32(data: bytes) -> int:
    factor = _K2 + len(data) * 2
    a, b = _word(data, 0) * _K1, _word(data, 8)
    c, d = _word(data, -8) * factor, _word(data, -16) * _K2
    return _mix(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c, factor)


def _up_to_64(data: bytes) -> int:
    factor = _K2 + len(data) * 2
    a, b = _word(data, 0) * _K2, _word(data, 8)
    c, d = _word(data, -8) * factor, _word(data, -16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _mix(y, a + _rotate(b + _K2, 18) + c, factor)
    e, f = _word(data, 16) * factor, _word(data, 24)
    g, h = (y + _word(data, -32)) * factor, (z + _word(data, -24)) * factor
    return _mix(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, factor)


def _weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Two words of state from 32 bytes and two seeds."""
    w, x, y, z = (_word(data, at + 8 * i) for i in range(4))
    a += w
    b = _rotate(b + a + z, 21)
    c = a
    a += x + y
    return (a + z) & _MASK, (b + _rotate(a, 44) + c) & _MASK


_State = tuple[int, int, int, tuple[int, int], tuple[int, int]]


def _step(data: bytes, at: int, state: _State, factor: int, weight: int) -> _State:
    """One block of 64 bytes; `weight` is that of the state against the data."""
    x, y, z, v, w = state
    x = _rotate(x + y + v[0] + _word(data, at + 8), 37) * factor & _MASK
    y = _rotate(y + v[1] + _word(data, at + 48), 42) * factor & _MASK
    x ^= w[1] * weight & _MASK
    y = (y + v[0] * weight + _word(data, at + 40)) & _MASK
    z = _rotate(z + w[0], 33) * factor & _MASK
    v = _weak(data, at, v[1] * factor, x + w[0])
    w = _weak(data, at + 32, z + w[1], y + _word(data, at + 16))
    return z, y, x, v, w


def _longer(data: bytes) -> int:
    y = (81 * _K1 + 113) & _MASK
    state: _State = (
        (81 * _K2 + _word(data, 0)) & _MASK, y, _shift_mix(y * _K2 + 113) * _K2 & _MASK, (0, 0), (0, 0)
    )  # fmt: skip
    for at in range(0, (len(data) - 1) // 64 * 64, 64):
        state = _step(data, at, state, _K1, 1)
    x, y, z, v, w = state
    # The last 64 bytes, which may overlap the block before.
    factor = _K1 + ((z & 0xFF) << 1)
    first = w[0] + (len(data) - 1) % 64
    w = (first + v[0] + first, w[1])
    v = (v[0] + first, v[1])
    x, y, z, v, w = _step(data, len(data) - 64, (x, y, z, v, w), factor, 9)
    return _mix(_mix(v[0], w[0], factor) + _shift_mix(y) * _K0 + z, _mix(v[1], w[1], factor) + x, factor)
