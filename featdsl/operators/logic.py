"""Comparison, truth and choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from featdsl.operators.declare import operator


@operator("equal(a: S, b: S) -> bool", symbol="==", examples={"1 == 1.0": True, '"a" == "b"': False})
def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same number, string, time, bool or id. NaN equals nothing; 0.0 is -0.0."""
    return bool(a == b)


@operator("not_equal(a: S, b: S) -> bool", symbol="!=", examples={"1 != 2": True})
def not_equal(a: Any, b: Any) -> bool:
    """The contrary of `==`."""
    return bool(a != b)


@operator(
    "less(a: int64, b: int64) -> bool",
    "less(a: float64, b: float64) -> bool",
    "less(a: string, b: string) -> bool",
    "less(a: timestamp, b: timestamp) -> bool",
    "less(a: bool, b: bool) -> bool",
    symbol="<",
    examples={"1 < 2.5": True, '"B" < "a"': True, "false < true": True},
)
def less(a: Any, b: Any) -> bool:
    """Whether `a` comes before `b`: numbers by value, strings by code point, false before true."""
    return bool(a < b)


@operator(
    "less_equal(a: int64, b: int64) -> bool",
    "less_equal(a: float64, b: float64) -> bool",
    "less_equal(a: string, b: string) -> bool",
    "less_equal(a: timestamp, b: timestamp) -> bool",
    "less_equal(a: bool, b: bool) -> bool",
    symbol="<=",
    examples={"2 <= 2": True},
)
def less_equal(a: Any, b: Any) -> bool:
    """Whether `a` comes before `b` or equals it; see `<`."""
    return bool(a <= b)


@operator(
    "greater(a: int64, b: int64) -> bool",
    "greater(a: float64, b: float64) -> bool",
    "greater(a: string, b: string) -> bool",
    "greater(a: timestamp, b: timestamp) -> bool",
    "greater(a: bool, b: bool) -> bool",
    symbol=">",
    examples={"2 > 2": False},
)
def greater(a: Any, b: Any) -> bool:
    """Whether `a` comes after `b`; see `<`."""
    return bool(a > b)


@operator(
    "greater_equal(a: int64, b: int64) -> bool",
    "greater_equal(a: float64, b: float64) -> bool",
    "greater_equal(a: string, b: string) -> bool",
    "greater_equal(a: timestamp, b: timestamp) -> bool",
    "greater_equal(a: bool, b: bool) -> bool",
    symbol=">=",
    examples={"2 >= 2": True},
)
def greater_equal(a: Any, b: Any) -> bool:
    """Whether `a` comes after `b` or equals it; see `<`."""
    return bool(a >= b)


@operator(
    "and(a: bool!, b: bool!) -> bool!",
    symbol="and",
    examples={"true and false": False, "false and null": False, "true and null": None},
)
def and_(a: bool | None, b: bool | None) -> bool | None:
    """Kleene's and: false if either is false, else null if either is null, else true."""
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


@operator(
    "or(a: bool!, b: bool!) -> bool!",
    symbol="or",
    examples={"true or false": True, "true or null": True, "false or null": None},
)
def or_(a: bool | None, b: bool | None) -> bool | None:
    """Kleene's or: true if either is true, else null if either is null, else false."""
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


@operator("not(x: bool) -> bool", symbol="not", examples={"not true": False})
def not_(x: bool) -> bool:
    """The other truth value; null stays null."""
    return not x


@operator(
    "if(condition: bool?, then: T!, otherwise: T!) -> T!",
    symbol="if",
    examples={"if 1 < 2 then 10 else 20": 10, "if null then 10 else 20": 20},
)
def if_(condition: bool | None, then: Any, otherwise: Any) -> Any:
    """`then` where the condition is true, `otherwise` where it is false or null. Both sides are computed."""
    return then if condition else otherwise


@operator(
    "coalesce(value: T?, other: T!) -> T!",
    symbol="??",
    examples={"null ?? 3": 3, "1 ?? 3": 1},
)
def coalesce(value: Any, other: Any) -> Any:
    """The value, or `other` where it is null."""
    return other if value is None else value


@operator("is_null(value: T?) -> bool", examples={"is_null(null)": True, "is_null(0)": False})
def is_null(value: Any) -> bool:
    """Whether the value is null."""
    return value is None


@operator(
    "in(value: S, values: list<S>) -> bool",
    symbol="in",
    examples={"2 in [1, 2]": True, '"c" in ["a", "b"]': False},
)
def in_(value: Any, values: Sequence[Any]) -> bool:
    """Whether the list holds the value. Here a NaN is found too, and 0.0 is -0.0."""
    return any(value == v or (value != value and v != v) for v in values)
