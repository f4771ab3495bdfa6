"""The engine and Spark against the reference on many rows of nasty values, beyond what a case says."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from featdsl.check import check
from featdsl.program import CheckedProgram
from tests.conformance import engines
from tests.conformance.engines import native, reference
from tests.conformance.programs import exact

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROGRAM = """
namespace nasty
entity user: int64 per request
entity item: string per candidate
request { a: int64 b: int64 x: float64 y: float64 f: float32? p: bool? q: bool? t: timestamp s: string r: string
  n: int64? xs: list<float64> ns: list<int64> }
"""

EXPRESSIONS = {
    "integers": """a + b; a - b; a * b; a // b; a % b; -a; abs(a); a // 7; a % -7; min(a, b); max(a, b, 3);
        clip(a, -5, b); (a + n) * b; n ?? a; a == b; a < b; a >= b; a in [0, 1, -1]""",
    "floats": """x + y; x - y; x * y; x / y; -x; abs(x); a / b; a + x; min(x, y); max(x, y, 0.0); clip(x, -1.0, y);
        round(x); floor(x); ceil(x); x == y; x < y; x <= a; x * y + x; f + x""",
    "functions": """sqrt(x); exp(x); log(x); log1p(x); x ** y; pow(x, 3); x ** 0.5; sigmoid(x); exp(y / 1e3);
        log(abs(x)); log1p(exp(y)); abs(y) ** x; sigmoid(y); y ** a""",
    "trigonometry": """sin(x); cos(x); tan(x); sin(y * 1e6); asin(x); acos(x / 20.0); atan(x); atan2(x, y); hypot(x, y);
        sinh(x); cosh(x); tanh(x); atan2(y, 0.0); hypot(x, a); tan(xs); asin(xs); tanh(x / 20.0)""",
    "more functions": """expm1(x); log2(x); log10(x); cbrt(x); sign(x); sign(a); trunc(x); rint(x);
        round(x, digits: 0);
        round(x, digits: 2); round(y, digits: 7); expm1(x / 20.0); log2(abs(a)); sign(x / y); trunc(y / 3.0);
        zscore(x, mean: 0.1, std: 7.3); minmax(y, low: -3, high: 20.5); minmax(x, low: -3, high: 20.5, clip: true)""",
    "logic": """p and q; p or q; not p; if p then a else b; if p then x else n; p ?? q; is_null(n); x in xs;
        if q then s else r; s < r; s == r; max(s, r); if p and x > y then xs else []""",
    "casts": """bool(a); bool(x); int32(a); int32(x); int64(x); float32(a); float32(x); float64(a); string(a);
        string(x); string(f); string(p); int64(t); string(x / y); float32(y); int64(y)""",
    "numeric": """bucketize(a, [-100, -1, 0, 1, 2, 3, 1000]); bucketize(x, [-1.5, 0.0, 0.5, 1e300]);
        bucketize(x, [-1, 0, 1], right: true); bucketize(ns, [0, 5]); bucketize(y / 0.5, [0.25], right: true)""",
    "scales": """log_scale(x); log_scale(f, threshold: -1.0, default: 0.5); signed_log1p(x); cyclic(y / 20.0, 7);
        log_bucketize(x, 2, 40, start: 0.1); log_bucketize(a, 10, 12); one_hot(a, 5); one_hot(n, 2);
        haversine(x, y, x / 2.0, y * 3.0); haversine(y, x * 9.0, 45.5, -0.125); geohash(x, y, 12);
        geohash(y, x * 9.0, 5);
        cyclic_sin(x, 7.5); degrees(x); radians(y); log_scale(xs); signed_log1p(xs); log_bucketize(xs, 3, 5)""",
    "time": """t + a; t - a; t - t; days(a); timestamp_seconds(a); timestamp_millis(b);
        year(t); month(t); day(t); hour(t); minute(t); weekday(t);
        year(t, zone: "America/New_York"); month(t, zone: "America/New_York"); day(t, zone: "Asia/Kolkata");
        hour(t, zone: "America/New_York"); weekday(t, zone: "Pacific/Kiritimati")""",
    "more time": """second(t); millisecond(t); day_of_year(t); week_of_year(t); quarter(t); days_in_month(t); weeks(a);
        milliseconds(a); timestamp_micros(a); date(year(t), month(t), day(t)); date(a, b, n);
        date(1900 + a % 300, 1, b);
        date(1900 + a % 300, b % 12 + 1, n % 31 + 1, zone: "America/Sao_Paulo"); week_of_year(t, zone: "Asia/Kolkata");
        day_of_year(t, zone: "America/New_York"); truncate(t, "second"); truncate(t, "hour"); truncate(t, "day");
        truncate(t, "week"); truncate(t, "month"); truncate(t, "quarter"); truncate(t, "year");
        truncate(t, "hour", zone: "America/Sao_Paulo"); truncate(t, "day", zone: "America/Sao_Paulo");
        truncate(t, "week", zone: "Etc/GMT+5"); truncate(t, "month", zone: "America/Toronto")""",
    "lists": """xs + y; xs / x; ns // b; min(xs); max(ns); log(xs); xs > y; string(xs); ns in [0, 1]""",
}

