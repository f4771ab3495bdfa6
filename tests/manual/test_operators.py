"""`feat explain OPERATOR`, and what the manual takes from a declaration."""

from __future__ import annotations

import json

import pytest

from featdsl.cli.main import main
from featdsl.manual.operators import entries, written


def test_explain_shows_an_operator(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "jaccard"]) == 0
    assert capsys.readouterr().out == (
        "jaccard  (family set)\n\n"
        "    jaccard(a: list<S>, b: list<S>) -> float64\n\n"
        "The number of distinct values in both lists, divided by the number of distinct values in either;\n"
        "0.0 if both are empty. -0.0 is 0.0, and NaN is one value. Null gives null.\n\n"
        "examples\n"
        "    jaccard([1, 2, 2], [2, 3])  ->  0.3333333333333333\n"
        "    jaccard([], [])             ->  0.0\n\n"
        "null: spreads\n"
        "Spark: column\n"
    )


def test_explain_finds_an_operator_by_its_symbol(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "??", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["signatures"]) == ("coalesce", ["(value: T?) ?? (other: T) -> T"])
    assert {"expression": "null ?? 3", "result": "3"} in found["examples"]


def test_explain_shows_a_def_of_the_standard_library(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "between"]) == 0
    shown = capsys.readouterr().out
    assert "between  (a def of the standard library)\n\n    def between(x, low, high) = " in shown
    assert "Whether a value lies between two others, both ends included." in shown
    assert "between(3, 1, 5)        ->  true" in shown


def test_explain_an_unknown_operator(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "jacard"]) == 1
    assert capsys.readouterr().err == (
        "error: there is no such file, operator or code: jacard\nhelp: did you mean jaccard?\n"
    )


def test_every_operator_says_what_it_does() -> None:
    for entry in entries().values():
        assert entry.summary
        assert entry.signatures


def test_overloads_that_differ_in_one_type_are_one_line() -> None:
    known = entries()
    assert known["bool"].signatures == ("bool(x: bool | int64 | float64) -> bool",)
    assert known["lookup"].signatures[0] == "lookup(x: (string | int64)?, vocab: const vocab) -> int64"
    assert known["less"].signatures[0] == "(a: int64) < (b: int64) -> bool"


def test_fall_backs_are_told_with_their_reason() -> None:
    lower, hash = entries()["lower"], entries()["hash"]
    assert (lower.spark, "Unicode" in lower.spark_reason) == ("engine", True)
    assert (hash.spark, "seed" in hash.spark_reason) == ("column, some uses engine", True)


def test_values_are_written_as_in_the_language() -> None:
    value = [None, True, -0.0, float("inf"), 'a"b\n', {"k": [1]}]
    assert written(value) == '[null, true, -0.0, inf, "a\\"b\\n", {"k": [1]}]'
