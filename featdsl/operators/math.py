"""Arithmetic and elementary functions.

Integers are computed in int64 and wrap; floats are IEEE 754 binary64 in the written order. Division by zero,
and every argument that a function has no value for, gives null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from featdsl.operators import strictmath, strictmath_hyperbolic
from featdsl.operators.declare import NOT_CONSTANT, operator

Number = int | float


def wrap(value: int) -> int:
    """The int64 that `value` becomes when it overflows."""
    return (value + 2**63) % 2**64 - 2**63


def _number(value: Number) -> Number:
    return value if isinstance(value, float) else wrap(value)


def _divisor_is_not_zero(arguments: tuple[Any, ...]) -> bool:
    divisor = arguments[1]
    if divisor is NOT_CONSTANT:
        return False
    return all(divisor) if isinstance(divisor, tuple) else bool(divisor)


@operator(
    "add(a: int64, b: int64) -> int64",
    "add(a: float64, b: float64) -> float64",
    "add(a: timestamp, b: int64) -> timestamp",
    "add(a: int64, b: timestamp) -> timestamp",
    symbol="+",
    examples={"2 + 3": 5, "1 + 0.5": 1.5, "9223372036854775807 + 1": -(2**63)},
)
def add(a: Number, b: Number) -> Number:
    """The sum. Integers wrap; a timestamp plus an integer is that many microseconds later."""
    return _number(a + b)


@operator(
    "subtract(a: int64, b: int64) -> int64",
    "subtract(a: float64, b: float64) -> float64",
    "subtract(a: timestamp, b: timestamp) -> int64",
    "subtract(a: timestamp, b: int64) -> timestamp",
    symbol="-",
    examples={"2 - 3": -1, "1.5 - 1": 0.5},
)
def subtract(a: Number, b: Number) -> Number:
    """The difference. Integers wrap; of two timestamps it is an int64 of microseconds."""
    return _number(a - b)


@operator(
    "multiply(a: int64, b: int64) -> int64",
    "multiply(a: float64, b: float64) -> float64",
    symbol="*",
    examples={"6 * 7": 42, "0.5 * 3": 1.5},
)
def multiply(a: Number, b: Number) -> Number:
    """The product. Integers wrap."""
    return _number(a * b)


@operator(
    "divide(a: float64, b: float64) -> float64?",
    symbol="/",
    never_null_when=_divisor_is_not_zero,
    examples={"7 / 2": 3.5, "1 / 0": None},
)
def divide(a: float, b: float) -> float | None:
    """The quotient, always a float64; null when the divisor is zero (so not nullable by a constant that is not)."""
    return None if b == 0.0 else a / b


@operator(
    "floor_divide(a: int64, b: int64) -> int64?",
    symbol="//",
    never_null_when=_divisor_is_not_zero,
    examples={"7 // 2": 3, "-7 // 2": -4, "1 // 0": None},
)
def floor_divide(a: int, b: int) -> int | None:
    """The quotient of two integers, rounded down; null when the divisor is zero."""
    return None if b == 0 else wrap(a // b)


@operator(
    "modulo(a: int64, b: int64) -> int64?",
    symbol="%",
    never_null_when=_divisor_is_not_zero,
    examples={"7 % 3": 1, "-7 % 3": 2, "7 % -3": -2, "1 % 0": None},
)
def modulo(a: int, b: int) -> int | None:
    """What is left of `a` after `b * (a // b)`, so it has the sign of `b`; null when `b` is zero."""
    return None if b == 0 else a % b


@operator(
    "pow(a: float64, b: float64) -> float64?",
    symbol="**",
    examples={"2 ** 10": 1024.0, "pow(2.0, 0.5)": 1.4142135623730951, "pow(-1, 0.5)": None, "0 ** -1": None},
)
def pow(a: float, b: float) -> float | None:
    """`a` to the `b`, a float64, as Java's StrictMath has it; anything to the 0 is 1.

    Null for a negative number to a power that is no integer, for 1 or -1 to an infinite power, and for 0 to a
    negative power (as 1/0 is null).
    """
    if a == 0.0 and b < 0.0:
        return None
    return _in_domain(strictmath.pow(a, b), a, b)


def _in_domain(result: float, *arguments: float) -> float | None:
    """None for a NaN that did not come in with the arguments."""
    if result == result or any(x != x for x in arguments):
        return result
    return None


@operator(
    "negate(x: int64) -> int64",
    "negate(x: float64) -> float64",
    symbol="unary -",
    examples={"-(3)": -3, "-(0.0)": -0.0},
)
def negate(x: Number) -> Number:
    """The value with the other sign. The smallest int64 wraps to itself."""
    return _number(-x)


@operator(
    "abs(x: int64) -> int64",
    "abs(x: float64) -> float64",
    examples={"abs(-3)": 3, "abs(-0.5)": 0.5},
)
def abs(x: Number) -> Number:
    """The size without the sign. The smallest int64 wraps to itself."""
    return math.fabs(x) if isinstance(x, float) else wrap(-x if x < 0 else x)


def _fold(values: Sequence[Any], better: Callable[[Any, Any], bool]) -> Any:
    if not values:
        return None
    best = values[0]
    for value in values[1:]:
        if better(value, best):
            best = value
    return best


@operator(
    "min(values: list<int64>) -> int64?",
    "min(values: list<float64>) -> float64?",
    "min(values: list<timestamp>) -> timestamp?",
    "min(values: list<string>) -> string?",
    "min(values: int64...) -> int64",
    "min(values: float64...) -> float64",
    "min(values: timestamp...) -> timestamp",
    "min(values: string...) -> string",
    examples={"min(3, 1, 2)": 1, "min([2.5, 0.5])": 0.5, 'min("b", "a")': "a"},
)
def min(*values: Any) -> Any:
    """The least of its arguments, or of one list's elements; null for an empty list.

    It goes from left to right and moves on only to a value that is less, so of equals the first stays.
    """
    return _fold(_values(values), lambda value, best: value < best)


@operator(
    "max(values: list<int64>) -> int64?",
    "max(values: list<float64>) -> float64?",
    "max(values: list<timestamp>) -> timestamp?",
    "max(values: list<string>) -> string?",
    "max(values: int64...) -> int64",
    "max(values: float64...) -> float64",
    "max(values: timestamp...) -> timestamp",
    "max(values: string...) -> string",
    examples={"max(3, 1, 2)": 3, "max([2.5, 0.5])": 2.5, 'max("b", "a")': "b"},
)
def max(*values: Any) -> Any:
    """The greatest of its arguments, or of one list's elements; null for an empty list.

    It goes from left to right and moves on only to a value that is greater, so of equals the first stays.
    """
    return _fold(_values(values), lambda value, best: value > best)


def _values(values: tuple[Any, ...]) -> Sequence[Any]:
    if len(values) == 1 and isinstance(values[0], (list, tuple)):
        return values[0]
    return values


@operator(
    "clip(x: int64, low: int64, high: int64) -> int64",
    "clip(x: float64, low: float64, high: float64) -> float64",
    examples={"clip(7, 0, 5)": 5, "clip(-0.5, 0, 1)": 0.0},
)
def clip(x: Number, low: Number, high: Number) -> Number:
    """The value, moved to the nearer end if it is outside `low` to `high`; `low` is looked at first."""
    return low if x < low else high if x > high else x


@operator(
    "sign(x: int64) -> int64",
    "sign(x: float64) -> int64",
    examples={"sign(-7)": -1, "sign(0.5)": 1, "sign(-0.0)": 0},
)
def sign(x: Number) -> int:
    """1 for what is greater than 0, -1 for what is less, else 0 (for a NaN too). Always an int64."""
    return 1 if x > 0 else -1 if x < 0 else 0


MOST_DIGITS = 100


def digits_error(constants: Mapping[str, Any]) -> str | None:
    digits = constants.get("digits", 0)
    if not 0 <= digits <= MOST_DIGITS:
        return f"the number of digits is 0 to {MOST_DIGITS}, found {digits}"
    return None


@operator(
    "round(x: int64) -> int64",
    "round(x: float64) -> float64",
    "round(x: int64, digits: const int64) -> int64",
    "round(x: float64, digits: const int64) -> float64",
    validate=digits_error,
    examples={
        "round(2.5)": 3.0,
        "round(-2.5)": -3.0,
        "round(0.49999999999999994)": 0.0,
        "round(3.14159, digits: 2)": 3.14,
        "round(0.125, digits: 2)": 0.13,
        "round(2.675, digits: 2)": 2.67,
    },
)
def round(x: Number, digits: int = 0) -> Number:
    """The nearest whole number, halves away from zero, in the argument's type; with `digits` the nearest decimal
    of so many places after the point (as a float64, the one next to that decimal).

    It looks at the number as it is, not as it is written: 2.675 is stored as 2.67499999999999982236431605997495353,
    so to two digits it is 2.67. An integer stays as it is.
    """
    if not isinstance(x, float) or not math.isfinite(x):
        return x
    return float(rounded_decimal(x, digits))


def rounded_decimal(x: float, digits: int) -> Decimal:
    """A finite number rounded to so many places after the point, halves away from zero; it keeps its sign."""
    return Decimal(x).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)


_WIDE = Context(prec=500)


@operator(
    "floor(x: int64) -> int64",
    "floor(x: float64) -> float64",
    examples={"floor(2.9)": 2.0, "floor(-2.1)": -3.0, "floor(7)": 7},
)
def floor(x: Number) -> Number:
    """The greatest whole number that is not greater, in the argument's type."""
    if not isinstance(x, float) or not math.isfinite(x):
        return x
    return math.copysign(float(math.floor(x)), x)


