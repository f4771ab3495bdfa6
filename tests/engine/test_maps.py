"""One map beside many keys, as a user's is beside a call's items: each found by itself, and for a list."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from engine import Program
from tests.engine.arrow_rows import batch, run
from tests.engine.program_file import ProgramFile, Ref

ALL = "ALL"
TEXTS = ["", "a", "b", "é", "🙂", "a" * 15, "a" * 16, "a" * 17, "b" * 40, "b" * 39 + "c", ALL, "rest"]
OTHERWISE = -1.5


def get(file: ProgramFile, of: Ref, key: Ref) -> Ref:
    return file.call("get", "float64?", [of, key])


def match(file: ProgramFile, of: Ref, key: Ref, inner: Ref, wildcard: str | None = None) -> Ref:
    attributes = {}
    if wildcard is not None:
        attributes = {
            "wildcard": file.constant(wildcard, "string"),
            "combiner": file.constant("sum", "string"),
        }
    return file.call("match", "float64?", [of, key, inner], attributes)


class Questions:
    """A program that asks a map `m`, and a map of maps `n`, in all ways: `found` is a list of what is found, with
    numbers among it; with `apart`, each is an output too, so that nothing is found for the list alone."""

    def __init__(self, *, apart: bool) -> None:
        file = ProgramFile()
        m = file.input("m", "map<string, float32>?")
        n = file.input("n", "map<string, map<string, float32>>?")
        j, k = file.input("j", "string?"), file.input("k", "string?")
        x = file.input("x", "float64")
        fixed = file.constant(ALL, "string")
        zero = file.constant(OTHERWISE, "float64")
        asked = [
            get(file, m, k),
            match(file, n, j, k),
            get(file, m, fixed),
            match(file, n, fixed, k),
            match(file, n, j, fixed),
            match(file, n, j, k, ALL),
        ]
        filled = [file.call("coalesce", "float64", [one, zero]) for one in asked]
        for place, one in enumerate(asked if apart else []):
            file.output(f"asked{place}", "float64?", one)
        elements = [x, *filled[:3], x, *filled[3:]]
        found = file.call("list", f"vector<float64, {len(elements)}>", elements)
        file.output("found", f"vector<float32, {len(elements)}>", found, finite=True)
        self._program = Program(bytes(file))
        self._apart = apart

    def ask(self, m: Any, n: Any, js: Sequence[Any], ks: Sequence[Any]) -> list[list[float]]:
        """The elements of `found`, without `x`."""
        of_request = batch(
            {"m": ("map<string, float32>?", [m]), "n": ("map<string, map<string, float32>>?", [n])}
        )
        of_items = batch(
            {
                "j": ("string?", list(js)),
                "k": ("string?", list(ks)),
                "x": ("float64", list(map(float, range(len(ks))))),
            }
        )
        made = self._program.run([of_request, of_items], len(ks))
        found = made.values("found")
        for row, elements in enumerate(found):
            assert elements[0] == elements[4] == float(row)
        kept = [elements[1:4] + elements[5:] for elements in found]
        if self._apart:
            columns = [made.values(f"asked{place}") for place in range(6)]
            by_row = [
                [OTHERWISE if value is None else value for value in row] for row in zip(*columns, strict=True)
            ]
            assert kept == by_row
        return kept


def expected(m: Any, n: Any, j: str | None, k: str | None) -> list[float]:
    of = dict(m or [])
    nested = {key: dict(inner) for key, inner in n or []}

    def matched(outer: str | None, inner: str | None) -> float:
        return OTHERWISE if outer is None or inner is None else nested.get(outer, {}).get(inner, OTHERWISE)

    wild = matched(j, k)
    if j is not None and k is not None and ALL in (j, k):
        all_of = [
            value
            for outer, inners in nested.items()
            if j in (ALL, outer)
            for inner, value in inners.items()
            if k in (ALL, inner)
        ]
        wild = sum(all_of) if all_of else OTHERWISE
    alone = OTHERWISE if k is None else of.get(k, OTHERWISE)
    return [alone, matched(j, k), of.get(ALL, OTHERWISE), matched(ALL, k), matched(j, ALL), wild]


def some(rng: random.Random, most: int) -> list[str]:
    return rng.sample(TEXTS, rng.randint(0, min(most, len(TEXTS))))


def drawn(rng: random.Random, rows: int) -> tuple[Any, Any, list[Any], list[Any]]:
    def number() -> float:
        return rng.randint(-8, 8) / 4

    m = [(key, number()) for key in some(rng, 12)]
    n = [(outer, [(key, number()) for key in some(rng, 12)]) for outer in some(rng, 6)]
    keys = [*TEXTS, None, None]
    js, ks = rng.choices(keys[: rng.randint(1, 14)], k=rows), rng.choices(keys, k=rows)
    return (m if rng.random() > 0.1 else None), (n if rng.random() > 0.1 else None), js, ks


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_what_is_found(rows: int, apart: bool) -> None:
    questions = Questions(apart=apart)
    rng = random.Random(rows)
    for _ in range(150):
        m, n, js, ks = drawn(rng, rows)
        wanted = [expected(m, n, j, k) for j, k in zip(js, ks, strict=True)]
        assert questions.ask(m, n, js, ks) == wanted, (m, n, js, ks)


def test_a_map_that_is_large_beside_few_keys() -> None:
    questions = Questions(apart=False)
    m = [(f"key{number}", float(number)) for number in range(3_000)]
    n = [(f"key{number}", m[number : number + 5]) for number in range(500)]
    ks = ["key0", "key2999", "none", "key17", None, "key4"]
    js = ["key0", "key499", "key1", "key13", "key5", None]
    wanted = [expected(m, n, j, k) for j, k in zip(js, ks, strict=True)]
    assert questions.ask(m, n, js, ks) == wanted


def test_many_rows_of_one_key() -> None:
    questions = Questions(apart=False)
    m = [(f"key{number}", float(number)) for number in range(40)]
    n = [(f"key{number}", [("same", float(number)), (f"key{number}", 0.5)]) for number in range(300)]
    js = [f"key{row % 300}" for row in range(600)]
    ks = ["same" if row % 2 else f"key{row % 7}" for row in range(600)]
    wanted = [expected(m, n, j, k) for j, k in zip(js, ks, strict=True)]
    assert questions.ask(m, n, js, ks) == wanted


def test_more_rows_than_are_looked_among() -> None:
    questions = Questions(apart=False)
    m, n, js, ks = drawn(random.Random(3), 70_000)
    answers = {pair: expected(m, n, *pair) for pair in set(zip(js, ks, strict=True))}
    assert questions.ask(m, n, js, ks) == [answers[pair] for pair in zip(js, ks, strict=True)]


def test_maps_of_many_rows_are_widened_once_and_not_for_each_question() -> None:
    """As joined rows have them: 3,000 times what they hold as float64 would be more than a call's memory."""
    file = ProgramFile()
    m = file.input("m", "map<string, float32>")
    last, zero = file.constant("key17999", "string"), file.constant(0.0, "float64")
    asked = [file.call("coalesce", "float64", [get(file, m, last), zero]) for _ in range(3_000)]
    file.output("found", "vector<float32, 3000>", file.call("list", "vector<float64, 3000>", asked))
    maps = [[(f"key{number}", 0.5) for number in range(18_000)]] * 10
    found = run(bytes(file), {"m": ("map<string, float32>", maps)}, 10)["found"]
    assert found == [[0.5] * 3_000] * 10


def test_a_null_number_beside_what_is_found_makes_the_list_null() -> None:
    file = ProgramFile()
    m, k, x = file.input("m", "map<string, float64>"), file.input("k", "string"), file.input("x", "float64?")
    zero = file.constant(0.0, "float64")
    filled = file.call("coalesce", "float64", [get(file, m, k), zero])
    file.output("found", "vector<float64, 2>?", file.call("list", "vector<float64, 2>?", [filled, x]))
    columns: dict[str, tuple[str, list[Any]]] = {
        "m": ("map<string, float64>", [[("a", 2.0)]] * 3),
        "k": ("string", ["a", "b", "a"]),
        "x": ("float64?", [1.0, 2.0, None]),
    }
    assert run(bytes(file), columns, 3)["found"] == [[2.0, 1.0], [0.0, 2.0], None]
