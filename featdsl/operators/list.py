"""Lists: reading, cutting, filling and summing up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featdsl.operators.declare import operator

PAD_LIMIT = 1_000_000

_FILLS = {
    "int32": "int32 = 0",
    "int64": "int64 = 0",
    "float32": "float32 = 0.0",
    "float64": "float64 = 0.0",
    "bool": "bool = false",
    "string": 'string = ""',
    "timestamp": "int64 = 0",
    "id": "int64 = 0",
}


def identity(value: Any) -> Any:
    """A dictionary key for a value of a list: -0.0 is 0.0, and NaN is one value."""
    if isinstance(value, float):
        return "nan" if value != value else value + 0.0
    return value


def wrap_int64(value: int) -> int:
    """The integer modulo 2**64, in the range of int64."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


@operator(
    "size(list: list<T>) -> int64",
    "size(map: map<string, T>) -> int64",
    "size(map: map<int64, T>) -> int64",
    examples={"size([5, 6, 7])": 3, "size([])": 0},
)
def size(collection: Any) -> int:
    """The number of elements of a list or vector, or of keys of a map. Null gives null."""
    return len(collection)


@operator("as_list(x: S?) -> list<S>", examples={"as_list(5)": [5], "as_list(null)": []})
def as_list(x: Any) -> list[Any]:
    """The list of one value, and the empty list for null: it is never null."""
    return [] if x is None else [x]


@operator(
    "each(list: list<T>) -> list<T>",
    examples={"each([1, 2])": [1, 2]},
    along="list",
)
def each(list: list[Any]) -> list[Any]:
    """The list as it is; but the operator that takes it works on each element, not on the whole list. So for
    a list of lists `size(tags)` is the number of its lists, and `size(each(tags))` the sizes of these.
    """
    return list


@operator(
    "first(list: list<T>) -> T?",
    examples={"first([5, 6, 7])": 5, "first([]) ?? 0": 0},
    places=("list",),
)
def first(list: list[Any]) -> Any:
    """The first element; null if the list is empty."""
    return list[0] if list else None


@operator(
    "last(list: list<T>) -> T?",
    examples={"last([5, 6, 7])": 7, "last([]) ?? 0": 0},
    places=("list",),
)
def last(list: list[Any]) -> Any:
    """The last element; null if the list is empty."""
    return list[-1] if list else None


@operator(
    "at(list: list<T>, index: int64) -> T?",
    examples={"at([5, 6, 7], 1)": 6, "at([5, 6, 7], -1)": 7, "at([5, 6, 7], 3)": None},
    places=("list",),
)
def at(list: list[Any], index: int) -> Any:
    """The element at a position, counted from 0; a negative one counts from the end (-1 is the last).
    Out of range gives null, and so does a null list or position.
    """
    if index < 0:
        index += len(list)
    return list[index] if 0 <= index < len(list) else None


@operator(
    "take(list: list<T>, n: const int64) -> list<T>",
    examples={"take([5, 6, 7], 2)": [5, 6], "take([5], 2)": [5], "take([5], 0)": []},
    validate=lambda c: None if c["n"] >= 0 else f"the number of elements is not negative, found {c['n']}",
    places=("list",),
)
def take(list: list[Any], *, n: int) -> list[Any]:
    """The first `n` elements, or all of a shorter list. Null gives null. A negative `n` is an error when
    the file is checked.
    """
    return [*list[:n]]


def _check_pad(constants: Mapping[str, Any]) -> str | None:
    n = constants["n"]
    if not 1 <= n <= PAD_LIMIT:
        return f"the size of a vector is 1 to {PAD_LIMIT:_}, found {n}"
    return None


@operator(
    *(
        f"pad(list: list<{element}>, n: const int64, fill: const {fill}) -> vector<{element}, n>"
        for element, fill in _FILLS.items()
    ),
    examples={
        "pad([5, 6], 4)": [5, 6, 0, 0],
        "pad([5, 6, 7], 2)": [5, 6],
        'pad(["a"], 2)': ["a", ""],
        "pad([5], 3, fill: -1)": [5, -1, -1],
    },
    validate=_check_pad,
)
def pad(list: list[Any], *, n: int, fill: Any) -> list[Any]:
    """A vector of exactly `n` elements: the first `n` of the list, then `fill` as often as needed. `fill`
    is the type's zero unless it is given: 0, 0.0, `""`, false. Null gives null. `n` is at least 1.
    """
    return [*list, *[fill] * n][:n]


@operator("distinct(list: list<S>) -> list<S>", examples={"distinct([3, 1, 3, 2, 1])": [3, 1, 2]})
def distinct(list: list[Any]) -> list[Any]:
    """The elements without repetitions, each where it was seen first. -0.0 is 0.0, and NaN is one value.
    Null gives null.
    """
    seen: set[Any] = set()
    kept = []
    for element in list:
        if identity(element) not in seen:
            seen.add(identity(element))
            kept.append(element)
    return kept


@operator(
    "contains(list: list<S>, value: S) -> bool",
    "contains(s: string, part: string) -> bool",
    examples={
        "contains([1, 2, 3], 2)": True,
        'contains(["a"], "A")': False,
        'contains("The Matrix", "Mat")': True,
    },
)
def contains(whole: Any, part: Any) -> bool:
    """Whether a list has an element equal to the value, or a text has the other within it. -0.0 is 0.0,
    and NaN is one value. Every text contains the empty one. Null gives null.
    """
    if isinstance(whole, str):
        return part in whole
    return identity(part) in [identity(element) for element in whole]


@operator(
    "sum(list: list<int64>) -> int64",
    "sum(list: list<float64>) -> float64",
    examples={"sum([1, 2, 3])": 6, "sum([0.5, 0.25])": 0.75},
)
def sum(list: list[Any]) -> Any:
    """The sum of the elements, from left to right; 0 for an empty list. Integers wrap in 64 bits. Null
    gives null.
    """
    total = 0
    for element in list:
        total = total + element
    return wrap_int64(total) if isinstance(total, int) else total


@operator(
    "mean(list: list<int64>) -> float64?",
    "mean(list: list<float64>) -> float64?",
    examples={"mean([1, 2]) ?? 0.0": 1.5, "mean([]) ?? 0.0": 0.0},
)
def mean(list: list[Any]) -> float | None:
    """The sum of the elements as float64, from left to right, divided by their number; null for an empty
    list. Integers are made float64 one by one, so their sum does not wrap.
    """
    if not list:
        return None
    total = 0.0
    for element in list:
        total += float(element)
    return total / len(list)


@operator("count(list: list<bool>) -> int64", examples={"count([true, false, true])": 2, "count([])": 0})
def count(list: list[bool]) -> int:
    """How many elements are true; 0 for an empty list. Null gives null. (`size` counts all elements.)"""
    total = 0
    for element in list:
        total += 1 if element else 0
    return total


@operator("any(list: list<bool>) -> bool", examples={"any([false, true])": True, "any([])": False})
def any(list: list[bool]) -> bool:
    """Whether at least one element is true; false for an empty list. Null gives null."""
    return True in list


@operator("all(list: list<bool>) -> bool", examples={"all([true, false])": False, "all([])": True})
def all(list: list[bool]) -> bool:
    """Whether every element is true; true for an empty list. Null gives null."""
    return False not in list
