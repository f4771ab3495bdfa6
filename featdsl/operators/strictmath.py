"""exp, log, log1p and pow, equal to the bit to Java's StrictMath on every machine.

These are the algorithms of fdlibm, in plain binary64 arithmetic; `engine/strictmath.h` holds the same in
C++. The platform's libm differs from them in the last bit on several percent of arguments.

    Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.

    Developed at SunPro and SunSoft, Sun Microsystems, Inc. businesses.
    Permission to use, copy, modify, and distribute this software is freely granted,
    provided that this notice is preserved.
"""

from __future__ import annotations

import math
import struct

_DOUBLE = struct.Struct("<d")
_WORD = struct.Struct("<Q")
_LOW = 0xFFFFFFFF

_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_TWO_54 = 2.0**54

_LOG = tuple(
    float.fromhex(c)
    for c in (
        "0x1.5555555555593p-1",
        "0x1.999999997fa04p-2",
        "0x1.2492494229359p-2",
        "0x1.c71c51d8e78afp-3",
        "0x1.7466496cb03dep-3",
        "0x1.39a09d078c69fp-3",
        "0x1.2f112df3e5244p-3",
    )
)
_EXP = tuple(
    float.fromhex(c)
    for c in (
        "0x1.555555555553ep-3",
        "-0x1.6c16c16bebd93p-9",
        "0x1.1566aaf25de2cp-14",
        "-0x1.bbd41c5d26bf1p-20",
        "0x1.6376972bea4d0p-25",
    )
)
_POW = tuple(
    float.fromhex(c)
    for c in (
        "0x1.3333333333303p-1",
        "0x1.b6db6db6fabffp-2",
        "0x1.55555518f264dp-2",
        "0x1.17460a91d4101p-2",
        "0x1.d864a93c9db65p-3",
        "0x1.a7e284a454eefp-3",
    )
)
_EXP_OVERFLOW = float.fromhex("0x1.62e42fefa39efp+9")
_EXP_UNDERFLOW = float.fromhex("-0x1.74910d52d3051p+9")
_INV_LN2 = float.fromhex("0x1.71547652b82fep+0")
_INV_LN2_HIGH = float.fromhex("0x1.715476p+0")
_INV_LN2_LOW = float.fromhex("0x1.4ae0bf85ddf44p-26")
_LN2 = float.fromhex("0x1.62e42fefa39efp-1")
_LN2_POW_HIGH = float.fromhex("0x1.62e43p-1")
_LN2_POW_LOW = float.fromhex("-0x1.05c610ca86c39p-29")
_CP = float.fromhex("0x1.ec709dc3a03fdp-1")
_CP_HIGH = float.fromhex("0x1.ec709ep-1")
_CP_LOW = float.fromhex("-0x1.e2fe0145b01f5p-28")
_POW_OVERFLOW_TAIL = 8.0085662595372944372e-17
_LOG2_1_5_HIGH = (0.0, float.fromhex("0x1.2b8034p-1"))
_LOG2_1_5_LOW = (0.0, float.fromhex("0x1.cfdeb43cfd006p-27"))
_BREAKPOINT = (1.0, 1.5)


def _bits(x: float) -> int:
    return int(_WORD.unpack(_DOUBLE.pack(x))[0])


def _from_bits(bits: int) -> float:
    return float(_DOUBLE.unpack(_WORD.pack(bits))[0])


def _high(x: float) -> int:
    """The upper 32 bits as a signed number."""
    high = _bits(x) >> 32
    return high - (1 << 32) if high >= 1 << 31 else high


def _with_high(x: float, high: int) -> float:
    return _from_bits((high & _LOW) << 32 | _bits(x) & _LOW)


def _head(x: float) -> float:
    """The value with the lower 32 bits cleared."""
    return _from_bits(_bits(x) >> 32 << 32)


def exp(x: float) -> float:
    """e to the x; infinity from 709.79 on, 0 below -745.14."""
    high = _high(x)
    negative = high < 0
    high &= 0x7FFFFFFF
    if high >= 0x40862E42:
        if x != x:
            return x
        if x > _EXP_OVERFLOW:
            return math.inf
        if x < _EXP_UNDERFLOW:
            return 0.0
    k = 0
    upper = lower = 0.0
    if high > 0x3FD62E42:
        if high < 0x3FF0A2B2:
            k = -1 if negative else 1
            upper = x + _LN2_HIGH if negative else x - _LN2_HIGH
            lower = -_LN2_LOW if negative else _LN2_LOW
        else:
            k = int(_INV_LN2 * x + (-0.5 if negative else 0.5))
            upper = x - k * _LN2_HIGH
            lower = k * _LN2_LOW
        x = upper - lower
    elif high < 0x3E300000:
        return 1.0 + x
    t = x * x
    p1, p2, p3, p4, p5 = _EXP
    c = x - t * (p1 + t * (p2 + t * (p3 + t * (p4 + t * p5))))
    if k == 0:
        return 1.0 - ((x * c) / (c - 2.0) - x)
    y = 1.0 - ((lower - (x * c) / (2.0 - c)) - upper)
    if k >= -1021:
        return _with_high(y, _high(y) + (k << 20))
    return _with_high(y, _high(y) + ((k + 1000) << 20)) * 2.0**-1000


