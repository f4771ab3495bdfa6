"""Maps: their values by key, alone, many at once and by two keys; their entries, in the order they came.
(`size` of a map is with the lists.)"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from featdsl.operators.declare import operator

KEYS = ("string", "int64")
COMBINERS = ("sum", "mean", "min", "max", "first")


@operator(
    "get(map: map<string, T>, key: string) -> T?",
    "get(map: map<int64, T>, key: int64) -> T?",
    "get(map: map<string, T>, key: string, default: T!) -> T!",
    "get(map: map<int64, T>, key: int64, default: T!) -> T!",
)
def get(map: dict[Any, Any], key: str | int, default: Any = None) -> Any:
    """The value under a key of a map; `default` if the map has no such key, or null where no default is
    given. A null map or key gives null. Where a row repeats a key, its last value counts.

    Over a list of keys it gives the values in the order of the keys; keys that are not there are dropped,
    unless there is a default. So `sum(get(map, keys))`, `max(get(map, keys))` and `size(get(map, keys))`
    combine many values; `get_many` does it for those who name the combiner.
    """
    return map.get(key, default)


def check_combiner(constants: Mapping[str, Any]) -> str | None:
    combiner = constants.get("combiner", "sum")
    if combiner not in COMBINERS:
        known = ", ".join(f"`{name}`" for name in COMBINERS)
        return f"there is no such combiner, only {known}: `{combiner}`"
    return None


def combined(values: Iterable[float], combiner: str) -> float | None:
    """What a combiner makes of values, left to right; None of no values."""
    found = [float(value) for value in values]
    if not found:
        return None
    if combiner == "first":
        return found[0]
    if combiner in ("min", "max"):
        best = found[0]
        for value in found:
            if value < best if combiner == "min" else value > best:
                best = value
        return best
    total = 0.0
    for value in found:
        total += value
    return total / len(found) if combiner == "mean" else total


@operator(
    *(
        f"get_many(map: map<{key}, float64>, keys: list<{key}>, combiner: const string) -> float64?"
        for key in KEYS
    ),
    *(
        f"get_many(map: map<{key}, float64>, keys: list<{key}>, combiner: const string, default: const float64)"
        " -> float64"
        for key in KEYS
    ),
    validate=check_combiner,
)
def get_many(
    map: dict[Any, float], keys: Sequence[Any], *, combiner: str, default: float | None = None
) -> float | None:
    """The values under many keys of a map, made one as a float64 by the combiner `"sum"`, `"mean"`, `"min"`,
    `"max"` or `"first"`, in the order of the keys; `default`, or null, where the map has none of them. A
    key that stands twice among `keys` counts twice.

    The values one by one are `get(map, keys)`. Of integers, `sum(get(map, keys))` is exact.
    """
    result = combined([map[key] for key in keys if key in map], combiner)
    return default if result is None else result


@operator(
    *(f"keys(map: map<{key}, T>) -> list<{key}>" for key in KEYS),
    entries="map",
)
def keys(map: dict[Any, Any]) -> list[Any]:
    """The keys of a map, in the order its entries came. They are aligned with `values` of the same map, so
    `values(m) * hour(keys(m))` and the like go entry by entry.
    """
    return list(map)


@operator(
    *(f"values(map: map<{key}, T>) -> list<T>" for key in KEYS),
    entries="map",
)
def values(map: dict[Any, Any]) -> list[Any]:
    """The values of a map, in the order its entries came, aligned with `keys` of the same map. `sum(values(m))`,
    `max(values(m))` and the like make one number of them.
    """
    return list(map.values())


_PAIRS = [(first, second) for first in KEYS for second in KEYS]
_NESTED = "match(map: map<{0}, map<{1}, {2}>>, key: {0}, inner_key: {1}"


@operator(
    *(f"{_NESTED.format(*pair, 'T')}) -> T?" for pair in _PAIRS),
    *(
        f'{_NESTED.format(*pair, "float64")}, wildcard: const string, combiner: const string = "sum") -> float64?'
        for pair in _PAIRS
    ),
    validate=check_combiner,
)
def match(
    map: dict[Any, dict[Any, Any]],
    key: str | int,
    inner_key: str | int,
    *,
    wildcard: str | None = None,
    combiner: str = "sum",
) -> Any:
    """The value under two keys of a map of maps; null if either is not there: `get(get(map, key), inner_key)`.

    With `wildcard: "ALL"`, a text key that is this text stands for every key of its level, an entry that is
    named so included; the wildcard comes before the entry of its name. The values that match are made one as
    a float64 by the combiner, in the order of the map (the outer entries, in each the inner ones); null where
    none matches. An integer key is never a wildcard.
    """
    if wildcard is None:
        return map.get(key, {}).get(inner_key)
    found = [
        value
        for outer, inner in map.items()
        if key in (wildcard, outer)
        for name, value in inner.items()
        if inner_key in (wildcard, name)
    ]
    return combined(found, combiner)


def _terms(terms: Any) -> dict[Any, float]:
    return terms if isinstance(terms, dict) else dict.fromkeys(terms, 1.0)


@operator(
    *(
        f"kv_dot(a: {a}, b: {b}) -> float64"
        for key in KEYS
        for a in (f"map<{key}, float64>", f"list<{key}>")
        for b in (f"map<{key}, float64>", f"list<{key}>")
    ),
)
def kv_dot(a: Any, b: Any) -> float:
    """The dot product of two sparse vectors: the sum of the products of the values under the keys that both
    have, in the order of `a`. A bare list of terms counts 1.0 for each of its distinct terms, so that
    of two lists it is the size of their intersection. 0.0 where they have no key in common.
    """
    first, second = _terms(a), _terms(b)
    total = 0.0
    for key, value in first.items():
        if key in second:
            total += float(value) * float(second[key])
    return total


@operator(
    *(
        f"top_keys(map: map<{key}, {value}>, n: const int64) -> list<{key}>"
        for key in KEYS
        for value in ("int64", "float64", "timestamp")
    ),
    validate=lambda constants: (
        None if constants["n"] > 0 else f"the number of keys is at least 1, found {constants['n']}"
    ),
)
def top_keys(map: dict[Any, Any], *, n: int) -> list[Any]:
    """The keys of the n largest values, the largest first; of equal values the one that came first. NaN is
    less than every number. Fewer than n where the map has fewer entries.
    """

    def rank(key: Any) -> tuple[bool, Any]:
        value = map[key]
        return (True, 0) if math.isnan(value) else (False, -value)

    return sorted(map, key=rank)[:n]


_SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b if isinstance(a, float) else (a + b + (1 << 63)) % (1 << 64) - (1 << 63),
    "min": lambda a, b: b if b < a else a,
    "max": lambda a, b: b if b > a else a,
}


def _check_merge(constants: Mapping[str, Any]) -> str | None:
    combiner = constants.get("combiner", "sum")
    if combiner not in _SUMS:
        return f"there is no such combiner, only `sum`, `min`, `max`: `{combiner}`"
    return None


@operator(
    *(f"merge(a: map<{key}, T>, b: map<{key}, T>) -> map<{key}, T>" for key in KEYS),
    *(
        f"merge(a: map<{key}, {value}>, b: map<{key}, {value}>, combiner: const string) -> map<{key}, {value}>"
        for key in KEYS
        for value in ("int64", "float64")
    ),
    validate=_check_merge,
)
def merge(a: dict[Any, Any], b: dict[Any, Any], *, combiner: str | None = None) -> dict[Any, Any]:
    """The entries of two maps: those of `a`, then those of `b` whose keys `a` has not. Under a key of both
    stands the value of `b`, or with a combiner the `"sum"`, `"min"` or `"max"` of the two.
    """
    result = dict(a)
    for key, value in b.items():
        result[key] = _SUMS[combiner](a[key], value) if combiner is not None and key in a else value
    return result


@operator(
    *(f"to_map(keys: list<{key}>, values: list<T>) -> map<{key}, T>" for key in KEYS),
    examples={
        'get(to_map(["a", "b"], [1, 2]), "b")': 2,
        'values(to_map(["a", "b", "a"], [1, 2, 3]))': [3, 2],
    },
)
def to_map(keys: Sequence[Any], values: Sequence[Any]) -> dict[Any, Any]:
    """A map of keys and their values, side by side; what one list has more than the other is left out. Of
    equal keys the last value stands, at the place of the first.
    """
    return dict(zip(keys, values, strict=False))
