"""Programs over real, messy feature tables: engine and Spark columns give what the reference gives, to the bit."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.bundle import Bundle, build
from compiler.native.rows import run_rows as run_native
from compiler.reference.run import run_rows as run_reference
from compiler.spark.transform import transform
from tests.conformance.engines import columns
from tests.conformance.programs import exact

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parent
DATA = Path(os.environ.get("FEATDSL_DATA", HERE.parents[2] / "shared" / "data"))
ROWS, REFERENCE_ROWS = 4_000, 400

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason="the real tables lie beside a checkout of the team's, or where $FEATDSL_DATA says",
)


def books(draw: random.Random) -> pa.Table:
    """Readers are made up: each has read some of the books, in the authors' languages."""
    table = pq.read_table(DATA / "goodbooks_books" / "items.parquet")
    by_id = {row["book_id"]: row for row in table.to_pylist()}
    known = list(by_id)
    rows = []
    for number in range(ROWS):
        book = draw.choice([*known[:2_000], -1]) if number % 3 else draw.choice(known)
        history = [draw.choice([*known[:500], -7]) for _ in range(draw.randrange(25))]
        read = [by_id[b] for b in history if b in by_id]
        shelf = {
            "last_books": history,
            "languages": [r["language_code"] for r in read[:4]],
            "authors": [author for r in read for author in r["authors"]],
            "query": draw.choice([None, "", "the", *(r["title"] for r in read)]),
        }
        rows.append(
            {
                "reader": number,
                "book": book,
                "shelf": shelf if number % 11 else None,
                "book_row": by_id.get(book),
                "read": [by_id.get(b) for b in history[:20]] if number % 11 else [],
                "request": {"at": 1_600_000_000_000_000 + number},
            }
        )
    row = pa.struct(list(table.schema))
    types = {"book_row": row, "read": pa.list_(row)}
    return pa.table({name: pa.array([r[name] for r in rows], types.get(name)) for name in rows[0]})


def videos(draw: random.Random) -> pa.Table:
    users = pq.read_table(DATA / "kuairand_features" / "users.parquet")
    items = pq.read_table(DATA / "kuairand_features" / "items.parquet")
    return _pairs(draw, ("viewer", "account", users), ("video", "clip_row", items))


def _pairs(draw: random.Random, *sides: tuple[str, str, pa.Table]) -> pa.Table:
    """Random rows of two tables beside each other, one in ten missing; keys are the first columns."""
    made: dict[str, pa.Array] = {}
    for key, source, table in sides:
        places = [draw.randrange(table.num_rows) for _ in range(ROWS)]
        picked = table.take(places).combine_chunks()
        made[key] = picked.column(0).combine_chunks()
        missing = pa.array([draw.random() < 0.1 for _ in range(ROWS)])
        struct = picked.to_struct_array()
        struct = struct.combine_chunks() if isinstance(struct, pa.ChunkedArray) else struct
        made[source] = pa.StructArray.from_arrays(
            [struct.field(i) for i in range(struct.type.num_fields)], fields=list(struct.type), mask=missing
        )
    times = [draw.randrange(1_649_000_000, 1_653_000_000) * 1_000_000 for _ in range(ROWS)]
    made["request"] = pa.array([{"at": at} for at in times])
    return pa.table(made)


def fashion(draw: random.Random) -> pa.Table:
    log = pq.read_table(DATA / "openbandit" / "interactions.parquet").slice(0, 20_000)
    log = log.take(sorted(draw.sample(range(log.num_rows), ROWS))).combine_chunks()
    users = {r["user_seg_id"]: r for r in pq.read_table(DATA / "openbandit" / "users.parquet").to_pylist()}
    items = {r["item_id"]: r for r in pq.read_table(DATA / "openbandit" / "items.parquet").to_pylist()}
    rows = log.to_pylist()
    return pa.table(
        {
            "segment": log["user_seg_id"],
            "garment": log["item_id"],
            "person": pa.array([users.get(r["user_seg_id"]) for r in rows]),
            "piece": pa.array([items.get(r["item_id"]) for r in rows]),
            "request": pa.array(
                [{"at": r["ts"], "campaign": r["campaign"], "policy": r["policy"]} for r in rows]
            ),
            "candidate": pa.array(
                [{n: r[n] for n in ("position", "propensity_score", "user_item_affinity")} for r in rows],
                pa.struct(
                    [
                        ("position", pa.int32()),
                        ("propensity_score", pa.float64()),
                        ("user_item_affinity", pa.list_(pa.float32())),
                    ]
                ),
            ),
        }
    )


TABLES: dict[str, Callable[[random.Random], pa.Table]] = {
    "books": books,
    "videos": videos,
    "fashion": fashion,
}


def _case(name: str) -> tuple[Bundle, pa.Table]:
    return build(HERE / f"{name}.feat"), TABLES[name](random.Random(name))


@pytest.mark.parametrize("name", TABLES)
def test_the_engine_equals_the_reference(name: str) -> None:
    bundle, rows = _case(name)
    got = columns(run_native(bundle, "features", rows))
    expected = columns(run_reference(bundle, "features", rows.slice(0, REFERENCE_ROWS)))
    _same({feature: values[:REFERENCE_ROWS] for feature, values in got.items()}, expected)
    constant = [feature for feature, values in got.items() if len({exact(value) for value in values}) == 1]
    assert constant == [], "a feature that never changes proves nothing"


@pytest.mark.parametrize("name", TABLES)
def test_spark_equals_the_engine(name: str, spark: SparkSession) -> None:
    bundle, rows = _case(name)
    df = spark.createDataFrame(rows.append_column("row", pa.array(range(rows.num_rows))))
    made = transform(bundle, "features", df, keep=["row"]).toArrow().sort_by("row").drop_columns(["row"])
    _same(columns(made), columns(run_native(bundle, "features", rows)))


def _same(got: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    assert list(got) == list(expected)
    found = [
        f"{feature}, row {row}: {a!r}, not {b!r}"
        for feature, values in got.items()
        for row, (a, b) in enumerate(zip(values, expected[feature], strict=True))
        if exact(a) != exact(b)
    ]
    assert not found, f"{len(found)} differ:\n" + "\n".join(found[:10])
