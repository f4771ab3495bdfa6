"""What sums up the values of a list beyond sum and mean: products, frequencies, and measures along the list."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from featdsl.operators import strictmath
from featdsl.operators.declare import operator
from featdsl.operators.list import identity, wrap_int64


@operator(
    "prod(list: list<int64>) -> int64",
    "prod(list: list<float64>) -> float64",
    examples={"prod([2, 3, 4])": 24, "prod([0.5, 0.5])": 0.25},
)
def prod(list: list[Any]) -> Any:
    """The product of the elements, from left to right; 1 for an empty list. Integers wrap in 64 bits. Null gives
    null.
    """
    total = 1
    for element in list:
        total = total * element
    return wrap_int64(total) if isinstance(total, int) else total


@operator(
    "cumulative_sum(list: list<int64>) -> list<int64>",
    "cumulative_sum(list: list<float64>) -> list<float64>",
    examples={"cumulative_sum([1, 2, 3])": [1, 3, 6]},
    along="list",
)
def cumulative_sum(list: list[Any]) -> list[Any]:
    """For each element the sum of all up to it and with it, from left to right; aligned with the list. Integers wrap.
    Null gives null.
    """
    total: Any = 0
    sums = []
    for element in list:
        total = wrap_int64(total + element) if isinstance(element, int) else total + element
        sums.append(total)
    return sums


def _counts(list: list[Any]) -> dict[Any, int]:
    """How often each value is there, by its identity, in the order in which they come."""
    counts: dict[Any, int] = {}
    for element in list:
        counts[identity(element)] = counts.get(identity(element), 0) + 1
    return counts


@operator("mode(list: list<S>) -> S?", examples={"mode([1, 2, 2, 3])": 2, 'mode(["b", "a"])': "b"})
def mode(list: list[Any]) -> Any:
    """The value that is there most often, and of those as often the one that is seen first; null for an empty list.
    -0.0 is 0.0, and NaN is one value. Null gives null.
    """
    counts = _counts(list)
    most = max(counts.values(), default=0)
    return next((element for element in list if counts[identity(element)] == most), None)


@operator(
    "entropy(list: list<S>) -> float64",
    examples={"entropy([1, 1, 1])": 0.0, 'entropy(["a", "b"])': 0.6931471805599453},
)
def entropy(list: list[Any]) -> float:
    """The entropy of the values' frequencies in nats: the sum of `-p * log(p)` over the distinct values, in the
    order in which they come, where p is the part of the elements that they are; 0.0 for an empty list. -0.0 is
    0.0, and NaN is one value. Null gives null.
    """
    total = 0.0
    for count in _counts(list).values():
        part = count / len(list)
        total += -part * strictmath.log(part)
    return total


@operator(
    "value_counts(list: list<string>) -> map<string, int64>",
    "value_counts(list: list<int64>) -> map<int64, int64>",
    examples={'value_counts(["b", "a", "b"])': {"b": 2, "a": 1}},
)
def value_counts(list: list[Any]) -> dict[Any, int]:
    """How often each value is there: a map in the order in which they come. Null gives null."""
    return _counts(list)


@operator(
    "sum_by(keys: list<string>, values: list<int64>) -> map<string, int64>",
    "sum_by(keys: list<string>, values: list<float64>) -> map<string, float64>",
    "sum_by(keys: list<int64>, values: list<int64>) -> map<int64, int64>",
    "sum_by(keys: list<int64>, values: list<float64>) -> map<int64, float64>",
    examples={'sum_by(["b", "a", "b"], [1, 2, 3])': {"b": 4, "a": 2}},
    aligned=("keys", "values"),
)
def sum_by(keys: list[Any], values: list[Any]) -> dict[Any, Any]:
    """The sums of the values by their keys, from left to right: a map in the order in which the keys come. The lists
    must be aligned. Integers wrap. Null gives null.
    """
    sums: dict[Any, Any] = {}
    for key, value in zip(keys, values, strict=True):
        total = sums.get(key, 0) + value
        sums[key] = wrap_int64(total) if isinstance(total, int) else total
    return sums


def _check_edges(constants: Mapping[str, Any]) -> str | None:
    edges = constants["edges"]
    if not edges:
        return "there are no edges"
    if any(edge != edge or edge in (float("inf"), float("-inf")) for edge in edges):
        return "an edge is not finite"
    if any(not a < b for a, b in pairwise(edges)):
        return "edges must ascend strictly"
    return None


@operator(
    "histogram(list: list<float64>, edges: const list<float64>) -> list<int64>",
    examples={"histogram([0.5, 1.0, 2.5, 7.0], [1, 2, 5])": [1, 1, 1, 1], "histogram([], [0])": [0, 0]},
    validate=_check_edges,
)
def histogram(list: list[float], *, edges: tuple[float, ...]) -> list[int]:
    """How many elements are in each of the buckets between the edges, of which there is one more than edges: an element
    is in the bucket of the number of edges that are not greater (see `bucketize`), NaN in the first. Null gives null.
    """
    counts = [0] * (len(edges) + 1)
    for element in list:
        counts[sum(edge <= element for edge in edges)] += 1
    return counts


@operator(
    "ew_mean(list: list<float64>, alpha: const float64) -> float64?",
    examples={"ew_mean([1, 2, 3], 0.5)": 17 / 7, "ew_mean([4], 0.1)": 4.0},
    validate=lambda c: None if 0 < c["alpha"] <= 1 else f"alpha is above 0 and at most 1, found {c['alpha']}",
)
def ew_mean(list: list[float], *, alpha: float) -> float | None:
    """The exponentially weighted mean: the last element weighs 1, each one before `1 - alpha` times as much as the one
    after it. Sums and weights are multiplied by `1 - alpha` and added to from left to right, then divided; null for an
    empty list.
    """
    total = weight = 0.0
    for element in list:
        total = total * (1.0 - alpha) + element
        weight = weight * (1.0 - alpha) + 1.0
    return total / weight if list else None


@operator(
    "drawdown(list: list<float64>) -> float64?",
    examples={"drawdown([1, 4, 2, 3])": 0.5, "drawdown([1, 2])": 0.0},
)
def drawdown(list: list[float]) -> float | None:
    """The largest fall from a peak, as a part of it: the greatest of `(peak - x) / peak` over the elements, where the
    peak is the greatest element so far; 0.0 if none falls, and where the peak is not positive. Null for an empty list.
    """
    if not list:
        return None
    peak, worst = list[0], 0.0
    for element in list:
        peak = element if element > peak else peak
        if peak > 0.0 and (peak - element) / peak > worst:
            worst = (peak - element) / peak
    return worst
