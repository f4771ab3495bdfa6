"""Inferred types and levels, overloads, mapping over lists, alignment, null rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from featdsl.check import check
from featdsl.typed import Typed

PRELUDE = (Path(__file__).parent / "fixtures" / "prelude.feat").read_text()


def value(expression: str, *, before: str = "") -> Typed:
    text = f'import "prelude.feat"\n{before}\nfeature x = {expression}\n'
    result = check("t.feat", overlay={"t.feat": text, "prelude.feat": PRELUDE}, nullable_features=True)
    assert result.program is not None, [d.message for d in result.diagnostics]
    return result.program.features[0].value


@pytest.mark.parametrize(
    ("expression", "type_", "level"),
    [
        # literals
        ("1", "int64", "constant"),
        ("-9223372036854775808", "int64", "constant"),
        ("2.5", "float64", "constant"),
        ('"a"', "string", "constant"),
        ("[1, 2]", "vector<int64, 2>", "constant"),
        ("[1, 2.5]", "vector<float64, 2>", "constant"),
        ("[profile.n, 2.5]", "vector<float64, 2>", "request"),
        # levels
        ("user", "int64", "request"),
        ("item", "string", "item"),
        ("candidate.position", "int32", "pair"),
        ("request.at", "timestamp", "request"),
        ("director.n + movie.n", "int64", "item"),
        ("profile.n + movie.n", "int64", "pair"),
        # widening
        ("profile.n + 1", "int64", "request"),
        ("profile.n + 1.5", "float64", "request"),
        ("profile.n / 2", "float64", "request"),
        ("-profile.n", "int64", "request"),
        ("max(profile.n, 3, 2.5)", "float64", "request"),
        ("profile.mean ?? 7", "float64", "request"),
        ("if true then 1 else 2.5", "float64", "constant"),
        ("int32(profile.n)", "int32", "request"),
        ("int32(1.5)", "int32?", "constant"),
        # null rules
        ("movie.year", "int32?", "item"),
        ("movie.year + 1", "int64?", "item"),
        ("movie.year ?? 2000", "int64", "item"),
        ("movie.year ?? movie.year", "int32?", "item"),
        ("is_null(movie.year)", "bool", "item"),
        ("movie.year > 2000 and true", "bool?", "item"),
        ("if movie.year > 2000 then 1 else 2", "int64", "item"),
        ("if true then movie.year else 2", "int64?", "item"),
        ("profile.n / profile.n", "float64?", "request"),
        ("profile.n // 3", "int64", "request"),
        ("profile.n // (2 - 2)", "int64?", "request"),
        ("profile.n % (1 + 1)", "int64", "request"),
        ("movie.year // 3", "int64?", "item"),
        ("2 ** profile.n", "float64?", "request"),
        ("hash(movie.title, 100)", "int64", "item"),
        ("hash(movie.title)", "id?", "item"),
        ("hash(movie.title, 100, offset: 0)", "int64?", "item"),
        # lists
        ("movie.genres", "list<string>", "item"),
        ("lower(movie.genres)", "list<string>", "item"),
        ("size(movie.genres)", "int64", "item"),
        ("split(movie.title, \" \")", "list<string>?", "item"),
        ("lower(split(movie.title, \" \"))", "list<string>?", "item"),
        ("profile.scores * 0.5", "list<float64>", "request"),
        ("profile.scores // profile.n", "list<int64>", "request"),
        ("sum(profile.scores / 2)", "float64", "request"),
        ("profile.clicks.category", "list<string?>", "request"),
        ("profile.clicks.category ?? \"\"", "list<string>", "request"),
        ("profile.clicks.category ?? profile.clicks.item_id", "list<string>", "request"),
        ("profile.clicks.dwell / profile.n ?? 0.0", "list<float64>", "request"),
        ("is_null(profile.clicks.category)", "list<bool>", "request"),
        ("if profile.clicks.dwell > 3 then profile.clicks.item_id else \"\"", "list<string>", "request"),
        ("profile.clicks.at > request.at - days(7)", "list<bool>", "request"),
        ("profile.clicks.item_id == item", "list<bool>", "pair"),
        ("clicked.year ?? 0", "list<int64>", "request"),
        ("clicked.n + profile.clicks.dwell", "list<int64>", "request"),
        ("clicked.genres", "list<list<string>>", "request"),
        ("size(clicked.genres)", "int64", "request"),
        ("first(clicked.genres)", "list<string>?", "request"),
        ("contains(clicked.genres, \"a\")", "list<bool>", "request"),
        ("profile.taste * movie.taste", "vector<float64, 4>", "pair"),
        ("profile.taste * [1, 2, 3, 4]", "vector<float64, 4>", "request"),
        ("profile.taste / profile.n ?? 0.0", "vector<float64, 4>", "request"),
        ("pad(profile.scores, 1 + 2)", "vector<int64, 3>", "request"),
        ("contains(profile.tags, movie.genres)", "list<bool>", "pair"),
        ("if profile.n > 0 then movie.genres else profile.tags", "list<string>", "pair"),
        ("cross(request.device, item)", "id", "pair"),
        ("cross(request.device, movie.genres)", "list<id>", "pair"),
        ("cross(movie.title, movie.genres, profile.tags) |> hash(10)", "list<int64>", "pair"),
        ("profile.n in [1, 2]", "bool", "request"),
        ("movie.genres in [\"a\"]", "list<bool>", "item"),
        ("get(profile.weights, \"a\")", "float64?", "request"),
        ("get(profile.weights, movie.genres)", "list<float64>", "pair"),
        # time
        ("request.at - request.at", "int64", "request"),
        ("request.at + days(1)", "timestamp", "request"),
        ("hour(request.at, zone: \"Asia/Shanghai\")", "int64", "request"),
    ],
)  # fmt: skip
def test_types(expression: str, type_: str, level: str) -> None:
    found = value(expression)
    assert (str(found.type), found.level.label) == (type_, level)


def test_int_beside_float_is_converted() -> None:
    found = value("profile.n + 1.5")
    assert (found.op, found.overload, found.args[0].op, str(found.args[1].type)) == (
        "add",
        1,
        "float64",
        "float64",
    )
    assert str(value("profile.n * 2").args[0].type) == "int32"


def test_constants_take_the_type_that_is_wanted() -> None:
    assert value("profile.mean ?? 7").args[1].attribute("value") == 7.0
    edges = value("bucketize(profile.mean ?? 0.0, [1, 2.5])").attribute("edges")
    assert edges == (1.0, 2.5)
    assert value("bucketize(profile.n, edges)", before="let edges = [1, 1 + 1]").attribute("edges") == (1, 2)
    assert dict(value("bucketize(profile.n, [1], right: true)").attributes) == {"edges": (1,), "right": True}


def test_mapping_says_what_it_drops() -> None:
    dropped = value("profile.scores // profile.n")
    assert (dropped.mapped, dropped.drops_null) == ((True, False), True)
    kept = value("profile.clicks.dwell // profile.n ?? 0").args[0]
    assert (kept.mapped, kept.drops_null, str(kept.type)) == ((True, False), False, "list<int64?>")


def test_equal_expressions_are_one_node_and_aligned() -> None:
    found = value("distinct(movie.genres) == distinct(movie.genres)")
    assert found.args[0] is found.args[1]
    assert str(value("a == lower(a)", before="let a = distinct(movie.genres)").type) == "list<bool>"
    assert str(value("lower(movie.genres) == movie.genres").type) == "list<bool>"


def test_hashed_parameters() -> None:
    found = value("cross(profile.n, movie.genres)")
    assert [a.op for a in found.args] == ["as_list", "hash"]
    assert found.args[1].mapped == (True,)
    assert value("cross(cross(1, 2), 3)").args[0].op == "cross"


def test_each_in_a_def_that_is_mapped_says_nothing_of_the_list_around() -> None:
    marked = "def marked(x) = each(x)\ndef again(x) = marked(x)"
    for text in ("marked(each(movie.genres))", "again(each(movie.genres))", "marked(movie.genres)"):
        assert str(value(text, before=marked).type) == "list<string>", text
    assert str(value("size(again(each(movie.genres)))", before=marked).type) == "int64"
    assert value("again(each(movie.genres))", before=marked).op == "input"


def test_defs_are_inlined() -> None:
    smooth = "def smooth(mean: float64?, n: int32) = ((mean ?? 7.0) * n + 140.0) / (n + 20) ?? 7.0"
    assert str(value("smooth(profile.mean, profile.n)", before=smooth).type) == "float64"
    assert str(value("smooth(n: 3, mean: null)", before=smooth).type) == "float64"
    assert str(value("smooth(5, 3)", before=smooth).type) == "float64"
    assert str(value("movie.genres |> ids(100)", before="def ids(x, n) = x |> hash(n) |> pad(4)").type) == (
        "vector<int64, 4>"
    )
    shadow = "let n = 3\ndef f(n) = n + 1.5"
    assert str(value("f(n)", before=shadow).type) == "float64"


def test_per_element_key_of_a_plain_list() -> None:
    before = "source seen = movie of profile.tags"
    assert str(value("seen.n + size(profile.tags)", before=before).type) == "list<int64>"
    assert str(value("seen.n == length(profile.tags)", before=before).type) == "list<bool>"
    assert str(value("seen.year ?? 0", before=before).type) == "list<int64>"


def test_a_feature_may_have_the_name_of_the_operator_that_it_calls() -> None:
    text = (
        "entity user: int64 per request\nrequest { at: timestamp }\nfeature month = month(request.at)\n"
        "feature hour = hour(request.at) + month\nlet size = 3\nfeature sized = size([1, 2]) + size\n"
    )
    result = check("t.feat", overlay={"t.feat": text})
    assert result.diagnostics == ()
    assert result.program is not None
    assert [(f.name, str(f.value.type)) for f in result.program.features] == [
        ("month", "int64"),
        ("hour", "int64"),
        ("sized", "int64"),
    ]