def log(x: float) -> float:
    """The natural logarithm; -infinity at 0, NaN below."""
    high = _high(x)
    k = 0
    if high < 0x00100000:
        if x == 0.0:
            return -math.inf
        if high < 0:
            return math.nan
        k = -54
        x *= _TWO_54
        high = _high(x)
    if high >= 0x7FF00000:
        return x
    k += (high >> 20) - 1023
    high &= 0x000FFFFF
    i = (high + 0x95F64) & 0x100000
    x = _with_high(x, high | (i ^ 0x3FF00000))
    k += i >> 20
    f = x - 1.0
    if (0x000FFFFF & (2 + high)) < 3:
        if f == 0.0:
            return k * _LN2_HIGH + k * _LN2_LOW if k else 0.0
        r = f * f * (0.5 - 0.33333333333333333 * f)
        return f - r if k == 0 else k * _LN2_HIGH - ((r - k * _LN2_LOW) - f)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    l1, l2, l3, l4, l5, l6, l7 = _LOG
    t1 = w * (l2 + w * (l4 + w * l6))
    t2 = z * (l1 + w * (l3 + w * (l5 + w * l7)))
    r = t2 + t1
    if ((high - 0x6147A) | (0x6B851 - high)) > 0:
        square = 0.5 * f * f
        if k == 0:
            return f - (square - s * (square + r))
        return k * _LN2_HIGH - ((square - (s * (square + r) + k * _LN2_LOW)) - f)
    if k == 0:
        return f - s * (f - r)
    return k * _LN2_HIGH - ((s * (f - r) - k * _LN2_LOW) - f)


def log1p(x: float) -> float:
    """log(1 + x), exact for small x; -infinity at -1, NaN below."""
    high = _high(x)
    magnitude = high & 0x7FFFFFFF
    k = 1
    f = c = 0.0
    head = 1
    if high < 0x3FDA827A:
        if magnitude >= 0x3FF00000:
            if x != x:
                return x
            return -math.inf if x == -1.0 else math.nan
        if magnitude < 0x3E200000:
            return x if magnitude < 0x3C900000 else x - x * x * 0.5
        if high > 0 or high <= 0xBFD2BEC3 - (1 << 32):
            k = 0
            f = x
    if high >= 0x7FF00000:
        return x
    if k != 0:
        if high < 0x43400000:
            u = 1.0 + x
            head = _high(u)
            k = (head >> 20) - 1023
            c = (1.0 - (u - x) if k > 0 else x - (u - 1.0)) / u
        else:
            u = x
            head = _high(u)
            k = (head >> 20) - 1023
        head &= 0x000FFFFF
        if head < 0x6A09E:
            u = _with_high(u, head | 0x3FF00000)
        else:
            k += 1
            u = _with_high(u, head | 0x3FE00000)
            head = (0x00100000 - head) >> 2
        f = u - 1.0
    square = 0.5 * f * f
    if head == 0:
        if f == 0.0:
            return k * _LN2_HIGH + (c + k * _LN2_LOW) if k else 0.0
        r = square * (1.0 - 0.66666666666666666 * f)
        return f - r if k == 0 else k * _LN2_HIGH - ((r - (k * _LN2_LOW + c)) - f)
    s = f / (2.0 + f)
    z = s * s
    l1, l2, l3, l4, l5, l6, l7 = _LOG
    r = z * (l1 + z * (l2 + z * (l3 + z * (l4 + z * (l5 + z * (l6 + z * l7))))))
    if k == 0:
        return f - (square - s * (square + r))
    return k * _LN2_HIGH - ((square - (s * (square + r) + (k * _LN2_LOW + c))) - f)


def pow(x: float, y: float) -> float:
    """x to the y, as Java has it: pow(x, 0) is 1 for every x, pow(1, NaN) and pow(±1, ±infinity) are NaN."""
    if y == 0.0:
        return 1.0
    if x != x or y != y:
        return math.nan
    parity = _parity(y)
    magnitude = abs(x)
    if math.isinf(y):
        if magnitude == 1.0:
            return math.nan
        return math.inf if (magnitude > 1.0) == (y > 0.0) else 0.0
    if y == 1.0:
        return x
    if y == -1.0:
        return _reciprocal(x)
    if y == 2.0:
        return x * x
    if y == 0.5 and _high(x) >= 0:
        return math.sqrt(x)
    if magnitude in (0.0, 1.0, math.inf):
        z = magnitude if y > 0.0 else _reciprocal(magnitude)
        if _high(x) >= 0 or parity == 2:
            return z
        if parity == 1:
            return -z
        return math.nan if magnitude == 1.0 else z
    if x < 0.0 and parity == 0:
        return math.nan
    sign = -1.0 if x < 0.0 and parity == 1 else 1.0
    log2 = _log2_of(magnitude, y)
    if isinstance(log2, float):
        return sign * log2
    return sign * _exp2_product(y, *log2)


