"""Lists as sets: how much two of them share. Repetitions count once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.list import distinct, identity


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


@operator(
    "containment(a: list<S>, b: list<S>) -> float64",
    examples={"containment([1, 2, 2], [2, 3])": 0.5, "containment([], [1])": 0.0},
)
def containment(a: list[Any], b: list[Any]) -> float:
    """The part of the distinct values of `a` that are in `b` too; 0.0 if `a` is empty. -0.0 is 0.0, and NaN is one
    value. Null gives null.
    """
    left, right = {identity(x) for x in a}, {identity(x) for x in b}
    return len(left & right) / len(left) if left else 0.0


@operator(
    "intersection(a: list<S>, b: list<S>) -> list<S>", examples={"intersection([3, 1, 3, 2], [3, 2])": [3, 2]}
)
def intersection(a: list[Any], b: list[Any]) -> list[Any]:
    """The distinct values of `a` that are in `b`, as they come in `a`. -0.0 is 0.0, and NaN is one value. Null gives
    null.
    """
    known = {identity(x) for x in b}
    return list(distinct([x for x in a if identity(x) in known]))


@operator("difference(a: list<S>, b: list<S>) -> list<S>", examples={"difference([3, 1, 3, 2], [2])": [3, 1]})
def difference(a: list[Any], b: list[Any]) -> list[Any]:
    """The distinct values of `a` that are not in `b`, as they come in `a`. -0.0 is 0.0, and NaN is one value. Null
    gives null.
    """
    known = {identity(x) for x in b}
    return list(distinct([x for x in a if identity(x) not in known]))


@operator(
    "among(list: list<S>, values: list<S>) -> list<bool>",
    examples={"among([1, 2, 3], [3, 1])": [True, False, True]},
    along="list",
)
def among(list: list[Any], values: list[Any]) -> list[bool]:
    """For each element whether it is one of the values; aligned with the list. As `x in values` for each, but it takes
    time for both lists only once. -0.0 is 0.0, and NaN is one value. Null gives null.
    """
    known = {identity(x) for x in values}
    return [identity(x) in known for x in list]


@operator("max_count(a: list<S>, b: list<S>) -> int64", examples={"max_count([1, 1, 2, 3], [1, 2, 3])": 4})
def max_count(a: list[Any], b: list[Any]) -> int:
    """How often the values that are in both lists are there, in the list in which they are more often: added up. (The
    `get_max_count` of torcharrow.) -0.0 is 0.0, and NaN is one value. Null gives null.
    """
    left, right = Counter(map(identity, a)), Counter(map(identity, b))
    return sum(max(left[x], right[x]) for x in left.keys() & right.keys())


@operator(
    "is_equal(a: list<S>, b: list<S>) -> bool",
    examples={"is_equal([1, 2], [1, 2])": True, "is_equal([1, 2], [2, 1])": False},
)
def is_equal(a: list[Any], b: list[Any]) -> bool:
    """Whether two lists have the same values in the same order. (`==` compares aligned lists element by element.) -0.0
    is 0.0, and NaN is one value. Null gives null.
    """
    return [identity(x) for x in a] == [identity(x) for x in b]


@operator(
    "contains_in_order(list: list<S>, part: list<S>) -> bool",
    examples={
        'contains_in_order(["the", "big", "short"], ["the", "short"])': True,
        'contains_in_order(["the", "big", "short"], ["short", "the"])': False,
    },
)
def contains_in_order(list: list[Any], part: list[Any]) -> bool:
    """Whether all elements of `part` stand in the list in their order, others between them or not; true for an empty
    part. (Without others between: `not is_null(index_of(list, part))`.) -0.0 is 0.0, and NaN is one value. Null gives
    null.
    """
    left = iter([identity(x) for x in list])
    return all(any(identity(x) == y for y in left) for x in part)
