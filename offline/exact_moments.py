"""Count, mean, standard deviation and extremes of float64 values, exact: they do not depend on the order of the values
nor on how these are divided, to the last bit.

Sums are integers: of multiples of 2^-1074 (every float64 is one), and for squares of 2^-2148. What comes out is the
exact result, rounded once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_UNIT_BITS = 1074
_HALF = 27
_MOST_AT_ONCE = 1 << 25
"""So many 27-bit numbers have an exact sum in a float64."""


@dataclass(slots=True)
class Moments:
    """Of finite values only. `total` and `squares` count the units that are named above."""

    count: int = 0
    total: int = 0
    squares: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: Floats) -> None:
        for start in range(0, len(values), _MOST_AT_ONCE):
            self._add(values[start : start + _MOST_AT_ONCE])

    def merge(self, other: Moments, times: int = 1) -> None:
        """Adds what another has seen, so many times."""
        self.count += other.count * times
        self.total += other.total * times
        self.squares += other.squares * times
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)

    def as_text(self) -> str:
        ends = f"{self.low.hex()} {self.high.hex()}"
        return f"{self.count} {self.total:x} {self.squares:x} {ends}"

    @staticmethod
    def of_text(text: str) -> Moments:
        count, total, squares, low, high = text.split(" ")
        return Moments(int(count), int(total, 16), int(squares, 16), float.fromhex(low), float.fromhex(high))

    @property
    def mean(self) -> float:
        """The exact mean, rounded to nearest even. At least one value."""
        return self.total / (self.count << _UNIT_BITS)

    @property
    def std(self) -> float:
        """The exact standard deviation of the population, rounded to nearest even. At least one value."""
        above = self.count * self.squares - self.total * self.total
        return square_root(above, self.count * self.count << 2 * _UNIT_BITS)

    def _add(self, values: Floats) -> None:
        if len(values) == 0:
            return
        values = values + 0.0  # one zero
        self.count += len(values)
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        bits = values.view(np.int64)
        exponents = (bits >> 52) & 0x7FF
        mantissas = (bits & ((1 << 52) - 1)) | ((exponents > 0).astype(np.int64) << 52)
        shifts = np.maximum(exponents, 1) - 1
        high, low = mantissas >> _HALF, mantissas & ((1 << _HALF) - 1)
        sign = np.where(bits < 0, -1, 1)
        self.total += _summed(shifts, high * sign, 1, _HALF) + _summed(shifts, low * sign, 1, 0)
        self.squares += _summed_wide(shifts, high * high, 2 * _HALF)
        self.squares += _summed_wide(shifts, 2 * high * low, _HALF)
        self.squares += _summed_wide(shifts, low * low, 0)


def _summed_wide(shifts: Integers, numbers: Integers, place: int) -> int:
    """As `_summed` of squares, for numbers of up to 54 bits."""
    upper, lower = numbers >> _HALF, numbers & ((1 << _HALF) - 1)
    return _summed(shifts, upper, 2, place + _HALF) + _summed(shifts, lower, 2, place)


def _summed(shifts: Integers, numbers: Integers, power: int, place: int) -> int:
    """The sum of `numbers << (power * shifts + place)`; the numbers have up to 27 bits and a sign."""
    sums = np.bincount(shifts, weights=numbers)
    return sum(int(sums[shift]) << power * int(shift) + place for shift in np.flatnonzero(sums))


def square_root(above: int, below: int) -> float:
    """The square root of a fraction that is not negative, rounded to nearest even."""
    if above == 0:
        return 0.0
    # 128 more bits than the fraction has: the root has 64, of which a float keeps 53
    extra = max(0, 128 + below.bit_length() - above.bit_length() + 1)
    extra += extra % 2
    scaled, rest = divmod(above << extra, below)
    root = math.isqrt(scaled)
    inexact = rest != 0 or root * root != scaled
    return (2 * root + inexact) / (1 << extra // 2 + 1)
