"""Numbers to small ids, and ids to vectors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from featdsl.operators import strictmath
from featdsl.operators.declare import operator


def _edges_error(constants: Mapping[str, Any]) -> str | None:
    edges = constants["edges"]
    if not edges:
        return "bucketize needs at least one edge"
    for edge in edges:
        if not math.isfinite(edge):
            return f"an edge must be finite, found {edge}"
    for low, high in itertools.pairwise(edges):
        if not low < high:
            way = "; of learned quantiles `quantile_bucketize(x, parts)` leaves out those that repeat"
            return f"edges must ascend strictly, found {low} before {high}{way if low == high else ''}"
    return None


@operator(
    "bucketize(x: int64, edges: const list<int64>, right: const bool = false) -> int64",
    "bucketize(x: float64, edges: const list<float64>, right: const bool = false) -> int64",
    validate=_edges_error,
    examples={
        "bucketize(5, [1, 5, 10])": 2,
        "bucketize(5, [1, 5, 10], right: true)": 1,
        "bucketize(0.5, [1, 5, 10])": 0,
    },
)
def bucketize(x: int | float, edges: Sequence[int | float], right: bool) -> int:
    """How many edges are not greater than `x`, 0 to the number of edges; a value on an edge goes up.

    With `right: true` a value on an edge goes down: it counts the edges that are less. Edges are finite and
    ascend strictly. A NaN is in bucket 0.
    """
    return sum(edge < x if right else edge <= x for edge in edges)


MOST_BUCKETS = 1_000


def log_edges(base: float, buckets: int, start: float) -> list[float]:
    """The edges of `log_bucketize`, one less than it has buckets."""
    return [start * strictmath.pow(base, float(k)) for k in range(buckets - 1)]


def _log_edges_error(constants: Mapping[str, Any]) -> str | None:
    base, buckets, start = constants["base"], constants["buckets"], constants["start"]
    if not (math.isfinite(base) and base > 1.0):
        return f"the base must be finite and greater than 1, found {base}"
    if not (math.isfinite(start) and start > 0.0):
        return f"the first edge must be finite and greater than 0, found {start}"
    if not 2 <= buckets <= MOST_BUCKETS:
        return f"the number of buckets is 2 to {MOST_BUCKETS:_}, found {buckets}"
    return _edges_error({"edges": log_edges(base, buckets, start)})


@operator(
    "log_bucketize(x: float64, base: const float64, buckets: const int64, start: const float64 = 1.0) -> int64",
    validate=_log_edges_error,
    examples={
        "log_bucketize(0.5, 10, 4)": 0,
        "log_bucketize(10, 10, 4)": 2,
        "log_bucketize(1_000_000, 10, 4)": 3,
        "log_bucketize(3, 2, 8, start: 0.5)": 3,
    },
)
def log_bucketize(x: float, *, base: float, buckets: int, start: float) -> int:
    """The bucket, 0 to `buckets` - 1, among edges that grow by a factor: `start`, `start * base`,
    `start * base ** 2`… As in `bucketize`, a value on an edge goes up, what is less than `start` (also zero,
    and what is negative) is in bucket 0, and a NaN too."""
    return sum(edge <= x for edge in log_edges(base, buckets, start))


MOST_PLACES = 1_000_000


@operator(
    "one_hot(x: int64, size: const int64) -> vector<int64, size>",
    validate=lambda c: (
        None
        if 1 <= c["size"] <= MOST_PLACES
        else f"the size of a vector is 1 to {MOST_PLACES:_}, found {c['size']}"
    ),
    examples={"one_hot(2, 4)": [0, 0, 1, 0], "one_hot(7, 4)": [0, 0, 0, 0]},
)
def one_hot(x: int, *, size: int) -> list[int]:
    """A vector of zeros with a 1 at place `x`, counted from 0; without a 1 if there is no such place."""
    return [int(place == x) for place in range(size)]
