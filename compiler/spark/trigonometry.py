"""Angles and the hyperbolic functions in Spark SQL.

`asin acos atan atan2 hypot` of Spark are Java's StrictMath (its Math has no others), but that Spark's `atan2` drops
the sign of a zero. Java's Math has its own `sinh` and `tanh` from version 24 on, so the hyperbolic functions are
written out in `exp` and `expm1`, as fdlibm computes them. `sin cos tan` are fall-backs.
"""

from __future__ import annotations

import math

from compiler.spark.lowering import Call, lowering, rows
from compiler.spark.math import less
from compiler.spark.sql import INFINITY, number

rows({"atan": "atan({0})", "hypot": "hypot({0}, {1})"})

_EXP_ENDS = "709.7822265625D"
"""From here on `exp` could overflow where its half would not."""
_OVERFLOW = "710.4758600739439D"


@lowering("asin", "acos")
def arc(call: Call) -> str:
    x = call.args[0]
    outside = f"{x} < -1D or {less('1D', x, call.may_be_nan(0))}"
    return f"if({outside}, null, {call.signature.name}({x}))"


@lowering("atan2")
def atan2(call: Call) -> str:
    y, x = call.args
    left, below = (f"startswith(cast({value} as string), '-')" for value in (x, y))
    pi = number(math.pi)
    zero = f"if({left}, if({below}, - {pi}, {pi}), {y})"
    return f"if({y} <> 0D or isnan({x}), atan2({y}, {x}), {zero})"


@lowering("sinh")
def sinh(call: Call) -> str:
    x = call.args[0]
    size, half = f"abs({x})", f"if({x} < 0D, -0.5D, 0.5D)"
    t = f"expm1({size})"
    return (
        f"case when isnan({x}) or {size} < {2.0**-28!r}D then {x} "
        f"when {size} < 1D then {half} * (2D * {t} - {t} * {t} / ({t} + 1D)) "
        f"when {size} < 22D then {half} * ({t} + {t} / ({t} + 1D)) else {_large(size, half)} end"
    )


@lowering("cosh")
def cosh(call: Call) -> str:
    x = call.args[0]
    size = f"abs({x})"
    t, e = f"expm1({size})", f"exp({size})"
    return (
        f"case when isnan({x}) then {x} when {size} < {2.0**-55!r}D then 1D + {t} "
        f"when {size} < 0.3465735912322998D then 1D + ({t} * {t}) / ((1D + {t}) + (1D + {t})) "
        f"when {size} < 22D then 0.5D * {e} + 0.5D / {e} else {_large(size, '0.5D')} end"
    )


def _large(size: str, half: str) -> str:
    """sinh or cosh from 22 on."""
    root = f"exp(0.5D * {size})"
    return (
        f"if({size} < {_EXP_ENDS}, {half} * exp({size}), "
        f"if({size} > {_OVERFLOW}, {half} * {INFINITY}, ({half} * {root}) * {root}))"
    )


@lowering("tanh")
def tanh(call: Call) -> str:
    x = call.args[0]
    size, sign = f"abs({x})", f"if({x} < 0D, -1D, 1D)"
    t = f"expm1(-2D * {size})"
    return (
        f"case when isnan({x}) or {x} = 0D then {x} when {size} < {2.0**-55!r}D then {x} * (1D + {x}) "
        f"when {size} < 1D then {sign} * ((- {t}) / ({t} + 2D)) "
        f"when {size} < 22D then {sign} * (1D - 2D / (expm1(2D * {size}) + 2D)) else {sign} end"
    )
