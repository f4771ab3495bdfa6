"""Numbers to small ids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

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
            return f"edges must ascend strictly, found {low} before {high}"
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
