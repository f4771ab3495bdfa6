"""`farm64` against TensorFlow's fingerprints and `murmur3` against Spark's `hash`, to the bit."""

from __future__ import annotations

import hashlib
import math
import random
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featdsl.operators.farm64 import farm64
from featdsl.operators.murmur3 import murmur3
from featdsl.operators.xxh64 import signed
from tests.operators.on_engine import run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TENSORFLOW_DIGEST = "4e1eeca23b1a79282db51b4e20f5a05ebb2daaa134f46b6cbde5241e27e94cee"
"""SHA-256 of what `tf.raw_ops.Fingerprint` of TensorFlow 2.21 gives for `texts()`, as little-endian words."""


def texts() -> list[str]:
    """Texts of each length of 1 to 399 bytes, then longer ones, then of all planes of Unicode."""
    rng = random.Random(7)
    lengths = [*range(1, 400), *(rng.randrange(400, 5000) for _ in range(100)), 100_000]
    ascii = ["".join(map(chr, rng.choices(range(128), k=length))) for length in lengths]
    letters = (97, 233, 26085, 128578, 0x10FFFF)
    return ascii + ["".join(map(chr, rng.choices(letters, k=rng.randrange(1, 80)))) for _ in range(500)]


def test_farm64_is_tensorflows() -> None:
    codes = [farm64(text.encode()) for text in texts()]
    assert hashlib.sha256(struct.pack(f"<{len(codes)}Q", *codes)).hexdigest() == TENSORFLOW_DIGEST


def test_farm64_of_the_engine() -> None:
    rows = ["", *texts()]
    got = run(
        {
            "whole": 'hash(request.s, algorithm: "farm64")',
            "folded": 'hash(request.s, 999, algorithm: "farm64")',
        },
        {"s": ("string", rows)},
    )
    assert got["whole"] == [signed(farm64(text.encode())) for text in rows]
    assert got["folded"] == [1 + farm64(text.encode()) % 998 for text in rows]


COLUMNS = ("s", "i", "l", "f", "d", "b")


def murmur3_columns() -> dict[str, list[Any]]:
    rng = random.Random(7)
    strings = ["", *texts()]
    doubles = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1e-310]
    doubles += [math.ldexp(rng.uniform(-1, 1), rng.randrange(-1070, 1024)) for _ in strings[len(doubles) :]]
    wild = [value if abs(value) < 3e38 else 0.0 for value in doubles]
    return {
        "s": strings,
        "i": [rng.randrange(-(2**31), 2**31) for _ in strings],
        "l": [rng.randrange(-(2**63), 2**63) >> rng.randrange(64) for _ in strings],
        "f": [struct.unpack("<f", struct.pack("<f", value))[0] for value in wild],
        "d": doubles,
        "b": [rng.random() < 0.5 for _ in strings],
    }


def test_murmur3_is_sparks(spark: SparkSession) -> None:
    columns = murmur3_columns()
    types = [pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()]
    table = pa.table(
        [pa.array(columns[name], type) for name, type in zip(COLUMNS, types, strict=True)], names=COLUMNS
    )
    folded = (f"pmod(hash({name}), 999L) as {name}_folded" for name in COLUMNS)
    frame = spark.createDataFrame(table).coalesce(1)
    got = frame.selectExpr(*(f"hash({name}) as {name}" for name in COLUMNS), *folded).toArrow()
    for name in COLUMNS:
        width = 32 if name in ("i", "f") else 64
        assert got[name].to_pylist() == [murmur3(value, 42, width) for value in columns[name]]
        assert got[f"{name}_folded"].to_pylist() == [murmur3(v, 42, width) % 999 for v in columns[name]]


def test_murmur3_of_the_engine() -> None:
    columns = murmur3_columns()
    del columns["d"][2:5], columns["f"][2:5]  # a row holds no value that is not finite
    count = min(map(len, columns.values()))
    declared = dict(zip(COLUMNS, ("string", "int32", "int64", "float32", "float64", "bool"), strict=True))
    got = run(
        {name: f'hash(request.{name}, algorithm: "murmur3")' for name in COLUMNS}
        | {f"{name}_seeded": f'hash(request.{name}, algorithm: "murmur3", seed: -7)' for name in COLUMNS},
        {name: (type, columns[name][:count]) for name, type in declared.items()},
    )
    for name in COLUMNS:
        width = 32 if name in ("i", "f") else 64
        assert got[name] == [murmur3(value, 42, width) for value in columns[name][:count]]
        assert got[f"{name}_seeded"] == [murmur3(value, -7, width) for value in columns[name][:count]]
