"""Arithmetic and elementary functions in Spark SQL.

`exp`, `expm1`, `ln`, `log1p`, `log10` and `pow` of Spark are Java's StrictMath, with and without generated code;
`sqrt` and `rint` are exact. Spark's floor, ceil and round give other types or lose the sign of zero, so they are
built from `rint`.
"""

from __future__ import annotations

from compiler.spark.lowering import Call, lowering, rows
from compiler.spark.sql import held_as, number
from featdsl.operators.strictmath import log

rows(
    {
        "add": "{0} + {1}",
        "subtract": "{0} - {1}",
        "multiply": "{0} * {1}",
        "divide": "{0} / {1}",
        "negate": "- {0}",
        "abs": "abs({0})",
        "exp": "exp({0})",
        "log": "ln({0})",
        "log1p": "log1p({0})",
        "expm1": "expm1({0})",
        "sigmoid": "1D / (1D + exp(- {0}))",
    }
)


@lowering("floor_divide")
def floor_divide(call: Call) -> str:
    a, b = call.args
    return f"{a} div {b} - if({_turns(a, b)}, 1L, 0L)"


@lowering("modulo")
def modulo(call: Call) -> str:
    a, b = call.args
    return f"if({_turns(a, b)}, {a} % {b} + {b}, {a} % {b})"


def _turns(a: str, b: str) -> str:
    """Whether the remainder has another sign than the divisor, so that truncation is not floor."""
    return f"{a} % {b} <> 0L and ({a} % {b} < 0L) <> ({b} < 0L)"


@lowering("pow")
def pow(call: Call) -> str:
    a, b = call.args
    came_in = "".join(f" and not isnan({call.args[i]})" for i in (0, 1) if call.may_be_nan(i))
    return f"if(({a} = 0D and {b} < 0D) or (isnan(pow({a}, {b})){came_in}), null, pow({a}, {b}))"


@lowering("sqrt")
def sqrt(call: Call) -> str:
    return f"if({call.args[0]} < 0D, null, sqrt({call.args[0]}))"


def less(a: str, b: str, floating: bool) -> str:
    """IEEE `a < b` of values that are not null: to Spark, NaN is the greatest number."""
    return f"({a} < {b} and not isnan({b}))" if floating else f"{a} < {b}"


@lowering("min", "max")
def extreme(call: Call) -> str:
    least = call.signature.name == "min"
    floating = call.result.kind.value.startswith("float")

    def better(value: str, best: str) -> str:
        return less(value, best, floating) if least else less(best, value, floating)

    if len(call.args) == 1 and call.types[0].is_listlike:
        start = f"cast(null as {held_as(call.result)})"
        step = f"if(m_ is null or {better('x_', 'm_')}, x_, m_)"
        return f"aggregate({call.args[0]}, {start}, (m_, x_) -> {step})"
    if len(call.args) == 1:
        return call.args[0]
    if len(call.args) == 2:
        a, b = call.args
        return f"if({better(b, a)}, {b}, {a})"
    others = f"array({', '.join(call.args[1:])})"
    return f"aggregate({others}, {call.args[0]}, (m_, x_) -> if({better('x_', 'm_')}, x_, m_))"


@lowering("clip")
def clip(call: Call) -> str:
    x, low, high = call.args
    floating = call.is_float()
    return f"if({less(x, low, floating)}, {low}, if({less(high, x, floating)}, {high}, {x}))"


@lowering("floor")
def floor(call: Call) -> str:
    return _floor(call.args[0]) if call.is_float() else call.args[0]


def _floor(x: str) -> str:
    return f"if(rint({x}) > {x}, rint({x}) - 1D, rint({x}))"


@lowering("ceil")
def ceil(call: Call) -> str:
    return f"- {_floor(f'(- {call.args[0]})')}" if call.is_float() else call.args[0]


@lowering("round")
def round(call: Call) -> str:
    """Half away from zero: floor of the size, one more from .5 on, with the sign (also of zero) put back."""
    if not call.is_float():
        return call.args[0]
    size = f"abs({call.args[0]})"
    down = _floor(size)
    return f"({down} + if({size} - {down} >= 0.5D, 1D, 0D)) * signum({call.args[0]})"


@lowering("trunc")
def trunc(call: Call) -> str:
    x = call.args[0]
    return f"if({x} < 0D, - {_floor(f'(- {x})')}, {_floor(x)})" if call.is_float() else x


@lowering("rint")
def rint(call: Call) -> str:
    return f"rint({call.args[0]})" if call.is_float() else call.args[0]


@lowering("sign")
def sign(call: Call) -> str:
    x, floating = call.args[0], call.is_float()
    zero = "0D" if floating else "0L"
    return f"if({less(zero, x, floating)}, 1L, if({x} < {zero}, -1L, 0L))"


@lowering("log2")
def log2(call: Call) -> str:
    x = call.args[0]
    found = f"(ln({x}) / {number(log(2.0))})"
    return f"if(pow(2D, rint({found})) = {x}, rint({found}), {found})"


@lowering("log10")
def log10(call: Call) -> str:
    return f"if({call.args[0]} <= 0D, null, log10({call.args[0]}))"
