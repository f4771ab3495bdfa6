"""Random programs: what the checker infers holds for the values, and no text makes it fail."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from featdsl.check import check
from featdsl.check.nodes import Nodes
from featdsl.operators import OPERATORS
from featdsl.rendering import as_text
from featdsl.types import Kind, Type

MOVIES = (Path(__file__).parent / "fixtures" / "movies" / "movies.feat").read_text()
LEAVES = (
    '1|2.5|0|-1|7|"a"|"b c"|null|true|false|[]|[1,2]|[1.5,-2]|["a","b"]|[true]|v|"UTC"|9223372036854775807|0.0'
    '|timestamp_seconds(3)|hash("a")'
).split("|")
SYMBOLS = "+ - * / // % ** == != < <= > >= in and or ??".split()
INT64 = range(-(1 << 63), 1 << 63)
INT32 = range(-(1 << 31), 1 << 31)


def expression(chance: random.Random, depth: int) -> str:
    def inner() -> str:
        return expression(chance, depth - 1)

    kind = chance.random() if depth else 0.0
    if kind < 0.15:
        return chance.choice(LEAVES)
    if kind < 0.45:
        return f"({inner()} {chance.choice(SYMBOLS)} {inner()})"
    if kind < 0.55:
        return f"(if {inner()} then {inner()} else {inner()})"
    if kind < 0.6:
        return f"[{inner()}, {inner()}]"
    operator = OPERATORS[chance.choice([n for n in OPERATORS if n not in ("if", "in", "and", "or", "not")])]
    parameters = chance.choice(operator.signatures).parameters
    return f"{operator.name}({', '.join(inner() for _ in parameters)})"


def has_type(value: Any, wanted: Type) -> bool:
    if value is None:
        return wanted.nullable
    kind = wanted.kind
    if kind is Kind.BOOL:
        return isinstance(value, bool)
    if kind in (Kind.INT32, Kind.INT64, Kind.ID, Kind.TIMESTAMP):
        return type(value) is int and value in (INT32 if kind is Kind.INT32 else INT64)
    if kind in (Kind.FLOAT32, Kind.FLOAT64):
        return isinstance(value, float)
    if kind is Kind.STRING:
        return isinstance(value, str)
    size_fits = kind is Kind.LIST or (kind is Kind.VECTOR and len(value) == wanted.size)
    return isinstance(value, tuple) and size_fits and all(has_type(v, wanted.item) for v in value)


def test_values_have_the_type_that_is_inferred() -> None:
    chance = random.Random(20260101)
    seen = 0
    for _ in range(16):
        lines = [f"feature f{i} = {expression(chance, 3)}" for i in range(150)]
        head = 'vocab v from "v.txt"'
        wrong = set()
        result = check(
            "t.feat", overlay={"t.feat": "\n".join([head, *lines]), "v.txt": "1\n2"}, nullable_features=True
        )
        for d in result.diagnostics:
            if d.severity == "error":
                wrong.add(d.span.file.position(d.span.start)[0] - 2)
        right = [line for i, line in enumerate(lines) if i not in wrong]
        result = check(
            "t.feat", overlay={"t.feat": "\n".join([head, *right]), "v.txt": "1\n2"}, nullable_features=True
        )
        assert result.program is not None
        for feature, line in zip(result.program.features, right, strict=True):
            value = Nodes().value_of(feature.value)
            assert has_type(value, feature.value.type), (line, str(feature.value.type), value)
            seen += 1
    assert seen >= 300


def test_no_text_makes_it_fail() -> None:
    chance = random.Random(7)
    tokens = re.findall(r"\w+|[^\w\s]+|\s+", MOVIES)
    for _ in range(150):
        text = list(tokens)
        for _ in range(chance.randint(1, 4)):
            i = chance.randrange(len(text))
            text[i : i + chance.randint(0, 3)] = [chance.choice(tokens)] * chance.randint(0, 2)
        overlay = {"t.feat": "".join(text), "common.feat": "", "vocab/genres.txt": "a\n"}
        result = check("t.feat", overlay=overlay)
        as_text(result.diagnostics)
        assert (result.program is None) == any(d.severity == "error" for d in result.diagnostics)
