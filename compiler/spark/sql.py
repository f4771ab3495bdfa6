"""Pieces of Spark SQL text. Expressions are built as text: one parse in the JVM a column, nothing a call."""

from __future__ import annotations

import math
from collections.abc import Sequence

from featdsl.typed import Constant
from featdsl.types import FLOAT_KINDS, Kind, Type

INFINITY = "double('Infinity')"


def column(name: str) -> str:
    """A column by its name, whatever characters that has."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A string literal. `$` is spelled out because Spark substitutes `${…}` in SQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024").replace("\0", "\\0")
    return f"'{escaped}'"


def integer(value: int) -> str:
    return f"({value}L)" if value < 0 else f"{value}L"


def number(value: float) -> str:
    if math.isnan(value):
        return "double('NaN')"
    if math.isinf(value):
        return INFINITY if value > 0 else "double('-Infinity')"
    return f"({value!r}D)" if math.copysign(1.0, value) < 0 else f"{value!r}D"


def literal(value: Constant, type: Type) -> str:
    """A constant of a language type, as the column type that holds it (`held_as`)."""
    if value is None:
        return f"cast(null as {held_as(type)})"
    if type.is_listlike:
        assert isinstance(value, tuple)
        if not value:
            return f"cast(array() as {held_as(type)})"
        return f"array({', '.join(literal(element, type.item) for element in value)})"
    if type.kind in FLOAT_KINDS:
        assert isinstance(value, int | float)
        return number(float(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return integer(value)
    assert isinstance(value, str)
    return text(value)


def held_as(type: Type) -> str:
    """The Spark type of a value inside the program: integers, timestamps and ids are bigint, floats double."""
    if type.is_listlike:
        return f"array<{held_as(type.item)}>"
    if type.kind is Kind.MAP:
        assert type.key is not None
        return f"map<{held_as(type.key)}, {held_as(type.item)}>"
    if type.kind is Kind.BOOL:
        return "boolean"
    if type.kind is Kind.STRING:
        return "string"
    return "double" if type.kind in FLOAT_KINDS else "bigint"


def piecewise(x: str, bounds: Sequence[str], values: Sequence[str], *, closed: bool = False) -> str:
    """`values[i]`, where i is the number of `bounds` (ascending literals) that are at most `x`; with `closed`,
    that are less than `x`. A balanced tree of comparisons; `x` must not be null."""
    if not bounds:
        return values[0]
    middle = len(bounds) // 2
    below = piecewise(x, bounds[:middle], values[: middle + 1], closed=closed)
    above = piecewise(x, bounds[middle + 1 :], values[middle + 1 :], closed=closed)
    comparison = "<=" if closed else "<"
    return f"if({x} {comparison} {bounds[middle]}, {below}, {above})"


def floor_div(x: str, divisor: int) -> str:
    """`x // divisor` for a positive divisor."""
    return f"({x} div {divisor}L - if({x} % {divisor}L < 0L, 1L, 0L))"
