"""hash and cross against the xxHash project's library and Spark's `xxhash64`, to the bit."""

from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from featdsl.operators.id import HASH_SEED, cross_ids, hash_value
from featdsl.operators.xxh64 import xxh64
from tests.operators.on_engine import run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INT64 = st.integers(-(2**63), 2**63 - 1)
STRINGS = [
    *("x" * n for n in range(70)), "", "naïve", "e\u0301", "日本語", "🙂", "\U0010ffff", "\0", "\0\0", "a\0b",
    "long " * 1000, "ς", "İ", "\ufeff", "\u200b", "\ud7ff\ue000",
]  # fmt: skip
INTEGERS = [0, 1, -1, 42, 2**31 - 1, -(2**31), 2**32, 2**53 + 1, 2**63 - 1, -(2**63), -(2**63) + 1]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**-1022, 1e22]


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def library(data: bytes, seed: int = HASH_SEED) -> int:
    return signed(xxhash.xxh64_intdigest(data, seed=seed % (1 << 64)))


def int_hash(value: int) -> int:
    return library(struct.pack("<q", value))


@given(st.binary(max_size=200), INT64)
def test_reference(data: bytes, seed: int) -> None:
    assert xxh64(data, seed) == library(data, seed)


@pytest.mark.parametrize("seed", [0, 42, -1, 2**63 - 1])
def test_reference_at_every_length(seed: int) -> None:
    data = random.Random(7).randbytes(300)
    for length in range(len(data)):
        assert xxh64(data[:length], seed) == library(data[:length], seed)


def test_engine_strings() -> None:
    rng = random.Random(7)
    texts = STRINGS + [
        "".join(chr(rng.choice((97, 233, 26085, 128578))) for _ in range(n)) for n in range(200)
    ]
    got = run(
        {
            "plain": "hash(request.s)",
            "seeded": "hash(request.s, seed: -7)",
            "folded": "hash(request.s, 1000)",
        },
        {"s": ("string", texts)},
    )
    assert got["plain"] == [library(s.encode()) for s in texts]
    assert got["seeded"] == [library(s.encode(), -7) for s in texts]
    assert got["folded"] == [1 + library(s.encode()) % 999 for s in texts]


def test_engine_numbers() -> None:
    rng = random.Random(7)
    integers = INTEGERS + [rng.randrange(-(2**63), 2**63) for _ in range(1000)]
    floats = (FLOATS + [math.ldexp(rng.uniform(-1, 1), rng.randrange(-1070, 1024)) for _ in range(1011)])[
        : len(integers)
    ]
    got = run(
        {"i": "hash(request.i)", "f": "hash(request.f)", "c": "cross(request.i, request.f, request.i)"},
        {"i": ("int64", integers), "f": ("float64", floats)},
    )
    float_hashes = [library(struct.pack("<d", f + 0.0)) for f in floats]
    assert got["i"] == [int_hash(i) for i in integers]
    assert got["f"] == float_hashes
    for i, f, chained in zip(integers, float_hashes, got["c"], strict=True):
        first = library(struct.pack("<q", int_hash(i)))
        second = library(struct.pack("<q", f), first)
        assert chained == library(struct.pack("<q", int_hash(i)), second)


def test_spark_gives_the_same(spark: SparkSession) -> None:
    columns: dict[str, list[Any]] = {
        "s": STRINGS,
        "i": INTEGERS,
        "f": [*FLOATS, math.inf, -math.inf, math.nan, -math.nan],
    }
    rows = max(map(len, columns.values()))
    table = pa.table(
        {name: [values[i % len(values)] for i in range(rows)] for name, values in columns.items()}
    )
    frame = spark.createDataFrame(table).coalesce(1)
    got = frame.selectExpr(
        "s", "i", "f",
        *(f"xxhash64({name}) as {name}_hash" for name in columns),
        *(f"xxhash64(xxhash64({name}), xxhash64('é'), xxhash64(7L)) as {name}_cross" for name in columns),
    ).toArrow()  # fmt: skip
    assert got.num_rows == rows
    others = [hash_value("é", HASH_SEED), hash_value(7, HASH_SEED)]
    for name in columns:
        hashes = [hash_value(value, HASH_SEED) for value in got[name].to_pylist()]
        assert got[f"{name}_hash"].to_pylist() == hashes
        assert got[f"{name}_cross"].to_pylist() == [cross_ids([code, *others]) for code in hashes]
