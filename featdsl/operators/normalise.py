"""Numbers brought to a common scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from featdsl.operators.declare import operator


def _zscore_error(constants: Mapping[str, Any]) -> str | None:
    mean, std = constants["mean"], constants["std"]
    if not math.isfinite(mean):
        return f"a mean must be finite, found {mean}"
    if not (math.isfinite(std) and std > 0.0):
        return f"a standard deviation must be finite and greater than 0, found {std}"
    return None


@operator(
    "zscore(x: float64, mean: const float64, std: const float64) -> float64",
    validate=_zscore_error,
    examples={"zscore(7, mean: 5, std: 4)": 0.5, "zscore(5.0, 5.0, 0.1)": 0.0},
)
def zscore(x: float, *, mean: float, std: float) -> float:
    """How many standard deviations the value lies above the mean: `(x - mean) / std`. The standard deviation
    is greater than 0; of a column that is always the same, leave the feature out."""
    return (x - mean) / std


def _minmax_error(constants: Mapping[str, Any]) -> str | None:
    low, high = constants["low"], constants["high"]
    for end in (low, high):
        if not math.isfinite(end):
            return f"an end must be finite, found {end}"
    if not low < high:
        return f"`low` must be less than `high`, found {low} and {high}"
    if not math.isfinite(high - low):
        return f"`low` and `high` are too far apart, found {low} and {high}"
    return None


@operator(
    "minmax(x: float64, low: const float64, high: const float64, clip: const bool = false) -> float64",
    validate=_minmax_error,
    examples={
        "minmax(3, low: 1, high: 5)": 0.5,
        "minmax(7, low: 1, high: 5)": 1.5,
        "minmax(7, low: 1, high: 5, clip: true)": 1.0,
    },
)
def minmax(x: float, *, low: float, high: float, clip: bool) -> float:
    """Where the value lies between two ends, 0.0 at `low` and 1.0 at `high`: `(x - low) / (high - low)`.

    Outside it goes below 0 and above 1, unless `clip: true` moves it to the nearer end. A NaN stays one.
    """
    place = (x - low) / (high - low)
    if clip:
        return 0.0 if place < 0.0 else 1.0 if place > 1.0 else place
    return place
