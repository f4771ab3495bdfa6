"""Lists as sets: how much two of them share. Repetitions count once."""

from __future__ import annotations

from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.list import identity


@operator(
    "overlap_count(a: list<S>, b: list<S>) -> int64",
    examples={'overlap_count(["a", "b", "a"], ["a", "c"])': 1, "overlap_count([1, 2], [])": 0},
)
def overlap_count(a: list[Any], b: list[Any]) -> int:
    """The number of distinct values that are in both lists. -0.0 is 0.0, and NaN is one value. Null gives
    null.
    """
    return len({identity(x) for x in a} & {identity(x) for x in b})


@operator(
    "jaccard(a: list<S>, b: list<S>) -> float64",
    examples={"jaccard([1, 2, 2], [2, 3])": 1 / 3, "jaccard([], [])": 0.0},
)
def jaccard(a: list[Any], b: list[Any]) -> float:
    """The number of distinct values in both lists, divided by the number of distinct values in either;
    0.0 if both are empty. -0.0 is 0.0, and NaN is one value. Null gives null.
    """
    left, right = {identity(x) for x in a}, {identity(x) for x in b}
    return len(left & right) / len(left | right) if left or right else 0.0