@operator(
    "ceil(x: int64) -> int64",
    "ceil(x: float64) -> float64",
    examples={"ceil(2.1)": 3.0, "ceil(-0.5)": -0.0, "ceil(7)": 7},
)
def ceil(x: Number) -> Number:
    """The least whole number that is not less, in the argument's type."""
    if not isinstance(x, float) or not math.isfinite(x):
        return x
    return math.copysign(float(math.ceil(x)), x)


@operator(
    "rint(x: int64) -> int64",
    "rint(x: float64) -> float64",
    examples={"rint(2.5)": 2.0, "rint(3.5)": 4.0, "rint(-0.5)": -0.0},
)
def rint(x: Number) -> Number:
    """The nearest whole number, halves to the even one, in the argument's type; with the sign, so -0.5 gives -0.0.
    (`round` takes halves away from zero.)"""
    if not isinstance(x, float) or not math.isfinite(x):
        return x
    return math.copysign(float(Decimal(x).to_integral_value(ROUND_HALF_EVEN)), x)


@operator(
    "trunc(x: int64) -> int64",
    "trunc(x: float64) -> float64",
    examples={"trunc(2.9)": 2.0, "trunc(-2.9)": -2.0, "trunc(7)": 7},
)
def trunc(x: Number) -> Number:
    """The whole number next to it on the way to zero, in the argument's type; with the sign, so -0.5 gives -0.0.
    (`int64(x)` gives an int64, or null.)"""
    if not isinstance(x, float) or not math.isfinite(x):
        return x
    return math.copysign(float(math.trunc(x)), x)


