"""Exact sums: what fractions give, however the values are divided."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from offline.exact_moments import Moments, square_root


def _values(kind: str, rng: np.random.Generator, size: int) -> np.ndarray:
    if kind == "any bits":
        found = rng.integers(-(2**63), 2**63 - 1, size=size).view(np.float64)
        return found[np.isfinite(found)]
    if kind == "subnormal":
        return rng.integers(-(2**52), 2**52, size=size).astype(np.float64) * 5e-324
    if kind == "far apart":
        return rng.normal(size=size) * 10.0 ** rng.integers(-300, 300, size=size)
    return rng.integers(-3, 4, size=size).astype(np.float64)


@pytest.mark.parametrize("kind", ["any bits", "subnormal", "far apart", "few"])
def test_what_fractions_give_in_any_order(kind: str) -> None:
    rng = np.random.default_rng(7)
    for size in (1, 2, 3, 50, 300):
        values = _values(kind, rng, size)
        exact = [Fraction(v) for v in values.tolist()]
        mean = sum(exact) / len(exact)
        variance = sum((v - mean) ** 2 for v in exact) / len(exact)
        whole = Moments()
        whole.add(values)
        assert (whole.count, whole.mean) == (len(values), float(mean))
        with localcontext() as context:
            context.prec = 1200
            root = (Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt()
        assert whole.std == float(root)
        assert (whole.low, whole.high) == (values.min(), values.max())
        for parts in (2, 7):
            merged = Moments()
            for part in np.array_split(rng.permutation(values), parts):
                one = Moments()
                one.add(part)
                merged.merge(Moments.of_text(one.as_text()))
            assert merged == whole


def test_a_constant_column_has_no_spread() -> None:
    moments = Moments()
    moments.add(np.full(1000, 0.1))
    assert (moments.mean, moments.std) == (0.1, 0.0)


def test_a_part_seen_several_times() -> None:
    one, twice = Moments(), Moments()
    one.add(np.array([0.1, 3.0]))
    twice.merge(one, 2)
    assert (twice.count, twice.mean, twice.std) == (4, one.mean, one.std)


def test_roots_round_to_even() -> None:
    assert square_root(2, 1) == 2**0.5
    assert square_root(1, 4) == 0.5
    assert square_root(10**400, 1) == 1e200
    assert square_root(1, 10**400) == 1e-200
    # just above the middle between 1 and the next float
    middle = Fraction(2**53 + 1, 2**53)
    assert square_root((middle**2).numerator, (middle**2).denominator) == 1.0
    above = middle**2 + Fraction(1, 2**300)
    assert square_root(above.numerator, above.denominator) == 1.0 + 2**-52
