"""Numbers brought to a common scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from featdsl.operators import strictmath, strictmath_hyperbolic, strictmath_trig
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
    """How many standard deviations the value lies above the mean: `(x - mean) / std`.

    Write `zscore(x)` and `feat fit` learns both. A standard deviation that is given is greater than 0; of a column
    that is always the same, 1.0 is learned."""
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

    Write `minmax(x)` and `feat fit` learns both ends: the least and the greatest value.
    Outside it goes below 0 and above 1, unless `clip: true` moves it to the nearer end. A NaN stays one.
    """
    place = (x - low) / (high - low)
    if clip:
        return 0.0 if place < 0.0 else 1.0 if place > 1.0 else place
    return place


def _log_scale_error(constants: Mapping[str, Any]) -> str | None:
    for name in ("threshold", "default"):
        if not math.isfinite(constants[name]):
            return f"`{name}` must be finite, found {constants[name]}"
    return None


@operator(
    "log_scale(x: float64?, threshold: const float64 = 1e-10, default: const float64 = -10.0) -> float64",
    validate=_log_scale_error,
    examples={"log_scale(100)": 2.0, "log_scale(0)": -10.0, "log_scale(0, default: 0.0)": 0.0},
)
def log_scale(x: float | None, *, threshold: float, default: float) -> float:
    """`log10(x)` of a value greater than `threshold` (and than 0), else `default`, also for null and NaN: it is
    never null."""
    if x is None or not (x > threshold and x > 0.0):
        return default
    return strictmath_hyperbolic.log10(x)


@operator(
    "signed_log1p(x: float64) -> float64",
    examples={"signed_log1p(-1)": -0.6931471805599453, "signed_log1p(0)": 0.0},
)
def signed_log1p(x: float) -> float:
    """`log1p` of the size, with the sign: a logarithm for values of both signs, which is 0 at 0."""
    return math.copysign(strictmath.log1p(abs(x)), x)


TWO_PI = 6.283185307179586


def _period_error(constants: Mapping[str, Any]) -> str | None:
    period = constants["period"]
    if math.isfinite(period) and period > 0.0:
        return None
    return f"a period must be finite and greater than 0, found {period}"


@operator(
    "cyclic(x: float64, period: const float64) -> vector<float64, 2>",
    validate=_period_error,
    examples={"cyclic(0, 24)": [0.0, 1.0], "cyclic(6, 24)": [1.0, 6.123233995736766e-17]},
)
def cyclic(x: float, *, period: float) -> list[float]:
    """The sine and the cosine of `6.283185307179586 * (x / period)`: a place on a circle, so that 23 o'clock is
    as near to 0 as 1 is."""
    angle = TWO_PI * (x / period)
    return [strictmath_trig.sin(angle), strictmath_trig.cos(angle)]
