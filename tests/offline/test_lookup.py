"""Rows of small sources, looked up as of a time, against a plain search."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from offline.config import Table
from offline.lookup import Versions
from offline.small import MOST_BYTES, is_small
from offline.sources import AT, KEY, ROW

Row = tuple[Any, int, Any]
"""Key, time and what stands in the row."""


def versions(rows: list[Row], key: pa.DataType, timed: bool = True) -> Versions:
    """As they come from Spark: keys together (in any order), then by time; of ties the last one holds."""
    order = list(dict.fromkeys(k for k, _, _ in rows))
    rows = sorted(rows, key=lambda row: (order.index(row[0]), row[1]))
    columns: dict[str, pa.Array] = {
        KEY: pa.array([k for k, _, _ in rows], key),
        ROW: pa.array([None if n is None else {"n": n} for _, _, n in rows], pa.struct([("n", pa.int64())])),
    }
    if timed:
        columns[AT] = pa.array([at for _, at, _ in rows], pa.int64())
    return Versions.of(pa.table(columns))


def plain(rows: list[Row], key: Any, time: int) -> Any:
    held = [(at, place, n) for place, (k, at, n) in enumerate(rows) if k == key and at <= time]
    n = max(held, key=lambda one: one[:2])[2] if held else None
    return None if n is None else {"n": n}


@pytest.mark.parametrize("keys", [[7, 0, -(1 << 63), (1 << 63) - 1, 3], ["", "b", "Ü", "🙂", "ba"]])
@pytest.mark.parametrize("seed", range(3))
def test_a_row_holds_from_its_time_on(keys: list[Any], seed: int) -> None:
    """Ties, keys without rows, rows that come later than all samples, times at both ends of the range."""
    rng = random.Random(seed)
    type = pa.string() if isinstance(keys[0], str) else pa.int64()
    times = [-(1 << 63), -5, 0, 1, 2, 3, 9, (1 << 63) - 1]
    rows: list[Row] = [
        (rng.choice(keys[:4]), rng.choice(times), None if rng.random() < 0.1 else n) for n in range(30)
    ]
    asked = [
        (None if rng.random() < 0.2 else rng.choice(keys), rng.choice([*times, 4, -6])) for _ in range(200)
    ]
    found = versions(rows, type).held(
        pa.array([k for k, _ in asked], type), pa.array([at for _, at in asked], pa.int64())
    )
    assert found.to_pylist() == [plain(rows, *one) for one in asked]


def test_each_element_of_a_list_sees_its_row_then() -> None:
    rows: list[Row] = [("a", 1, 1), ("a", 5, 2), ("b", 3, 3), ("b", 3, 4)]
    keys = pa.array([["x"], ["a", "b", None, "a", "?"], [], None, ["b"], ["a"]], pa.list_(pa.string()))
    times = pa.array([9, 3, 9, 9, 2, 5], pa.int64())
    found = versions(rows, pa.string()).held(keys[1:], times[1:])
    one, four, two = {"n": 1}, {"n": 4}, {"n": 2}
    assert found.to_pylist() == [[one, four, None, one, None], [], [], [None], [two]]


def test_rows_without_a_time_always_hold() -> None:
    always = versions([(2, 0, 1), (1, 0, 2)], pa.int32(), timed=False)
    assert always.held(pa.array([1, None, 3, 2], pa.int64())).to_pylist() == [{"n": 2}, None, None, {"n": 1}]


@pytest.mark.parametrize("timed", [True, False])
def test_no_rows_at_all(timed: bool) -> None:
    empty = versions([], pa.string(), timed)
    times = [pa.array([1, 2], pa.int64())] if timed else []
    assert empty.held(pa.array(["a", None]), *times).to_pylist() == [None, None]
    assert empty.held(pa.array([["a"], []]), *times).to_pylist() == [[None], []]


def test_a_job_is_small_where_all_its_tables_are(tmp_path: Path) -> None:
    small, large = tmp_path / "a.parquet", tmp_path / "b.parquet"
    small.write_bytes(b"x")
    large.touch()
    with large.open("r+b") as file:
        file.truncate(MOST_BYTES)
    assert is_small([Table(str(small), "parquet"), Table(str(small), "parquet")])
    assert is_small([Table(str(large), "parquet")])
    assert not is_small([Table(str(small), "parquet"), Table(str(large), "parquet")])
    assert not is_small([Table(str(tmp_path), "parquet")])
    assert not is_small([Table(str(tmp_path / "*.parquet"), "parquet")])
    assert not is_small([Table("s3://bucket/a", "parquet")])
    assert not is_small([Table("catalog.a", "table")])
    assert not is_small([Table(str(tmp_path / "gone"), "csv")])
