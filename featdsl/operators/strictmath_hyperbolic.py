"""expm1, sinh, cosh, tanh, log10, cbrt and hypot, equal to the bit to Java's StrictMath on every machine.

See `strictmath.py`; `engine/strictmath_hyperbolic.h` holds the same in C++.

    Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.

    Developed at SunPro and SunSoft, Sun Microsystems, Inc. businesses.
    Permission to use, copy, modify, and distribute this software is freely granted,
    provided that this notice is preserved.
"""

from __future__ import annotations

import math

from featdsl.operators.strictmath import _from_bits, _head, _high, _with_high, exp, log

_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_INV_LN2 = float.fromhex("0x1.71547652b82fep+0")
_EXP_OVERFLOW = float.fromhex("0x1.62e42fefa39efp+9")
_COSH_OVERFLOW = float.fromhex("0x1.633ce8fb9f87dp+9")
_EXPM1 = tuple(
    float.fromhex(c)
    for c in (
        "-0x1.11111111110f4p-5",
        "0x1.a01a019fe5585p-10",
        "-0x1.4ce199eaadbb7p-14",
        "0x1.0cfca86e65239p-18",
        "-0x1.afdb76e09c32dp-23",
    )
)
_INV_LN10 = float.fromhex("0x1.bcb7b1526e50ep-2")
_LOG10_2_HIGH = float.fromhex("0x1.34413509f6p-2")
_LOG10_2_LOW = float.fromhex("0x1.9fef311f12b36p-42")


def _scaled(x: float, k: int) -> float:
    """x * 2**k by its exponent bits; infinity where that leaves the range."""
    return _with_high(x, _high(x) + (k << 20))


def expm1(x: float) -> float:
    """exp(x) - 1, exact for small x; infinity from 709.79 on, -1 below -38.8."""
    high = _high(x)
    magnitude = high & 0x7FFFFFFF
    if magnitude >= 0x4043687A:
        if x != x:
            return x
        if x > _EXP_OVERFLOW:
            return math.inf
        if x < 0.0:
            return -1.0
    if magnitude < 0x3C900000:
        return x
    k = 0
    c = 0.0
    if magnitude > 0x3FD62E42:
        k = int(_INV_LN2 * x + math.copysign(0.5, x)) if magnitude >= 0x3FF0A2B2 else int(math.copysign(1, x))
        upper = x - k * _LN2_HIGH
        lower = k * _LN2_LOW
        x = upper - lower
        c = (upper - x) - lower
    half = 0.5 * x
    z = x * half
    q1, q2, q3, q4, q5 = _EXPM1
    r = 1.0 + z * (q1 + z * (q2 + z * (q3 + z * (q4 + z * q5))))
    t = 3.0 - r * half
    e = z * ((r - t) / (6.0 - x * t))
    if k == 0:
        return x - (x * e - z)
    e = x * (e - c) - c - z
    if k == -1:
        return 0.5 * (x - e) - 0.5
    if k == 1:
        return -2.0 * (e - (x + 0.5)) if x < -0.25 else 1.0 + 2.0 * (x - e)
    if k <= -2 or k > 56:
        return _scaled(1.0 - (e - x), k) - 1.0
    last = 2.0**-k
    return _scaled((1.0 - last) - (e - x) if k < 20 else (x - (e + last)) + 1.0, k)


def sinh(x: float) -> float:
    """The hyperbolic sine; infinite from 710.48 on."""
    size = abs(x)
    if not math.isfinite(x) or size < 2.0**-28:
        return x
    half = math.copysign(0.5, x)
    if size < 22.0:
        t = expm1(size)
        return half * (2.0 * t - t * t / (t + 1.0)) if size < 1.0 else half * (t + t / (t + 1.0))
    return half * 2.0 * _large_cosh(size)


def cosh(x: float) -> float:
    """The hyperbolic cosine; infinite from 710.48 on."""
    size = abs(x)
    if not math.isfinite(x):
        return size
    if _high(size) < 0x3FD62E43:
        t = expm1(size)
        return 1.0 + t if size < 2.0**-55 else 1.0 + (t * t) / ((1.0 + t) + (1.0 + t))
    if size < 22.0:
        t = exp(size)
        return 0.5 * t + 0.5 / t
    return _large_cosh(size)


def _large_cosh(size: float) -> float:
    if _high(size) < 0x40862E42:
        return 0.5 * exp(size)
    if size > _COSH_OVERFLOW:
        return math.inf
    root = exp(0.5 * size)
    return (0.5 * root) * root


def tanh(x: float) -> float:
    """The hyperbolic tangent, -1 to 1."""
    size = abs(x)
    if x != x or x == 0.0:
        return x
    if size < 2.0**-55:
        return x * (1.0 + x)
    if size >= 22.0:
        z = 1.0
    elif size >= 1.0:
        z = 1.0 - 2.0 / (expm1(2.0 * size) + 2.0)
    else:
        t = expm1(-2.0 * size)
        z = -t / (t + 2.0)
    return math.copysign(z, x)


def log10(x: float) -> float:
    """The decimal logarithm; -infinity at 0, NaN below."""
    if x == 0.0:
        return -math.inf
    if x < 0.0:
        return math.nan
    if not math.isfinite(x):
        return x
    fraction, exponent = math.frexp(x)
    k = exponent - 1
    below = int(k < 0)
    y = float(k + below)
    z = y * _LOG10_2_LOW + _INV_LN10 * log(math.ldexp(fraction, 1 - below))
    return z + y * _LOG10_2_HIGH


def cbrt(x: float) -> float:
    """The cube root, with the sign."""
    size = abs(x)
    if not math.isfinite(x) or x == 0.0:
        return x
    if size < 2.0**-1022:
        t = 2.0**54 * size
        t = _with_high(t, _high(t) // 3 + 696219795)
    else:
        t = _from_bits((_high(size) // 3 + 715094163) << 32)
    r = t * t / size
    s = 19 / 35 + r * t
    t *= 5 / 14 + (45 / 28) / (s + 99 / 70 + (-864 / 1225) / s)
    t = _from_bits((_high(t) + 1) << 32)
    r = size / (t * t)
    t = t + t * ((r - t) / (t + t + r))
    return math.copysign(t, x)


def hypot(x: float, y: float) -> float:
    """The length of the vector (x, y), without overflow on the way; infinite if either is."""
    if math.isinf(x) or math.isinf(y):
        return math.inf
    if x != x or y != y:
        return math.nan
    a, b = abs(x), abs(y)
    if _high(b) > _high(a):
        a, b = b, a
    if _high(a) - _high(b) > 0x3C00000:
        return a + b
    shift = 0
    if _high(a) > 0x5F300000:
        shift = -600
    elif _high(b) < 0x20B00000:
        if b == 0.0:
            return a
        shift = 1022 if b < 2.0**-1022 else 600
    unscaled = a, b
    a, b = math.ldexp(a, shift), math.ldexp(b, shift)
    # beside a subnormal number fdlibm cuts where it would have cut before it scaled
    cut_a, cut_b = unscaled if shift == 1022 else (a, b)
    a_head, b_head = _head(cut_a), _head(cut_b)
    twice_head = _from_bits((_high(cut_a) + 0x00100000) << 32)
    w = a - b
    if w > b:
        square = a_head * a_head - (b * -b - (a - a_head) * (a + a_head))
    else:
        square = twice_head * b_head - (w * -w - (twice_head * (b - b_head) + ((a + a) - twice_head) * b))
    length = math.sqrt(square)
    try:
        return math.ldexp(length, -shift)
    except OverflowError:
        return math.inf