_FLOATS = [
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    1.0,
    -1.0,
    0.1,
    5e-324,
    1.7976931348623157e308,
    2.0**52 + 0.5,
    1e16,
    1e-5,
]
_INTEGERS = [0, 1, -1, 2, 7, -7, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63), 10**9]
_STRINGS = ["", "a", "A", "é", "e\u0301", "\uffff", "\U00010000", "a\0b", "ab"]


def _float(rng: random.Random) -> float:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(_FLOATS)
    if kind == 1:
        bits: float = struct.unpack("<d", rng.randbytes(8))[0]
        return bits if abs(bits) < float("inf") else 3.0
    return rng.gauss(0, 20) if kind == 2 else round(rng.gauss(0, 5)) * 0.5


def _integer(rng: random.Random) -> int:
    kind = rng.randrange(3)
    if kind == 0:
        return rng.choice(_INTEGERS)
    return rng.randrange(-(2**63), 2**63) if kind == 1 else rng.randrange(-20, 20)


def _row(rng: random.Random) -> dict[str, Any]:
    return {
        "a": _integer(rng),
        "b": _integer(rng),
        "x": _float(rng),
        "y": _float(rng),
        "f": rng.choice([None, struct.unpack("<f", struct.pack("<f", rng.gauss(0, 5)))[0]]),
        "p": rng.choice([None, True, False]),
        "q": rng.choice([None, True, False]),
        "t": _integer(rng) if rng.random() < 0.5 else rng.randrange(-(10**16), 4 * 10**15),
        "s": rng.choice(_STRINGS),
        "r": rng.choice(_STRINGS),
        "n": rng.choice([None, _integer(rng)]),
        "xs": [_float(rng) for _ in range(rng.randrange(4))],
        "ns": [_integer(rng) for _ in range(rng.randrange(4))],
    }


_STRUCT = pa.struct(
    [(name, pa.int64()) for name in ("a", "b", "t", "n")]
    + [(name, pa.float64()) for name in ("x", "y")]
    + [(name, pa.bool_()) for name in ("p", "q")]
    + [(name, pa.string()) for name in ("s", "r")]
    + [("f", pa.float32()), ("xs", pa.list_(pa.float64())), ("ns", pa.list_(pa.int64()))]
)


@pytest.mark.parametrize("group", EXPRESSIONS)
def test_engine_equals_reference(group: str) -> None:
    program = _program(group)
    rows = _rows(group, 1500)
    _same(group, rows, native(program, rows), reference(program, rows))


@pytest.mark.parametrize("group", EXPRESSIONS)
def test_spark_equals_reference(group: str, spark: SparkSession) -> None:
    program = _program(group)
    rows = _rows(group, 500)
    _same(group, rows, engines.spark(program, rows, spark), reference(program, rows))


def _expressions(group: str) -> list[str]:
    return [text.strip() for text in EXPRESSIONS[group].split(";")]


def _program(group: str) -> CheckedProgram:
    names = _STRUCT.names
    lines = []
    for i, expression in enumerate(_expressions(group)):
        lines.append(f"def e{i}({', '.join(names)}) = {expression}")
        lines.append(f"feature f{i} = e{i}({', '.join(f'request.{name}' for name in names)})")
    result = check("nasty.feat", overlay={"nasty.feat": PROGRAM + "\n".join(lines)}, nullable_features=True)
    assert result.program is not None, [(d.message, d.label) for d in result.diagnostics]
    return result.program


def _rows(group: str, count: int) -> pa.Table:
    rng = random.Random(group)
    return pa.table(
        {
            "user": pa.array([1] * count, pa.int64()),
            "item": pa.array(["i"] * count),
            "request": pa.array([_row(rng) for _ in range(count)], _STRUCT),
        }
    )


def _same(group: str, rows: pa.Table, got: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    found = [
        f"{expression}: {got[f'f{i}'][row]!r}, not {expected[f'f{i}'][row]!r} for {rows['request'][row].as_py()}"
        for i, expression in enumerate(_expressions(group))
        for row in range(rows.num_rows)
        if exact(got[f"f{i}"][row]) != exact(expected[f"f{i}"][row])
    ]
    assert not found, f"{len(found)} differ:\n" + "\n".join(found[:10])
