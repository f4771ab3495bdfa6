"""The whole example file of the language: types, levels, schema and model."""

from __future__ import annotations

from pathlib import Path

import pytest

from featdsl.check import CheckResult, check
from featdsl.program import CheckedProgram, Sequence, Source

MOVIES = Path(__file__).parent / "fixtures" / "movies" / "movies.feat"


@pytest.fixture(scope="module")
def result() -> CheckResult:
    return check(str(MOVIES))


@pytest.fixture(scope="module")
def program(result: CheckResult) -> CheckedProgram:
    assert result.program is not None
    return result.program


def test_no_complaints(result: CheckResult) -> None:
    assert result.diagnostics == ()
    assert [Path(f).name for f in result.files] == ["movies.feat", "common.feat", "genres.txt"]


def test_features(program: CheckedProgram) -> None:
    assert [(f.name, str(f.value.type), f.value.level.label) for f in program.features] == [
        ("movie_age", "float64", "pair"),
        ("popularity", "float64", "item"),
        ("user_bucket", "int64", "request"),
        ("evening", "int64", "request"),
        ("genre_ids", "vector<int64, 6>", "item"),
        ("title_ids", "vector<int64, 8>", "item"),
        ("taste", "int64", "pair"),
        ("taste_cross", "vector<int64, 16>", "pair"),
        ("seen", "bool", "pair"),
        ("same_recent", "int64", "request"),
    ]
    assert program.features[0].doc == "Years since release, on a log scale."
    assert [(n, str(v.type), v.level.label) for n, v in program.lets] == [("movie_mean", "float64", "item")]


def test_schema(program: CheckedProgram) -> None:
    schema = program.schema
    assert schema.namespace == "movies"
    assert [(e.name, str(e.type), e.per_candidate) for e in schema.entities] == [
        ("user", "int64", False),
        ("item", "string", True),
    ]

    def shape(s: Source) -> tuple[str, str, str, str, str, bool]:
        return s.name, s.key, str(s.key_type), s.level.label, s.rows_of, s.per_element

    assert [shape(s) for s in schema.sources] == [
        ("profile", "user", "int64", "request", "profile", False),
        ("movie", "item", "string", "item", "movie", False),
        ("director", "movie.director_id", "string", "item", "director", False),
        ("clicked", "profile.clicks.item_id", "string", "request", "movie", True),
    ]
    profile = schema.source("profile")
    n_ratings, mean, _, recent, clicks = profile.fields
    assert not isinstance(n_ratings, Sequence)
    assert not isinstance(mean, Sequence)
    assert n_ratings.default == 0
    assert str(mean.type) == "float64?"
    assert recent.cap == 20
    assert isinstance(clicks, Sequence)
    assert clicks.cap == 50
    assert [(f.name, str(f.type), f.default) for f in clicks.fields] == [
        ("item_id", "string", None),
        ("at", "timestamp", None),
    ]
    at, device = schema.request
    assert (at.now, at.required, device.default) == (True, False, "unknown")
    assert [(f.name, f.default) for f in schema.candidate] == [("channel", "none"), ("recall_score", 0.0)]


def test_model(program: CheckedProgram) -> None:
    (model,) = program.models
    assert [(i.name, str(i.type), i.width, i.per_request) for i in model.inputs] == [
        ("dense", "float32", 4, False),
        ("bucket", "int64", None, False),
        ("genres", "int64", 6, False),
        ("crosses", "int64", 16, False),
        ("user_bucket_once", "int64", None, True),
    ]
    assert [str(v.type) for v in model.inputs[0].values] == ["float64", "float64", "float64", "int64"]
    assert [(c.name, str(c.type)) for c in (*model.labels, *model.outputs)] == [
        ("liked", "float32"),
        ("like", "float32"),
        ("watch", "float32"),
    ]
    assert model.keep is not None
    assert model.score is not None
    assert (str(model.keep.type), model.keep.level.label) == ("bool", "pair")
    assert (str(model.score.type), model.score.level.label) == ("float64", "after")
    assert model.inputs[1].values[0] is program.features[2].value


def test_vocab(program: CheckedProgram) -> None:
    (vocab,) = program.vocabs
    assert vocab.name == "genre_vocab"
    assert vocab.id_of("Drama") == 4
