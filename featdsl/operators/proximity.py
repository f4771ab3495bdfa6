"""How near to each other the terms of a query stand in a text: measures on lists of words.

After Tao and Zhai, "An exploration of proximity measures in information retrieval" (2007). What is not there is null,
not a number out of range.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.list import identity

MOST_TERMS = 64


@operator(
    "proximity_min_cover(list: list<S>, terms: list<S>) -> int64?",
    examples={'proximity_min_cover(["a", "x", "b", "a"], ["a", "b"])': 2},
)
def proximity_min_cover(list: list[Any], terms: list[Any]) -> int | None:
    """The number of elements of the shortest part of the list that has every one of the terms; null where one is not in
    the list, and without terms. -0.0 is 0.0, and NaN is one value. Null gives null.
    """
    words, wanted = [identity(x) for x in list], {identity(x) for x in terms}
    for size in range(len(wanted), len(words) + 1):
        if wanted and any(wanted <= {*words[k : k + size]} for k in range(len(words) - size + 1)):
            return size
    return None


def _distances(list: list[Any], terms: list[Any]) -> list[int]:
    """For each pair of different terms in the list how near they come to each other."""
    words = [identity(x) for x in list]
    found = [term for term in dict.fromkeys(identity(x) for x in terms) if term in words][:MOST_TERMS]
    places = {term: [k for k, word in enumerate(words) if word == term] for term in found}
    return [min(abs(i - k) for i in places[a] for k in places[b]) for a, b in combinations(found, 2)]


@operator(
    "proximity_min_distance(list: list<S>, terms: list<S>) -> int64?",
    examples={'proximity_min_distance(["a", "x", "b", "c"], ["a", "b", "c"])': 1},
)
def proximity_min_distance(list: list[Any], terms: list[Any]) -> int | None:
    """How near two different terms come to each other in the list at least: the least difference of their places. Of
    more than 64 terms the first 64 that are in the list count. Null where less than two terms are in it. -0.0 is 0.0,
    and NaN is one value. Null gives null.
    """
    return min(_distances(list, terms), default=None)


@operator(
    "proximity_max_distance(list: list<S>, terms: list<S>) -> int64?",
    examples={'proximity_max_distance(["a", "x", "b", "c"], ["a", "b", "c"])': 3},
)
def proximity_max_distance(list: list[Any], terms: list[Any]) -> int | None:
    """The greatest, over all pairs of different terms in the list, of the least difference of their places. Of more
    than 64 terms the first 64 that are in the list count. Null where less than two terms are in it. -0.0 is 0.0, and
    NaN is one value. Null gives null.
    """
    return max(_distances(list, terms), default=None)


@operator(
    "proximity_mean_distance(list: list<S>, terms: list<S>) -> float64?",
    examples={'proximity_mean_distance(["a", "x", "b", "c"], ["a", "b", "c"])': 2.0},
)
def proximity_mean_distance(list: list[Any], terms: list[Any]) -> float | None:
    """The mean, over all pairs of different terms in the list, of the least difference of their places. Of more than 64
    terms the first 64 that are in the list count. Null where less than two terms are in it. -0.0 is 0.0, and NaN is one
    value. Null gives null.
    """
    distances = _distances(list, terms)
    return sum(distances) / len(distances) if distances else None
