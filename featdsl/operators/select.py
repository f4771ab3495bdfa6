"""What is picked of a list, or put in order: by place, by a mask, by value or by the values of another list."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.list import identity, wrap_int64

_ORDERED = ("bool", "int64", "float64", "string", "timestamp")


@operator(
    "slice(list: list<T>, start: int64) -> list<T>",
    "slice(list: list<T>, start: int64, end: int64) -> list<T>",
    examples={
        "slice([5, 6, 7, 8], 1, 3)": [6, 7],
        "slice([5, 6, 7, 8], -2)": [7, 8],
        "slice([5, 6, 7, 8], 0, -1)": [5, 6, 7],
        "slice([5, 6], 4)": [],
    },
    places=("list",),
)
def slice(list: list[Any], start: int, end: int | None = None) -> list[Any]:
    """The elements from `start` to before `end`, or to the last; positions are Python's: from 0, a negative one from
    the end, and what is out of range is the nearest that is in it. Null gives null.
    """
    return list[start:end]


@operator(
    "take_last(list: list<T>, n: const int64) -> list<T>",
    examples={"take_last([5, 6, 7], 2)": [6, 7], "take_last([5], 2)": [5], "take_last([5], 0)": []},
    validate=lambda c: None if c["n"] >= 0 else f"the number of elements is not negative, found {c['n']}",
    places=("list",),
)
def take_last(list: list[Any], *, n: int) -> list[Any]:
    """The last `n` elements, in their order, or all of a shorter list. Null gives null. A negative `n` is an error
    when the file is checked.
    """
    return list[max(len(list) - n, 0) :]


@operator(
    "filter(list: list<T>, mask: list<bool>) -> list<T>",
    examples={"filter([5, 6, 7], [true, false, true])": [5, 7]},
    aligned=("list", "mask"),
    places=("list",),
)
def filter(list: list[Any], mask: list[bool]) -> list[Any]:
    """The elements where the mask is true. The two lists must be aligned; lists that are filtered by one mask are
    aligned with each other. Null gives null.
    """
    return [element for element, kept in zip(list, mask, strict=True) if kept]


@operator(
    "flatten(lists: list<list<T>>) -> list<T>",
    examples={'flatten(words(["the big", "short"]))': ["the", "big", "short"]},
    places=("lists",),
)
def flatten(lists: list[list[Any]]) -> list[Any]:
    """The elements of the lists of a list (or of its vectors), one list after the other. Null gives null."""
    return [element for inner in lists for element in inner]


def _compare(a: Any, b: Any, descending: bool) -> int:
    if a != a or b != b:
        return int(a != a) - int(b != b)
    return int(a < b) - int(a > b) if descending else int(a > b) - int(a < b)


def _order(descending: bool) -> Callable[[Any], Any]:
    return cmp_to_key(lambda a, b: _compare(a, b, descending))


@operator(
    *(
        f"sort(list: list<{element}>, descending: const bool = false) -> list<{element}>"
        for element in _ORDERED
    ),
    examples={
        "sort([3, 1, 2])": [1, 2, 3],
        "sort([3, 1, 2], descending: true)": [3, 2, 1],
        'sort(["b", "B", "a"])': ["B", "a", "b"],
    },
)
def sort(list: list[Any], *, descending: bool) -> list[Any]:
    """The elements from the least to the greatest, or the other way round: numbers by value, strings by code point,
    false before true. Equals (-0.0 and 0.0 too) stay in their order, and NaN comes last in both directions. Null
    gives null.
    """
    return sorted(list, key=_order(descending))


@operator(
    *(
        f"sort_by(list: list<T>, by: list<{element}>, descending: const bool = false) -> list<T>"
        for element in _ORDERED
    ),
    examples={
        'sort_by(["a", "b", "c"], [2, 3, 1])': ["c", "a", "b"],
        'sort_by(["a", "b", "c"], [1, 2, 1], descending: true)': ["b", "a", "c"],
    },
    aligned=("list", "by"),
    places=("list",),
)
def sort_by(list: list[Any], by: list[Any], *, descending: bool) -> list[Any]:
    """The elements in the order of the values of an aligned list: see `sort` for that order. Lists that are sorted by
    one list are aligned with each other. Null gives null.
    """
    order = _order(descending)
    pairs = sorted(zip(list, by, strict=True), key=lambda pair: order(pair[1]))
    return [element for element, _ in pairs]


def _run_at(list: list[Any], part: list[Any]) -> int | None:
    for start in range(len(list) - len(part) + 1):
        if list[start : start + len(part)] == part:
            return start
    return None


@operator(
    "index_of(list: list<S>, value: S) -> int64?",
    "index_of(list: list<S>, part: list<S>) -> int64?",
    examples={
        "index_of([5, 6, 5], 5)": 0,
        "index_of([5, 6], 7)": None,
        'index_of(["the", "big", "short"], ["big", "short"])': 1,
    },
)
def index_of(list: list[Any], value: Any) -> int | None:
    """The position where a value stands first, counted from 0, or where a list stands first within the other, without
    gaps; null where it does not. -0.0 is 0.0, and NaN is one value. Null gives null.
    """
    known = [identity(element) for element in list]
    if isinstance(value, (tuple, type(known))):
        return _run_at(known, [identity(element) for element in value])
    return known.index(identity(value)) if identity(value) in known else None


@operator(
    "zip(keys: list<string>, values: list<S>) -> map<string, S>",
    "zip(keys: list<int64>, values: list<S>) -> map<int64, S>",
    examples={
        'zip(["a", "b"], [1, 2])': {"a": 1, "b": 2},
        'zip(["a", "b", "a"], [1, 2, 3])': {"a": 3, "b": 2},
    },
    aligned=("keys", "values"),
)
def zip_(keys: list[Any], values: list[Any]) -> dict[Any, Any]:
    """The map from the elements of a list to those of an aligned one. Of equal keys the last value stands, at the place
    of the first. Null gives null.
    """
    return dict(zip(keys, values, strict=True))


@operator(
    "diff(list: list<int64>) -> list<int64>",
    "diff(list: list<float64>) -> list<float64>",
    "diff(list: list<timestamp>) -> list<int64>",
    examples={"diff([1, 4, 2])": [3, -2], "diff([5])": []},
)
def diff(list: list[Any]) -> list[Any]:
    """Each element but the first minus the one before it: one element less, none for an empty list. Integers wrap;
    of timestamps the gaps in microseconds. Null gives null.
    """
    gaps = [after - before for before, after in pairwise(list)]
    return [wrap_int64(gap) if isinstance(gap, int) else gap for gap in gaps]
