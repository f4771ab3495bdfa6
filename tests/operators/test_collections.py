"""Lists, sets, texts: the engine against the references, on random values of every size."""

from __future__ import annotations

import random
from typing import Any

import pytest

from featdsl.operators.declare import OPERATORS
from tests.conformance.programs import exact
from tests.operators.on_engine import run

ROWS = 400
RNG = random.Random(7)

SCALARS: dict[str, Any] = {
    "int64": lambda: RNG.choice([0, 1, -1, 2**63 - 1, -(2**63), RNG.randrange(-40, 40)]),
    "float64": lambda: RNG.choice([0.0, -0.0, 1.5, 1e300, 5e-324, RNG.randrange(-40, 40) / 4]),
    "string": lambda: RNG.choice(["", "a", "A", "é", "e\u0301", "🙂", f"word {RNG.randrange(60)}"]),
    "bool": lambda: RNG.random() < 0.5,
}
SIZES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 18, 40, 150]


def _lists(type: str) -> list[list[Any]]:
    return [[SCALARS[type]() for _ in range(RNG.choice(SIZES))] for _ in range(ROWS)]


def _reference(name: str, rows: Any, **constants: Any) -> list[Any]:
    return [OPERATORS[name].reference(*row, **constants) for row in rows]


@pytest.mark.parametrize("type", list(SCALARS))
def test_lists(type: str) -> None:
    a, b = _lists(type), _lists(type)
    x = [SCALARS[type]() for _ in range(ROWS)]
    i = [RNG.randrange(-20, 20) for _ in range(ROWS)]
    fill = {"int64": 0, "float64": 0.0, "string": "", "bool": False}[type]
    got = run(
        {
            "size_": "size(request.a)",
            "first_": "first(request.a)",
            "last_": "last(request.a)",
            "at_": "at(request.a, request.i)",
            "take_": "take(request.a, 9)",
            "pad_": "pad(request.a, 12)",
            "distinct_": "distinct(request.a)",
            "contains_": "contains(request.a, request.x)",
            "concat_": "concat(request.a, request.b)",
            "overlap": "overlap_count(request.a, request.b)",
            "jaccard_": "jaccard(request.a, request.b)",
            "ids": "cross(take(request.a, 5), request.x, take(request.b, 4))",
        },
        {
            "a": (f"list<{type}>", a),
            "b": (f"list<{type}>", b),
            "x": (type, x),
            "i": ("int64", i),
        },
    )
    pairs = list(zip(a, b, strict=True))
    hashed = [
        ([_id(v) for v in first[:5]], [_id(v)], [_id(w) for w in second[:4]])
        for (first, second), v in zip(pairs, x, strict=True)
    ]
    one = [(values,) for values in a]
    wanted = {
        "size_": _reference("size", one),
        "first_": _reference("first", one),
        "last_": _reference("last", one),
        "at_": _reference("at", zip(a, i, strict=True)),
        "take_": _reference("take", one, n=9),
        "pad_": _reference("pad", one, n=12, fill=fill),
        "distinct_": _reference("distinct", one),
        "contains_": _reference("contains", zip(a, x, strict=True)),
        "concat_": _reference("concat", pairs),
        "overlap": _reference("overlap_count", pairs),
        "jaccard_": _reference("jaccard", pairs),
        "ids": _reference("cross", hashed),
    }
    for name, values in wanted.items():
        assert exact(got[name]) == exact(values), name


def _id(value: Any) -> int:
    return int(OPERATORS["hash"].reference(value, seed=42))


@pytest.mark.parametrize("type", ["int64", "float64"])
def test_sums(type: str) -> None:
    a = _lists(type)
    got = run({"total": "sum(request.a)", "average": "mean(request.a)"}, {"a": (f"list<{type}>", a)})
    zero = 0 if type == "int64" else 0.0
    assert exact(got["total"]) == exact([OPERATORS["sum"].reference(v) if v else zero for v in a])
    assert exact(got["average"]) == exact([OPERATORS["mean"].reference(v) for v in a])


def test_texts() -> None:
    def text() -> str:
        return "".join(RNG.choice(["a", "b", "ab", "é", "🙂", "|", " "]) for _ in range(RNG.randrange(12)))

    s = [text() for _ in range(ROWS)]
    p = [text()[: RNG.randrange(3)] for _ in range(ROWS)]
    got = run(
        {
            "starts": "starts_with(request.s, request.p)",
            "ends": "ends_with(request.s, request.p)",
            "within": "contains(request.s, request.p)",
            "parts": 'split(request.s, "ab")',
            "all_parts": 'split(words(request.s), "a") |> size',
            "joined": "concat(request.s, request.p, request.s)",
        },
        {"s": ("string", s), "p": ("string", p)},
    )
    assert got["starts"] == [a.startswith(b) for a, b in zip(s, p, strict=True)]
    assert got["ends"] == [a.endswith(b) for a, b in zip(s, p, strict=True)]
    assert got["within"] == [b in a for a, b in zip(s, p, strict=True)]
    assert got["parts"] == [a.split("ab") for a in s]
    assert got["joined"] == [a + b + a for a, b in zip(s, p, strict=True)]