@operator("sqrt(x: float64) -> float64?", examples={"sqrt(9)": 3.0, "sqrt(-1)": None})
def sqrt(x: float) -> float | None:
    """The square root, correctly rounded; null below zero."""
    return None if x < 0.0 else math.sqrt(x)


@operator("exp(x: float64) -> float64", examples={"exp(0)": 1.0, "exp(1)": 2.7182818284590455})
def exp(x: float) -> float:
    """e to the x, as Java's StrictMath has it; infinity from 709.79 on."""
    return strictmath.exp(x)


@operator("log(x: float64) -> float64?", examples={"log(1)": 0.0, "log(0)": None})
def log(x: float) -> float | None:
    """The natural logarithm, as Java's StrictMath has it; null for zero and below."""
    return None if x <= 0.0 else strictmath.log(x)


@operator("log1p(x: float64) -> float64?", examples={"log1p(0)": 0.0, "log1p(-1)": None})
def log1p(x: float) -> float | None:
    """log(1 + x) without loss for small x, as Java's StrictMath has it; null for -1 and below."""
    return None if x <= -1.0 else strictmath.log1p(x)


@operator("expm1(x: float64) -> float64", examples={"expm1(0)": 0.0, "expm1(1e-10)": 1.00000000005e-10})
def expm1(x: float) -> float:
    """exp(x) - 1 without loss for small x, as Java's StrictMath has it."""
    return strictmath_hyperbolic.expm1(x)


_LOG_2 = strictmath.log(2.0)


@operator(
    "log2(x: float64) -> float64?",
    examples={"log2(8)": 3.0, "log2(536_870_912)": 29.0, "log2(10)": 3.3219280948873626, "log2(0)": None},
)
def log2(x: float) -> float | None:
    """The binary logarithm: n for 2 to the n, else `log(x) / log(2.0)`; null for zero and below."""
    if x <= 0.0:
        return None
    found = strictmath.log(x) / _LOG_2
    if not math.isfinite(found):
        return found
    whole = float(math.floor(found + 0.5))
    return whole if strictmath.pow(2.0, whole) == x else found


@operator(
    "log10(x: float64) -> float64?",
    examples={"log10(1000)": 3.0, "log10(2)": 0.3010299956639812, "log10(0)": None},
)
def log10(x: float) -> float | None:
    """The decimal logarithm, as Java's StrictMath has it; null for zero and below."""
    return None if x <= 0.0 else strictmath_hyperbolic.log10(x)


@operator("cbrt(x: float64) -> float64", examples={"cbrt(27)": 3.0, "cbrt(-8)": -2.0})
def cbrt(x: float) -> float:
    """The cube root, with the sign, as Java's StrictMath has it."""
    return strictmath_hyperbolic.cbrt(x)


@operator("sigmoid(x: float64) -> float64", examples={"sigmoid(0)": 0.5, "sigmoid(-1000)": 0.0})
def sigmoid(x: float) -> float:
    """The logistic function, computed as 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + strictmath.exp(-x))
