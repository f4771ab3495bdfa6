"""Angles, in radians, and the hyperbolic functions; all as Java's StrictMath has them, to the bit."""

from __future__ import annotations

from featdsl.operators import strictmath_hyperbolic, strictmath_trig
from featdsl.operators.declare import operator


@operator("sin(x: float64) -> float64", examples={"sin(0)": 0.0, "sin(1)": 0.8414709848078965})
def sin(x: float) -> float:
    """The sine of an angle in radians, as Java's StrictMath has it. Of an infinite angle it is NaN."""
    return strictmath_trig.sin(x)


@operator("cos(x: float64) -> float64", examples={"cos(0)": 1.0, "cos(1)": 0.5403023058681398})
def cos(x: float) -> float:
    """The cosine of an angle in radians, as Java's StrictMath has it. Of an infinite angle it is NaN."""
    return strictmath_trig.cos(x)


@operator("tan(x: float64) -> float64", examples={"tan(0)": 0.0, "tan(1)": 1.5574077246549023})
def tan(x: float) -> float:
    """The tangent of an angle in radians, as Java's StrictMath has it. Of an infinite angle it is NaN."""
    return strictmath_trig.tan(x)


@operator("asin(x: float64) -> float64?", examples={"asin(1)": 1.5707963267948966, "asin(1.5)": None})
def asin(x: float) -> float | None:
    """The angle from -π/2 to π/2 whose sine is `x`, as Java's StrictMath has it; null outside -1 to 1."""
    return None if x < -1.0 or x > 1.0 else strictmath_trig.asin(x)


@operator("acos(x: float64) -> float64?", examples={"acos(-1)": 3.141592653589793, "acos(1.5)": None})
def acos(x: float) -> float | None:
    """The angle from 0 to π whose cosine is `x`, as Java's StrictMath has it; null outside -1 to 1."""
    return None if x < -1.0 or x > 1.0 else strictmath_trig.acos(x)


@operator("atan(x: float64) -> float64", examples={"atan(1)": 0.7853981633974483})
def atan(x: float) -> float:
    """The angle from -π/2 to π/2 whose tangent is `x`, as Java's StrictMath has it."""
    return strictmath_trig.atan(x)


@operator(
    "atan2(y: float64, x: float64) -> float64",
    examples={"atan2(1, 1)": 0.7853981633974483, "atan2(0, -1)": 3.141592653589793},
)
def atan2(y: float, x: float) -> float:
    """The angle from -π to π of the point with these coordinates, `y` first, as Java's StrictMath has it.

    The sign of a zero counts: `atan2(-0.0, -1)` is -π. `atan2(0, 0)` is 0.
    """
    return strictmath_trig.atan2(y, x)


@operator("hypot(x: float64, y: float64) -> float64", examples={"hypot(3, 4)": 5.0, "hypot(1e200, 0)": 1e200})
def hypot(x: float, y: float) -> float:
    """The root of the sum of the squares, without overflow on the way, as Java's StrictMath has it.

    Infinite if an argument is, whatever the other.
    """
    return strictmath_hyperbolic.hypot(x, y)


@operator("sinh(x: float64) -> float64", examples={"sinh(0)": 0.0, "sinh(1)": 1.1752011936438014})
def sinh(x: float) -> float:
    """The hyperbolic sine, as Java's StrictMath has it; infinite from 710.48 on."""
    return strictmath_hyperbolic.sinh(x)


@operator("cosh(x: float64) -> float64", examples={"cosh(0)": 1.0, "cosh(1)": 1.543080634815244})
def cosh(x: float) -> float:
    """The hyperbolic cosine, as Java's StrictMath has it; infinite from 710.48 on."""
    return strictmath_hyperbolic.cosh(x)


@operator("tanh(x: float64) -> float64", examples={"tanh(0)": 0.0, "tanh(1)": 0.7615941559557649})
def tanh(x: float) -> float:
    """The hyperbolic tangent, -1 to 1, as Java's StrictMath has it."""
    return strictmath_hyperbolic.tanh(x)