def _reciprocal(x: float) -> float:
    return 1.0 / x if x else math.copysign(math.inf, x)


def _parity(y: float) -> int:
    """0: not an integer, 1: odd, 2: even."""
    if math.isinf(y) or y != math.floor(y):
        return 0
    return 2 - int(y) % 2


def _log2_of(x: float, y: float) -> tuple[float, float] | float:
    """log2(x) as a head and a tail, or the power itself where |y| is so large that it over- or underflows."""
    high = _high(x)
    y_high = _high(y) & 0x7FFFFFFF
    if y_high > 0x41E00000:
        below, above = high < 0x3FEFFFFF, high > 0x3FF00000
        if y_high > 0x43F00000:
            below, above = high <= 0x3FEFFFFF, high >= 0x3FF00000
        if below:
            return math.inf if y < 0.0 else 0.0
        if above:
            return math.inf if y > 0.0 else 0.0
        t = x - 1.0
        w = (t * t) * (0.5 - t * (0.3333333333333333333333 - t * 0.25))
        u = _INV_LN2_HIGH * t
        v = t * _INV_LN2_LOW - w * _INV_LN2
        head = _head(u + v)
        return head, v - (head - u)
    n = 0
    if high < 0x00100000:
        x *= 2.0**53
        n = -53
        high = _high(x)
    n += (high >> 20) - 0x3FF
    j = high & 0x000FFFFF
    high = j | 0x3FF00000
    k = 0
    if 0x3988E < j < 0xBB67A:
        k = 1
    elif j >= 0xBB67A:
        n += 1
        high -= 0x00100000
    x = _with_high(x, high)
    u = x - _BREAKPOINT[k]
    v = 1.0 / (x + _BREAKPOINT[k])
    s = u * v
    s_head = _head(s)
    t_head = _with_high(0.0, ((high >> 1) | 0x20000000) + 0x00080000 + (k << 18))
    t_tail = x - (t_head - _BREAKPOINT[k])
    s_tail = v * ((u - s_head * t_head) - s_head * t_tail)
    s2 = s * s
    l1, l2, l3, l4, l5, l6 = _POW
    r = s2 * s2 * (l1 + s2 * (l2 + s2 * (l3 + s2 * (l4 + s2 * (l5 + s2 * l6)))))
    r += s_tail * (s_head + s)
    s2 = s_head * s_head
    t_head = _head(3.0 + s2 + r)
    t_tail = r - ((t_head - 3.0) - s2)
    u = s_head * t_head
    v = s_tail * t_head + t_tail * s
    p_head = _head(u + v)
    p_tail = v - (p_head - u)
    z_head = _CP_HIGH * p_head
    z_tail = _CP_LOW * p_head + p_tail * _CP + _LOG2_1_5_LOW[k]
    head = _head(((z_head + z_tail) + _LOG2_1_5_HIGH[k]) + n)
    return head, z_tail - (((head - n) - _LOG2_1_5_HIGH[k]) - z_head)


def _exp2_product(y: float, log2_head: float, log2_tail: float) -> float:
    """2 to the y * (log2_head + log2_tail)."""
    y_head = _head(y)
    p_tail = (y - y_head) * log2_head + y * log2_tail
    p_head = y_head * log2_head
    z = p_tail + p_head
    if z > 1024.0 or (z == 1024.0 and p_tail + _POW_OVERFLOW_TAIL > z - p_head):
        return math.inf
    if z < -1075.0 or (z == -1075.0 and p_tail <= z - p_head):
        return 0.0
    j = _high(z)
    i = j & 0x7FFFFFFF
    n = 0
    if i > 0x3FE00000:
        n = (j & _LOW) + (0x00100000 >> ((i >> 20) - 0x3FE))
        k = ((n & 0x7FFFFFFF) >> 20) - 0x3FF
        p_head -= _with_high(0.0, n & ~(0x000FFFFF >> k))
        n = ((n & 0x000FFFFF) | 0x00100000) >> (20 - k)
        if j < 0:
            n = -n
    t = _head(p_tail + p_head)
    u = t * _LN2_POW_HIGH
    v = (p_tail - (t - p_head)) * _LN2 + t * _LN2_POW_LOW
    z = u + v
    w = v - (z - u)
    t = z * z
    p1, p2, p3, p4, p5 = _EXP
    t1 = z - t * (p1 + t * (p2 + t * (p3 + t * (p4 + t * p5))))
    r = (z * t1) / (t1 - 2.0) - (w + z * w)
    z = 1.0 - (r - z)
    if (_high(z) + (n << 20)) >> 20 <= 0:
        return math.ldexp(z, n)
    return _with_high(z, _high(z) + (n << 20))
