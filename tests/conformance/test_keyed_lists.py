"""Lists of lists that go along with each other: the fields of a source that is keyed by a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from featdsl.check import check
from featdsl.program import CheckedProgram
from tests.conformance import engines
from tests.conformance.engines import ENGINES
from tests.conformance.programs import exact

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROGRAM = """
namespace keyed
entity user: int64 per request
entity item: string per candidate
source profile of user { clicks: sequence { item_id: string  weight: float64 } }
source movie of item {
  genre: string?  genres: list<string>  scores: list<float64>  taste: vector<float32, 2> = 0.5
  views: sequence { by: string?  seconds: int64 }
}
source clicked = movie of profile.clicks.item_id
"""

CLICKS = [
    {"item_id": "a", "weight": 0.5},
    {"item_id": "b", "weight": 2.0},
    {"item_id": "gone", "weight": 4.0},
]
MOVIES = [
    {
        "genre": "G",
        "genres": ["A", "B"],
        "scores": [1.0, 2.0],
        "taste": [1.0, 3.0],
        "views": [{"by": "u", "seconds": 3}, {"by": None, "seconds": 5}],
    },
    {"genre": None, "genres": [], "scores": [4.0], "taste": None, "views": []},
    None,
]

EXPECTED: dict[str, Any] = {
    "lower(clicked.genres)": [["a", "b"], [], []],
    "clicked.scores * profile.clicks.weight": [[0.5, 1.0], [8.0], []],
    "profile.clicks.weight * clicked.scores": [[0.5, 1.0], [8.0], []],
    "clicked.taste * profile.clicks.weight": [[0.5, 1.5], [1.0, 1.0], [2.0, 2.0]],
    "mean(clicked.scores) ?? -1.0": [1.5, 4.0, -1.0],
    "std(clicked.scores) ?? -1.0": [0.5, 0.0, -1.0],
    "sample_variance(clicked.scores) ?? -1.0": [0.5, -1.0, -1.0],
    "kurtosis(clicked.scores) ?? -1.0": [-2.0, -1.0, -1.0],
    "gap_max(clicked.scores) ?? -1.0": [1.0, -1.0, -1.0],
    "argmax(clicked.scores) ?? -1": [1, 0, -1],
    "1.0 / (clicked.scores - 1.0)": [[1.0], [0.3333333333333333], []],
    "clicked.views.seconds / size(each(clicked.views.seconds)) ?? 0.0": [[1.5, 2.5], [], []],
    'clicked.views.by ?? "?"': [["u", "?"], [], []],
    'clicked.views.by ?? clicked.genre ?? "-"': [["u", "G"], [], []],
    'count((clicked.views.by ?? "G") == (clicked.genre ?? ""))': [1, 0, 0],
    'contains(clicked.genres, movie.genre ?? "B")': [True, False, False],
    'contains(clicked.genres, clicked.genre ?? "")': [False, False, False],
    "overlap_count(clicked.genres, movie.genres)": [1, 0, 0],
    "pad(clicked.genres, 1)": [["A"], [""], [""]],
    "if profile.clicks.weight < 1.0 then clicked.genres else []": [["A", "B"], [], []],
    "if clicked.scores > 1.5 then clicked.scores else -profile.clicks.weight": [[-0.5, 2.0], [4.0], []],
    "take(clicked.scores, 2) * take(profile.clicks.weight, 2)": [[0.5, 1.0], [8.0]],
    'take(each(clicked.views.by ?? "?"), 1)': [["u"], [], []],
    'take(each(clicked.views.by ?? "?"), 1) == string(take(each(clicked.views.seconds), 1))': [[False], [], []],
    "(first(each(clicked.views.seconds)) ?? -1) * int64(profile.clicks.weight)": [0, -2, -4],
    "concat(profile.clicks.weight, profile.clicks.weight) * size(each(concat(clicked.genres, clicked.genres)))": [
        1.0, 0.0, 0.0, 1.0, 0.0, 0.0,
    ],
    "first(clicked.scores) ?? []": [1.0, 2.0],
    "(first(clicked.views.seconds) ?? []) + size(first(clicked.views.seconds) ?? [])": [5, 7],
    "size(each(cross(clicked.genres, movie.genres)))": [4, 0, 0],
}  # fmt: skip

NOT_ALIGNED = {
    "take(clicked.scores, 2) * profile.clicks.weight",
    "take(clicked.scores, 2) * take(profile.clicks.weight, 3)",
    "clicked.scores + clicked.taste",
    "clicked.views.seconds + clicked.scores",
    "take(each(clicked.views.seconds), 1) + clicked.views.seconds",
    "concat(profile.clicks.weight, profile.clicks.weight) + profile.clicks.weight",
    "first(clicked.views.seconds) + first(clicked.scores)",
}


def _checked(expressions: list[str]) -> CheckedProgram:
    lines = [f"feature f{i} = {expression}" for i, expression in enumerate(expressions)]
    result = check("keyed.feat", overlay={"keyed.feat": PROGRAM + "\n".join(lines)}, nullable_features=True)
    assert result.program is not None, [(d.message, d.label) for d in result.diagnostics]
    return result.program


def _table() -> pa.Table:
    """A row with three clicks, of which the last has no movie; a row without; the first again."""
    return pa.Table.from_pylist(
        [
            {
                "user": 1,
                "item": "i",
                "profile": {"clicks": clicks},
                "movie": {"genre": None, "genres": ["B", "C"]},
                "clicked": clicked,
            }
            for clicks, clicked in ((CLICKS, MOVIES), ([], []), (CLICKS, MOVIES))
        ]
    )


def _same(results: dict[str, list[Any]]) -> None:
    found = []
    for i, (expression, expected) in enumerate(EXPECTED.items()):
        got = results[f"f{i}"]
        if [exact(v) for v in got] != [exact(expected), exact([]), exact(expected)]:
            found.append(f"{expression}: {got}, not {expected}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "tree"])
def test_values(engine: str) -> None:
    _same(ENGINES[engine](_checked(list(EXPECTED)), _table()))


def test_values_in_spark(spark: SparkSession) -> None:
    _same(engines.spark(_checked(list(EXPECTED)), _table(), spark))


@pytest.mark.parametrize("expression", sorted(NOT_ALIGNED))
def test_what_does_not_go_along(expression: str) -> None:
    text = f"{PROGRAM}\nfeature f = {expression}"
    errors = check("keyed.feat", overlay={"keyed.feat": text}, nullable_features=True).diagnostics
    assert [e.code for e in errors if e.severity == "error"] == ["E0501"], [e.message for e in errors]
