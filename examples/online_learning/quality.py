"""How well scores order what was liked before what was not, and how sure a difference of two is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RESAMPLES = 300


@dataclass(frozen=True, slots=True)
class Gain:
    """AUC of frozen and of fresh parameters on the same `count` interactions, and the gain with its 95 % interval."""

    count: int
    frozen: float
    fresh: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        return self.fresh - self.frozen


class Ordered:
    """Scores and what was liked, in the order of the scores: AUC for any weights of the interactions."""

    def __init__(self, scores: Floats, liked: Mask) -> None:
        _, self._group = np.unique(scores, return_inverse=True)
        self._liked = liked

    def auc(self, weights: Floats) -> float:
        """The share of (liked, not liked) pairs that the scores order rightly; ties count one half. NaN without
        a pair."""
        liked = np.bincount(self._group, weights * self._liked)
        others = np.bincount(self._group, weights * ~self._liked)
        pairs = liked.sum() * others.sum()
        return float((liked * (np.cumsum(others) - others / 2)).sum() / pairs) if pairs else float("nan")


def gain_of(
    frozen: Floats, fresh: Floats, liked: Mask, users: npt.NDArray[np.int64], *, seed: int = 1
) -> Gain:
    """The interval is a bootstrap's: users are drawn again and again, each with all that they did, and both ways are
    looked at with the same users."""
    ways = Ordered(frozen, liked), Ordered(fresh, liked)
    ones = np.ones(len(liked))
    plain = [way.auc(ones) for way in ways]
    _, who = np.unique(users, return_inverse=True)
    chance = np.random.default_rng(seed)
    gains = []
    for _ in range(RESAMPLES if len(liked) else 0):
        weights = chance.poisson(1.0, who.max() + 1).astype(np.float64)[who]
        gains.append(ways[1].auc(weights) - ways[0].auc(weights))
    known = [gain for gain in gains if np.isfinite(gain)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (float("nan"), float("nan"))
    return Gain(len(liked), plain[0], plain[1], float(low), float(high))
