"""What is parsed, on texts that are nearly what they should be: the engine and Spark against the reference, and the
reference's JSON against Python's."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from featdsl.check import check
from featdsl.operators import json_text
from featdsl.program import CheckedProgram
from tests.conformance import engines
from tests.conformance.bits import exact
from tests.conformance.engines import native, reference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXPRESSIONS = {
    "numbers": [
        "parse_int(s)",
        "parse_float(s)",
        "parse_bool(s)",
        "parse_json_float(s)",
        "parse_json_int(s)",
    ],
    "times": [
        "parse_timestamp(s)",
        'parse_timestamp(s, zone: "America/New_York")',
        'parse_timestamp(s, "%Y-%m-%d %H:%M:%S%z")',
        'parse_timestamp(s, "%d.%m.%Y %H:%M:%S.%f", zone: "America/Sao_Paulo")',
        'format_timestamp(parse_timestamp(s) ?? timestamp_micros(-1), "%Y %m %d %H:%M:%S.%f %j %z", "Asia/Kolkata")',
    ],
    "json": [
        "parse_json(s)",
        'parse_json(s, "$.a")',
        'parse_json(s, "$.a[1].b")',
        'parse_json_list(s, "$.a")',
        'parse_json_bool(s, "$.a")',
        'parse_json_int(s, "$.b")',
        'format("{} {}", parse_json(s, "$[0]"), s)',
    ],
}
SEEDS = {
    "numbers": [
        "0",
        "-12",
        "+7.5",
        "1e10",
        "-.5E-3",
        "9223372036854775807",
        "1.7976931348623157e308",
        "5e-324",
        "true",
    ],
    "times": [
        "2024-02-29",
        "2024-03-10T02:30:00Z",
        "2018-11-04 00:10:59.123456789+05:30",
        "1999-12-31 23:59:59-0800",
        "29.2.2024 1:2:3.5",
    ],
    "json": [
        '{"a": [1, {"b": "x"}], "b": 5}',
        '[{"a": null}, true, -1.5e3, "\\ud83d\\ude00\\n"]',
        '{"a": true, "a": ["é", null, "", [2]]}',
        '{"a":{"b":[]},"\\u0061":[0,{"b":"\\\\"}]}',
    ],
}
PIECES = {
    "numbers": [
        "0",
        "1",
        "9",
        ".",
        "e",
        "-",
        "+",
        "E5",
        " ",
        "_",
        "inf",
        "nan",
        "00000000000000000000",
        "e400",
        "9" * 25,
    ],
    "times": ["0", "1", "2", "9", "-", ":", "T", " ", "Z", "+01", "+0130", ".", ".5", "-00", "60", "24"],
    "json": [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        "\\u0061",
        "\\ud83d",
        "null",
        "1",
        "0",
        "-",
        ".5",
        "e1",
        " ",
        "é",
        "\n",
    ],
}


def _text(rng: random.Random, group: str) -> str:
    text = rng.choice(SEEDS[group])
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + 2) if rng.random() < 0.8 else end
        text = text[:at] + rng.choice([*PIECES[group], "", text[at:end] * 2]) + text[end:]
    return text


def _rows(group: str, count: int) -> pa.Table:
    rng = random.Random(group)
    texts = [{"s": _text(rng, group)} for _ in range(count)]
    return pa.table({"user": [1] * count, "item": ["i"] * count, "request": texts})


def _program(group: str) -> CheckedProgram:
    lines = ["namespace texts", "entity user: int64 per request", "entity item: string per candidate"]
    lines.append("request { s: string }")
    lines += [
        f"def e{i}(s) = {text}\nfeature f{i} = e{i}(request.s)" for i, text in enumerate(EXPRESSIONS[group])
    ]
    result = check("texts.feat", overlay={"texts.feat": "\n".join(lines)}, nullable_features=True)
    assert result.program is not None, [(d.message, d.label) for d in result.diagnostics]
    return result.program


def _same(group: str, rows: pa.Table, got: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    found = [
        f"{text}: {got[f'f{i}'][row]!r}, not {expected[f'f{i}'][row]!r} for {rows['request'][row].as_py()['s']!r}"
        for i, text in enumerate(EXPRESSIONS[group])
        for row in range(rows.num_rows)
        if exact(got[f"f{i}"][row]) != exact(expected[f"f{i}"][row])
    ]
    assert not found, f"{len(found)} differ:\n" + "\n".join(found[:10])
    values = [value for column in expected.values() for value in column]
    assert any(value is None for value in values)
    assert sum(value is not None for value in values) > len(values) // 20


@pytest.mark.parametrize("group", EXPRESSIONS)
def test_engine_equals_reference(group: str) -> None:
    program, rows = _program(group), _rows(group, 3000)
    _same(group, rows, native(program, rows), reference(program, rows))


@pytest.mark.parametrize("group", EXPRESSIONS)
def test_spark_equals_reference(group: str, spark: SparkSession) -> None:
    program, rows = _program(group), _rows(group, 800)
    _same(group, rows, engines.spark(program, rows, spark), reference(program, rows))


def test_json_is_what_python_reads_strictly() -> None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    rng = random.Random(7)
    for _ in range(5000):
        text = _text(rng, "json")
        try:
            value = json.loads(text, parse_constant=refuse)
            json.dumps(value, ensure_ascii=False).encode()
            valid = True
        except ValueError:  # a lone surrogate does not encode
            valid = False
        assert (json_text.parsed(text) is not None) is valid, text


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("parse_int(s)", "0" * 1_000_000 + "5", 5),
        ("parse_int(s)", "9" * 1_000_000, None),
        ("parse_float(s)", "1" * 1_000_000 + "x", None),
        ("parse_float(s)", "0." + "0" * 1_000_000 + "1e1000001", 1.0),
        ("parse_float(s)", "1" + "0" * 1_000_000 + "e-1000000", 1.0),
        ("parse_json(s)", "[" * 1_000_000, None),
        ("parse_json(s)", '{"a":' * 1_000_000, None),
        ("parse_json(s)", '"' + "\\u0041" * 150_000 + '"', "A" * 150_000),
        ('size(parse_json_list(s, "$.a") ?? [])', '{"a": [' + "1," * 300_000 + "1]}", 300_001),
        ("parse_timestamp(s)", "2024-02-29" + " " * 1_000_000, None),
    ],
)
def test_long_texts(expression: str, text: str, expected: Any) -> None:
    lines = ["namespace long", "entity user: int64 per request", "request { s: string }"]
    lines.append(f"def e(s) = {expression}\nfeature f = e(request.s)")
    result = check("long.feat", overlay={"long.feat": "\n".join(lines)}, nullable_features=True)
    assert result.program is not None
    rows = pa.table({"user": [1], "request": [{"s": text}]})
    for engine in (native, reference):
        assert exact(engine(result.program, rows)["f"][0]) == exact(expected)
