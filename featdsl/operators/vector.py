"""Vectors, and lists of numbers as such: products, lengths and distances, and pooling lists of vectors.

Two vectors have one size, the checker sees to it. Of two lists that have not equally many elements the result is null.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.list import identity

_VECTORS = "a: vector<float64, n>, b: vector<float64, n>"
_IDS = ("int64", "string", "id", "timestamp", "bool")
_LISTS = "a: list<float64>, b: list<float64>"


def _sum(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


@operator(
    f"dot({_VECTORS}) -> float64",
    f"dot({_LISTS}) -> float64?",
    examples={"dot([1, 2, 3], [5.0, 4.0, 3.0])": 22.0},
)
def dot(a: list[float], b: list[float]) -> float | None:
    """The sum of the products of the elements, from left to right. Null for lists that are not equally long. Null gives
    null.
    """
    return _sum([x * y for x, y in zip(a, b, strict=True)]) if len(a) == len(b) else None


@operator("l2_norm(v: list<float64>) -> float64", examples={"l2_norm([3, 4])": 5.0})
def l2_norm(v: list[float]) -> float:
    """The length of a vector or of a list of numbers as one: the root of the sum of the squares, from left to right;
    0.0 for an empty list. Null gives null.
    """
    return math.sqrt(_sum([x * x for x in v]))


@operator(
    f"euclidean({_VECTORS}) -> float64",
    f"euclidean({_LISTS}) -> float64?",
    examples={"euclidean([0, 0], [3.0, 4.0])": 5.0},
)
def euclidean(a: list[float], b: list[float]) -> float | None:
    """The distance of two points: the root of the sum of the squares of the differences, from left to right. Null for
    lists that are not equally long. Null gives null.
    """
    return (
        math.sqrt(_sum([(x - y) * (x - y) for x, y in zip(a, b, strict=True)])) if len(a) == len(b) else None
    )


def _cosine(a: list[float], b: list[float]) -> float:
    scale = math.sqrt(_sum([x * x for x in a])) * math.sqrt(_sum([y * y for y in b]))
    return 0.0 if scale == 0 else _sum([x * y for x, y in zip(a, b, strict=True)]) / scale


@operator(
    *(
        f"cosine(a: list<{kind}>, b: list<{kind}>) -> float64"
        for kind in ("int64", "string", "id", "timestamp", "bool")
    ),
    f"cosine({_VECTORS}) -> float64",
    f"cosine({_LISTS}) -> float64?",
    examples={
        "cosine([3.0, 4.0], [4.0, 3.0])": 0.96,
        "cosine([0.0, 0.0], [1.0, 1.0])": 0.0,
        'cosine(["a", "b", "b"], ["b", "c"])': 0.5,
    },
)
def cosine(a: list[Any], b: list[Any]) -> float | None:
    """The cosine of the angle between two vectors or lists of floats: their `dot` divided by the product of their
    lengths, 0.0 where a length is 0. Null for lists that are not equally long.

    Of lists of anything but floats it is that of sets: the number of distinct values in both, divided by the root of
    the number in `a` times that in `b`, 0.0 if one is empty. (Integers are ids: for a vector of integers
    say `float64(v)`.) Null gives null.
    """
    if (a and isinstance(a[0], float)) or (b and isinstance(b[0], float)):
        return _cosine(a, b) if len(a) == len(b) else None
    left, right = {identity(x) for x in a}, {identity(x) for x in b}
    return len(left & right) / math.sqrt(len(left) * len(right)) if left and right else 0.0


@operator(f"corr({_LISTS}) -> float64?", examples={"corr([1, 2, 1, 2], [2.0, 4.0, 2.0, 4.0])": 1.0})
def corr(a: list[float], b: list[float]) -> float | None:
    """Pearson's correlation: the sum of the products of the deviations from the means, divided by the product of the
    roots of the sums of their squares, each from left to right. Null for lists that are not equally long, that are
    empty or that do not vary. Null gives null.
    """
    if len(a) != len(b) or any(all(v == list[0] for v in list) for list in (a, b)):
        return None
    left, right = _sum(a) / len(a), _sum(b) / len(b)
    x, y = [v - left for v in a], [v - right for v in b]
    scale = math.sqrt(_sum([v * v for v in x])) * math.sqrt(_sum([v * v for v in y]))
    return None if scale == 0 else _sum([v * w for v, w in zip(x, y, strict=True)]) / scale


def _pooled(vectors: list[list[float]], better: Callable[[float, float], bool]) -> list[float] | None:
    if not vectors:
        return None
    pooled = [*vectors[0]]
    for vector in vectors[1:]:
        pooled = [x if better(x, best) else best for x, best in zip(vector, pooled, strict=True)]
    return pooled


@operator(
    "sum_pool(vectors: list<vector<float64, n>>) -> vector<float64, n>?",
    examples={"sum_pool(pad(as_list([1.0, 2.0]), 1))": [3.0]},
)
def sum_pool(vectors: list[list[float]]) -> list[float] | None:
    """The vector of the sums of the vectors' elements at each place, from left to right; null for an empty list. Null
    gives null.
    """
    if not vectors:
        return None
    return [_sum([vector[k] for vector in vectors]) for k in range(len(vectors[0]))]


@operator(
    "mean_pool(vectors: list<vector<float64, n>>) -> vector<float64, n>?",
    examples={"mean_pool(pad(as_list([1.0, 2.0]), 1))": [1.5]},
)
def mean_pool(vectors: list[list[float]]) -> list[float] | None:
    """The vector of the means of the vectors' elements at each place; null for an empty list. Null gives null."""
    sums = sum_pool(vectors)
    return None if sums is None else [value / len(vectors) for value in sums]


@operator(
    "max_pool(vectors: list<vector<float64, n>>) -> vector<float64, n>?",
    examples={"max_pool(pad(as_list([1.0, 2.0]), 1))": [2.0]},
)
def max_pool(vectors: list[list[float]]) -> list[float] | None:
    """The vector of the greatest of the vectors' elements at each place, as `max` has it; null for an empty list. Null
    gives null.
    """
    return _pooled(vectors, lambda x, best: x > best)


@operator(
    "min_pool(vectors: list<vector<float64, n>>) -> vector<float64, n>?",
    examples={"min_pool(pad(as_list([1.0, 2.0]), 1))": [1.0]},
)
def min_pool(vectors: list[list[float]]) -> list[float] | None:
    """The vector of the least of the vectors' elements at each place, as `min` has it; null for an empty list. Null
    gives null.
    """
    return _pooled(vectors, lambda x, best: x < best)
