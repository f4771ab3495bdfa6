"""The standard library: found without an import, never in the way, and told about in the program's own text."""

from __future__ import annotations

from featdsl.check import check
from featdsl.check.order import names_in, sorted_by_need
from featdsl.check.standard import standard_defs
from featdsl.diagnostics import Diagnostic
from featdsl.operators import OPERATORS
from tests.conformance.cases import EXAMPLE

HEAD = "entity user: int64 per request\nrequest { n: int64 s: string }\n"


def _mistakes(text: str) -> list[Diagnostic]:
    return list(check("a.feat", overlay={"a.feat": HEAD + text}, nullable_features=True).diagnostics)


def test_each_def_says_what_it_gives_and_shows_an_example() -> None:
    for name, declared in standard_defs().items():
        lines = declared.doc.split("\n")
        assert lines[0], name
        assert not lines[0].startswith(EXAMPLE), name
        assert any(line.startswith(EXAMPLE) for line in lines), name


def test_a_def_reads_its_parameters_alone_and_calls_what_is_there() -> None:
    defs = standard_defs()
    for name, declared in defs.items():
        parameters = {p.name.name for p in declared.parameters}
        for used, called in names_in(declared.body):
            assert (used in OPERATORS or used in defs) if called else used in parameters, (name, used)


def test_no_def_has_the_name_of_an_operator_and_none_calls_itself() -> None:
    defs = standard_defs()
    assert not set(defs) & set(OPERATORS)
    needs = {n: [u for u, called in names_in(d.body) if called and u in defs] for n, d in defs.items()}
    assert sorted_by_need(needs)[1] == []


def test_a_def_of_the_program_goes_before_one_of_the_library() -> None:
    program = check(
        "a.feat",
        overlay={"a.feat": HEAD + "def between(x, low) = x - low\nfeature a = between(request.n, 1)"},
    ).program
    assert program is not None
    assert program.features[0].value.op == "subtract"


def test_a_mistake_in_a_call_is_told_in_the_text_of_the_program() -> None:
    (mistake,) = _mistakes("feature a = between(request.s, 1, 2)")
    assert mistake.span.file.path == "a.feat"
    assert mistake.notes[0].message == "in the def `between` of the standard library"
    assert mistake.notes[0].span is not None
    assert mistake.notes[0].span.file.path == "featdsl/std.feat"


def test_a_name_that_is_nearly_one_of_the_library_is_proposed() -> None:
    (mistake,) = _mistakes("feature a = betwen(request.n, 1, 2)")
    assert mistake.help == "did you mean `between`?"


def test_a_parameter_may_have_a_default() -> None:
    text = "def scaled(x, by: int64 = 3) = x * by\nfeature a = scaled(request.n)\nfeature b = scaled(request.n, by: 4)"
    assert _mistakes(text) == []
    (mistake,) = _mistakes("def f(x, by = request.n) = x * by\nfeature a = f(request.n)")
    assert (mistake.code, mistake.message) == ("E0403", "a default is a constant: `by`")
    (mistake,) = _mistakes("def f(x, by: int64 = true) = x * by\nfeature a = f(request.n)")
    assert mistake.span.file.text[mistake.span.start : mistake.span.end] == "true"


def test_a_feature_may_have_the_name_of_the_def_that_it_calls() -> None:
    assert (
        _mistakes("feature median = median([request.n, 2])\nfeature std = std([1, median ?? 0.0]) ?? 0.0")
        == []
    )
