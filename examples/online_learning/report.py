"""What a replay has shown, as numbers: AUC by kind of interaction, over time, and what the versions cost."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from quality import Floats, Gain, Mask, Ordered, gain_of
from replay import Published, Scored
from traffic import Watch

BLOCKS = 24


@dataclass(frozen=True, slots=True)
class Point:
    """AUC of a stretch of interactions that ends at `at_us`, and the gain of all up to there."""

    at_us: int
    frozen: float
    fresh: float
    so_far: Gain
    new_movies_so_far: Gain


class Report:
    """Of a replay that scored something."""

    def __init__(self, scored: Sequence[Scored], published: Sequence[Published], watch: Watch) -> None:
        self._published = published
        self._watch = watch
        self._fresh = _floats([one.fresh.score for one in scored])
        self._frozen = _floats([one.frozen.score for one in scored])
        self._liked = np.array([one.of.liked for one in scored])
        self._users = np.array([one.of.user for one in scored], np.int64)
        self._at_us = np.array([one.of.at_us for one in scored], np.int64)
        self._new_user = np.array([one.new_user for one in scored])
        self._new_movie = np.array([one.new_movie for one in scored])
        self._rated = np.array([one.rated for one in scored])
        self._version = np.array([one.fresh.version for one in scored])
        self._answered_s = _floats([one.fresh.at_s for one in scored])
        self._events = _floats([one.events for one in scored])
        self._items = [one.of.item for one in scored]

    # --- AUC ----------------------------------------------------------------------------------------------

    def gains(self) -> dict[str, Gain]:
        """By what an interaction is, where there are enough for an AUC. New: since the frozen version was made."""
        late = np.arange(len(self._liked)) >= len(self._liked) * 2 // 3
        kinds = {
            "all": np.ones(len(self._liked), bool),
            "known movie, known user": ~self._new_movie & ~self._new_user,
            "new user": self._new_user,
            "new movie": self._new_movie,
            "… that nobody has rated yet": self._new_movie & (self._rated == 0),
            "… that somebody has rated": self._new_movie & (self._rated > 0),
            "the last third": late,
            "the last third, new movie": late & self._new_movie,
        }
        gains = {kind: self._gain(mask) for kind, mask in kinds.items()}
        return {kind: gain for kind, gain in gains.items() if math.isfinite(gain.gain)}

    def _gain(self, mask: Mask) -> Gain:
        return gain_of(self._frozen[mask], self._fresh[mask], self._liked[mask], self._users[mask])

    def over_time(self) -> list[Point]:
        """Stretches of equally many interactions."""
        ends = np.linspace(0, len(self._liked), min(BLOCKS, len(self._liked)) + 1).astype(int)
        points = []
        for start, end in itertools.pairwise(ends):
            ones = np.ones(end - start)
            frozen, fresh = (
                Ordered(scores[start:end], self._liked[start:end]).auc(ones)
                for scores in (self._frozen, self._fresh)
            )
            until = np.arange(len(self._liked)) < end
            points.append(
                Point(
                    int(self._at_us[end - 1]),
                    frozen,
                    fresh,
                    self._gain(until),
                    self._gain(until & self._new_movie),
                )
            )
        return points

    # --- versions -----------------------------------------------------------------------------------------

    def servable_s(self) -> Floats:
        """Of each version that a client saw: from the start of its commit to the first answer of it."""
        return _floats([self._servable(one) for one in self._published if self._seen(one)])

    def _seen(self, one: Published) -> bool:
        return one.number in self._watch.since_s

    def _servable(self, one: Published) -> float:
        return self._watch.since_s[one.number] - one.committed_s if self._seen(one) else float("nan")

    def age(self) -> tuple[Floats, Floats]:
        """Of the parameters that gave each fresh score: seconds since they were committed, and interactions that
        had happened and were not in them."""
        by_number = {one.number: one for one in self._published}
        used = [by_number[int(number)] for number in self._version]
        seconds = self._answered_s - _floats([one.committed_s for one in used])
        return seconds, self._events - _floats([one.events for one in used])

    # --- for people ---------------------------------------------------------------------------------------

    def table(self) -> str:
        kinds = self.gains()
        width = max(map(len, kinds))
        lines = [f"   {'':{width}}  {'count':>7}  {'frozen':>7}  {'fresh':>7}  {'gain':>8}  95 % interval"]
        for kind, gain in kinds.items():
            lines.append(
                f"   {kind:{width}}  {gain.count:>7,}  {gain.frozen:>7.4f}  {gain.fresh:>7.4f}  {gain.gain:>+8.4f}"
                f"  {gain.low:+.4f} to {gain.high:+.4f}"
            )
        return "\n".join(lines)

    def costs(self) -> str:
        later = self._published[1:] or self._published
        rows, added, whole, took = (
            _floats([getattr(one, name) for one in later])
            for name in ("rows", "bytes_added", "bytes_all", "took_s")
        )
        in_all = f"of {np.median(whole) / 1024:,.0f} in all"
        servable = self.servable_s()
        seconds, events = self.age()
        gaps = np.diff([one.committed_s for one in self._published])
        return "\n".join(
            [
                f"   {len(self._published)} versions, one each {np.median(gaps) if len(gaps) else 0:.1f} s; "
                f"{len(servable)} of them seen by a client that asks all the time",
                f"   rows of a version         {_spread(rows, ',.0f')}",
                f"   KiB that it adds          {_spread(added / 1024, ',.0f')}, {in_all}",
                f"   ms that training waits    {_spread(took * 1e3, ',.0f')}",
                f"   ms from commit to answers {_spread(servable * 1e3, ',.0f')}",
                f"   age at a score, in s      {_spread(seconds, '.1f')}",
                f"   … in interactions         {_spread(events, ',.0f')}",
            ]
        )

    # --- for machines -------------------------------------------------------------------------------------

    def write(self, out: Path) -> None:
        """`versions.csv` and `scores.parquet`."""
        with open(out / "versions.csv", "w", newline="") as file:
            rows = [{**asdict(one), "servable_s": round(self._servable(one), 4)} for one in self._published]
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        columns = {
            "user": self._users, "item": self._items, "at_us": self._at_us, "liked": self._liked, "fresh": self._fresh,
            "frozen": self._frozen, "version": self._version, "answered_s": self._answered_s,
            "new_user": self._new_user, "new_movie": self._new_movie, "rated_since": self._rated,
        }  # fmt: skip
        pq.write_table(pa.table(columns), out / "scores.parquet")


def _spread(values: Floats, form: str) -> str:
    if not len(values):
        return "none"
    middle, high = np.percentile(values, [50, 95])
    return f"{format(middle, form):>7} in the middle, {format(high, form)} at the 95th percentile"


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, np.float64)
