"""What `feat fit` says of how the state moved."""

from __future__ import annotations

import math
from typing import Any

from featdsl.state import FittedSite, State
from offline.drift import drift, drift_lines, psi


def _site(number: str, name: str, statistic: str, values: dict[str, Any]) -> FittedSite:
    return FittedSite(number, name, statistic, f"x.{name}", {}, values)


def _moments(mean: float, std: float) -> dict[str, Any]:
    return {"count": 100, "mean": mean, "std": std, "low": 0.0, "high": 9.0}


BEFORE = [
    _site("1", "popularity", "moments", _moments(2.0, 0.5)),
    _site("2", "quiet", "moments", _moments(1.0, 1.0)),
    _site("3", "buckets", "quantiles", {"count": 100, "points": [1.0, 2.0, 3.0], "counts": [25, 25, 25, 25]}),
    _site("4", "genres", "vocab", {"count": 100, "distinct": 3, "entries": {"drama": 60, "war": 30, "noir": 10}}),
    _site("5", "liking", "means",
          {"count": 9, "mean": 0.5, "otherwise": [0.5], "entries": {"a": [5, 0.5], "b": [4, 0.25]}}),
    _site("6", "words", "corpus", {"documents": 10, "mean_length": 4.0, "entries": {"the": 9, "cat": 2}}),
    _site("7", "left", "moments", _moments(0.0, 1.0)),
    _site("8", "edited", "moments", _moments(0.0, 1.0)),
]  # fmt: skip
AFTER = [
    _site("1", "popularity", "moments", {**_moments(2.25, 0.5), "count": 1200}),
    _site("2", "quiet", "moments", _moments(1.0, 1.0)),
    _site("3", "buckets", "quantiles", {"count": 200, "points": [1.0, 2.0, 5.0], "counts": [50, 50, 50, 50]}),
    _site("4", "genres", "vocab", {"count": 200, "distinct": 3, "entries": {"drama": 100, "war": 60, "new": 40}}),
    _site("5", "liking", "means",
          {"count": 9, "mean": 0.6, "otherwise": [0.6], "entries": {"a": [6, 0.6], "c": [3, 0.1]}}),
    _site("6", "words", "corpus", {"documents": 20, "mean_length": 5.0, "entries": {"the": 19, "dog": 4}}),
    _site("9", "edited", "moments", _moments(0.5, 1.0)),
    _site("a", "fresh", "moments", _moments(0.5, 1.0)),
]  # fmt: skip

REPORT = """
  buckets     quantiles  moved: count 100 -> 200, points moved 1, psi 0.4573  (much)
  edited      moments    changed: count 100, mean 0.5, std 1, low 0, high 9
  fresh       moments    new: count 100, mean 0.5, std 1, low 0, high 9
  genres      vocab      moved: count 100 -> 200, entries 3 -> 3, added 1, gone 1, share of added 0.2, share of gone 0.1, psi 2.2277  (much)
  left        moments    gone
  liking      means      moved: mean 0.5 -> 0.6, entries 2 -> 2, added 1, gone 1, means moved by 0.1
  popularity  moments    moved: count 100 -> 1,200, mean 2 -> 2.25, mean moved by std 0.5
  quiet       moments    same
  words       corpus     moved: documents 10 -> 20, mean length 4 -> 5, entries 2 -> 2, added 1, gone 1, share of added 0.2, share of gone 0.2
"""  # noqa: E501


NEW = """
  buckets     quantiles  new: count 200, points 3, low 1, high 5
  genres      vocab      new: count 200, distinct 3, entries 3
  liking      means      new: count 9, mean 0.6, entries 2
  popularity  moments    new: count 1,200, mean 2.25, std 0.5, low 0, high 9
  quiet       moments    new: count 100, mean 1, std 1, low 0, high 9
  words       corpus     new: documents 20, mean length 5, entries 2
"""


def _state(sites: list[FittedSite]) -> State:
    return State(100, {site.id: site for site in sites})


def test_the_report() -> None:
    found = drift(_state(BEFORE), _state(AFTER), [s.id for s in AFTER], {"3": [20, 20, 60, 100]})
    assert "\n".join(drift_lines(found)) == REPORT.strip("\n")
    data = [one.as_data() for one in found]
    assert data[0] == {
        "site": "buckets", "statistic": "quantiles", "of": "x.buckets", "status": "moved",
        "count": [100, 200], "points_moved": 1, "psi": data[0]["psi"],
    }  # fmt: skip


def test_psi() -> None:
    assert psi([1, 2, 3], [10, 20, 30]) == 0.0
    assert psi([50, 50], [90, 10]) == round(0.4 * math.log(1.8) + (-0.4) * math.log(0.2), 4)
    # an empty bin counts as one in ten thousand
    assert psi([1, 0], [1, 1]) == round(-0.5 * math.log(0.5) + 0.4999 * math.log(5000), 4)
    assert psi([], []) == 0.0


def test_nothing_before() -> None:
    found = drift(State(), _state(AFTER[:7]), [site.id for site in AFTER[:6]], {})
    assert {d.status for d in found} == {"new"}
    assert "\n".join(drift_lines(found)) == NEW.strip("\n")
