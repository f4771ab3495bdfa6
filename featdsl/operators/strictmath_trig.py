"""sin, cos, tan and their inverses, equal to the bit to Java's StrictMath on every machine.

See `strictmath.py`; `engine/strictmath_trig.h` holds the same in C++.

    Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.

    Developed at SunPro and SunSoft, Sun Microsystems, Inc. businesses.
    Permission to use, copy, modify, and distribute this software is freely granted,
    provided that this notice is preserved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from featdsl.operators.strictmath import _from_bits, _head, _high


def _constants(text: str) -> tuple[float, ...]:
    return tuple(float.fromhex(c) for c in text.split())


_TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129"
    "a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf"
    "27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6babf0cfbc209af4361da9e3"
    "91615ee61b086599855f14a068408dffd8804d73273106061556ca73a8c960e27bc08c6b",
    16,
)
"""2 / pi to 66 pieces of 24 bits."""
_PIECE = 0xFFFFFF
_PI_OVER_2 = _constants("0x1.921fb4p+0 0x1.4442dp-24 0x1.846988p-48 0x1.8cc516p-72 0x1.01b838p-96")
_PARTS = _constants("0x1.921fb544p+0 0x1.0b4611a6p-34 0x1.3198a2ep-69")
_RESTS = _constants("0x1.0b4611a626331p-34 0x1.3198a2e037073p-69 0x1.b839a252049c1p-104")
_SIN = _constants(
    "-0x1.5555555555549p-3 0x1.111111110f8a6p-7 -0x1.a01a019c161d5p-13 "
    "0x1.71de357b1fe7dp-19 -0x1.ae5e68a2b9cebp-26 0x1.5d93a5acfd57cp-33"
)
_COS = _constants(
    "0x1.555555555554cp-5 -0x1.6c16c16c15177p-10 0x1.a01a019cb159p-16 "
    "-0x1.27e4f809c52adp-22 0x1.1ee9ebdb4b1c4p-29 -0x1.8fae9be8838d4p-37"
)
_TAN = _constants(
    "0x1.5555555555563p-2 0x1.111111110fe7ap-3 0x1.ba1ba1bb341fep-5 0x1.664f48406d637p-6 0x1.226e3e96e8493p-7 "
    "0x1.d6d22c9560328p-9 0x1.7dbc8fee08315p-10 0x1.344d8f2f26501p-11 0x1.026f71a8d1068p-12 "
    "0x1.47e88a03792a6p-14 0x1.2b80f32f0a7e9p-14 -0x1.375cbdb605373p-16 0x1.b2a7074bf7ad4p-16"
)
_ATAN = _constants(
    "0x1.555555555550dp-2 -0x1.999999998ebc4p-3 0x1.24924920083ffp-3 -0x1.c71c6fe231671p-4 0x1.745cdc54c206ep-4 "
    "-0x1.3b0f2af749a6dp-4 0x1.10d66a0d03d51p-4 -0x1.dde2d52defd9ap-5 0x1.97b4b24760debp-5 "
    "-0x1.2b4442c6a6c2fp-5 0x1.0ad3ae322da11p-6"
)
_ASIN_ABOVE = _constants(
    "0x1.5555555555555p-3 -0x1.4d61203eb6f7dp-2 0x1.9c1550e884455p-3 "
    "-0x1.48228b5688f3bp-5 0x1.9efe07501b288p-11 0x1.23de10dfdf709p-15"
)
_ASIN_BELOW = _constants(
    "-0x1.33a271c8a2d4bp+1 0x1.02ae59c598ac8p+1 -0x1.6066c1b8d0159p-1 0x1.3b8c5b12e9282p-4"
)
_HALF_PI, _HALF_PI_TAIL = _constants("0x1.921fb54442d18p+0 0x1.1a62633145c07p-54")
_PI, _PI_TAIL = 2.0 * _HALF_PI, 2.0 * _HALF_PI_TAIL
_ATAN_STEPS = (
    _constants("0x1.dac670561bb4fp-2 0x1.a2b7f222f65e2p-56"),
    _constants("0x1.921fb54442d18p-1 0x1.1a62633145c07p-55"),
    _constants("0x1.f730bd281f69bp-1 0x1.007887af0cbbdp-56"),
    (_HALF_PI, _HALF_PI_TAIL),
)


def _polynomial(coefficients: Sequence[float], x: float) -> float:
    """c0 + x * (c1 + x * (c2 + …))"""
    *others, result = coefficients
    for coefficient in reversed(others):
        result = coefficient + x * result
    return result


# --- reducing an angle by multiples of pi/2 ------------------------------------------------------


def _reduce(x: float) -> tuple[float, float, int]:
    """What is left of a finite angle beyond pi/4, as head and tail, and the number of right angles modulo 4."""
    size = abs(x)
    high = _high(size)
    if high < 0x4002D97C:
        head, tail, n = *_reduce_once(size, high), 1
    elif high <= 0x413921FB:
        head, tail, n = _reduce_medium(size, high)
    else:
        head, tail, n = _reduce_large(size)
    return (-head, -tail, -n % 4) if x < 0.0 else (head, tail, n % 4)


def _reduce_once(size: float, high: int) -> tuple[float, float]:
    z, rest = size - _PARTS[0], _RESTS[0]
    if high == 0x3FF921FB:
        z, rest = z - _PARTS[1], _RESTS[1]
    head = z - rest
    return head, (z - head) - rest


def _reduce_medium(size: float, high: int) -> tuple[float, float, int]:
    n = int(size * (2.0 / math.pi) + 0.5)
    r = size - n * _PARTS[0]
    w = n * _RESTS[0]
    head = r - w
    if n >= 32 or high == _high(n * _HALF_PI):
        for part, lost in ((1, 16), (2, 49)):
            if (high >> 20) - (_high(head) >> 20 & 0x7FF) <= lost:
                break
            t = r
            w = n * _PARTS[part]
            r = t - w
            w = n * _RESTS[part] - ((t - r) - w)
            head = r - w
    return head, (r - head) - w, n


def _reduce_large(size: float) -> tuple[float, float, int]:
    """The product with 2/pi, in integers, of as many pieces of 24 bits as fdlibm takes: five, or more where
    those before the last four come out as zero."""
    fraction, exponent = math.frexp(size)
    mantissa = int(math.ldexp(fraction, 72))
    pieces = [mantissa >> 48, mantissa >> 24 & _PIECE, mantissa & _PIECE]
    while pieces[-1] == 0:
        pieces.pop()
    first = exponent - 24
    skipped = max(0, (first - 3) // 24)
    scale = first - 24 * (skipped + 1)
    last = 4
    while True:
        places = 24 * last - scale
        product = sum(
            pieces[j] * _two_over_pi(skipped + i - j) << 24 * (last - i)
            for i in range(last + 1)
            for j in range(len(pieces))
        )
        n = product >> places
        rest = product & ((1 << places) - 1)
        negative = rest >> (places - 1) == 1
        if negative:
            n, rest = n + 1, (1 << places) - rest
        if rest >> 24 * min(4, last):
            break
        last += next(k for k in range(1, 5) if rest >> 24 * (4 - k) & _PIECE)
    head, tail = _times_half_pi(rest, places)
    return (-head, -tail, n) if negative else (head, tail, n)


def _two_over_pi(index: int) -> int:
    """Bits 24 * index to 24 * index + 23 after the point."""
    return 0 if index < 0 else _TWO_OVER_PI >> 24 * (65 - index) & _PIECE


def _times_half_pi(digits: int, places: int) -> tuple[float, float]:
    """digits / 2**places times pi/2, as head and tail."""
    q: list[float] = []
    while digits:
        q.append(math.ldexp(float(digits & _PIECE), 24 * len(q) - places))
        digits >>= 24
    products = []
    for i in reversed(range(len(q))):
        total = 0.0
        for k in range(min(5, len(q) - i)):
            total += _PI_OVER_2[k] * q[i + k]
        products.append(total)
    head = 0.0
    for product in reversed(products):
        head += product
    tail = products[0] - head
    for product in products[1:]:
        tail += product
    return head, tail


# --- of at most pi/4, with a tail ----------------------------------------------------------------


def _sin(x: float, tail: float, exact: bool) -> float:
    if abs(x) < 2.0**-27:
        return x
    z = x * x
    v = z * x
    r = _polynomial(_SIN[1:], z)
    if exact:
        return x + v * (_SIN[0] + z * r)
    return x - ((z * (0.5 * tail - v * r) - tail) - v * _SIN[0])


def _cos(x: float, tail: float) -> float:
    size = abs(x)
    if size < 2.0**-27:
        return 1.0
    z = x * x
    r = z * _polynomial(_COS, z)
    high = _high(size)
    if high < 0x3FD33333:
        return 1.0 - (0.5 * z - (z * r - x * tail))
    quarter = 0.28125 if high > 0x3FE90000 else _from_bits((high - 0x00200000) << 32)
    return (1.0 - quarter) - ((0.5 * z - quarter) - (z * r - x * tail))


def _tan(x: float, tail: float, turned: bool) -> float:
    """`turned`: -1 / tan, which is the tangent a right angle on."""
    size = abs(x)
    if size < 2.0**-28:
        return _negative_reciprocal(x + tail, x, tail) if turned else x
    near = _high(size) >= 0x3FE59428
    sign = math.copysign(1.0, x)
    if near:
        x = (0.5 * _HALF_PI - size) + (0.5 * _HALF_PI_TAIL - sign * tail)
        tail = 0.0
    z = x * x
    w = z * z
    r = _polynomial(_TAN[1::2], w)
    v = z * _polynomial(_TAN[2::2], w)
    s = z * x
    r = tail + z * (s * (r + v) + tail)
    r += _TAN[0] * s
    w = x + r
    if near:
        v = -1.0 if turned else 1.0
        return sign * (v - 2.0 * (x - (w * w / (w + v) - r)))
    return _negative_reciprocal(w, x, r) if turned else w


def _negative_reciprocal(w: float, x: float, rest: float) -> float:
    """-1 / (x + rest), w being x + rest rounded."""
    head = _head(w)
    v = rest - (head - x)
    a = -1.0 / w
    t = _head(a)
    return t + a * ((1.0 + t * head) + t * v)


# --- the functions -------------------------------------------------------------------------------

_QUARTER_PI_HIGH = 0x3FE921FB


def sin(x: float) -> float:
    """The sine of an angle in radians; NaN of an infinite one."""
    if _high(abs(x)) <= _QUARTER_PI_HIGH:
        return _sin(x, 0.0, exact=True)
    if not math.isfinite(x):
        return math.nan
    head, tail, n = _reduce(x)
    found = _cos(head, tail) if n % 2 else _sin(head, tail, exact=False)
    return -found if n in (2, 3) else found


def cos(x: float) -> float:
    """The cosine of an angle in radians; NaN of an infinite one."""
    if _high(abs(x)) <= _QUARTER_PI_HIGH:
        return _cos(x, 0.0)
    if not math.isfinite(x):
        return math.nan
    head, tail, n = _reduce(x)
    found = _sin(head, tail, exact=False) if n % 2 else _cos(head, tail)
    return -found if n in (1, 2) else found


def tan(x: float) -> float:
    """The tangent of an angle in radians; NaN of an infinite one."""
    if _high(abs(x)) <= _QUARTER_PI_HIGH:
        return _tan(x, 0.0, turned=False)
    if not math.isfinite(x):
        return math.nan
    head, tail, n = _reduce(x)
    return _tan(head, tail, turned=n % 2 == 1)


def _asin_ratio(t: float) -> float:
    return t * _polynomial(_ASIN_ABOVE, t) / (1.0 + t * _polynomial(_ASIN_BELOW, t))


def asin(x: float) -> float:
    """The angle whose sine it is, -pi/2 to pi/2; NaN outside -1 to 1."""
    size = abs(x)
    if size == 1.0:
        return x * _HALF_PI + x * _HALF_PI_TAIL
    if not size < 1.0:
        return math.nan
    if size < 0.5:
        return x if size < 2.0**-27 else x + x * _asin_ratio(x * x)
    t = (1.0 - size) * 0.5
    ratio = _asin_ratio(t)
    s = math.sqrt(t)
    if _high(size) >= 0x3FEF3333:
        found = _HALF_PI - (2.0 * (s + s * ratio) - _HALF_PI_TAIL)
    else:
        head = _head(s)
        c = (t - head * head) / (s + head)
        p = 2.0 * s * ratio - (_HALF_PI_TAIL - 2.0 * c)
        found = 0.5 * _HALF_PI - (p - (0.5 * _HALF_PI - 2.0 * head))
    return math.copysign(found, x)


def acos(x: float) -> float:
    """The angle whose cosine it is, 0 to pi; NaN outside -1 to 1."""
    size = abs(x)
    if size == 1.0:
        return 0.0 if x > 0.0 else _PI
    if not size < 1.0:
        return math.nan
    if size < 0.5:
        if _high(size) <= 0x3C600000:
            return _HALF_PI
        return _HALF_PI - (x - (_HALF_PI_TAIL - x * _asin_ratio(x * x)))
    z = (1.0 - size) * 0.5
    s = math.sqrt(z)
    if x < 0.0:
        return _PI - 2.0 * (s + (_asin_ratio(z) * s - _HALF_PI_TAIL))
    head = _head(s)
    c = (z - head * head) / (s + head)
    return 2.0 * (head + (_asin_ratio(z) * s + c))


def atan(x: float) -> float:
    """The angle whose tangent it is, -pi/2 to pi/2."""
    size = abs(x)
    if x != x or size < 2.0**-29:
        return x
    if size >= 2.0**66:
        return math.copysign(_HALF_PI, x)
    if size < 0.4375:
        return x - x * _atan_sum(x)
    if size < 0.6875:
        step, y = 0, (2.0 * size - 1.0) / (2.0 + size)
    elif size < 1.1875:
        step, y = 1, (size - 1.0) / (size + 1.0)
    elif size < 2.4375:
        step, y = 2, (size - 1.5) / (1.0 + 1.5 * size)
    else:
        step, y = 3, -1.0 / size
    whole, tail = _ATAN_STEPS[step]
    return math.copysign(whole - ((y * _atan_sum(y) - tail) - y), x)


def _atan_sum(x: float) -> float:
    z = x * x
    w = z * z
    return z * _polynomial(_ATAN[::2], w) + w * _polynomial(_ATAN[1::2], w)


def atan2(y: float, x: float) -> float:
    """The angle of the point (x, y), -pi to pi; of zeros and infinities as IEEE 754 has it."""
    if x != x or y != y:
        return math.nan
    if x == 1.0:
        return atan(y)
    left = math.copysign(1.0, x) < 0.0
    if y == 0.0 or (math.isinf(x) and not math.isinf(y)):
        return math.copysign(_PI if left else 0.0, y)
    if x == 0.0 or (math.isinf(y) and not math.isinf(x)):
        return math.copysign(_HALF_PI, y)
    if math.isinf(x):
        return math.copysign(1.5 * _HALF_PI if left else 0.5 * _HALF_PI, y)
    apart = (_high(abs(y)) - _high(abs(x))) >> 20
    if apart > 60:
        z = _HALF_PI + 0.5 * _PI_TAIL
    elif left and apart < -60:
        z = 0.0
    else:
        z = atan(abs(y / x))
    if left:
        z = _PI - (z - _PI_TAIL)
    return math.copysign(z, y)
