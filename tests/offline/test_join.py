"""The point-in-time join against a plain search, on random tables full of ties, gaps and nulls."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from featdsl.errors import InputError
from offline.dataset import write_dataset
from offline.load import newest_rows
from offline.samples import join_samples
from offline.sources import ROW
from tests.offline.project import (
    CONFIG,
    MAKER,
    PRODUCT,
    PROFILE,
    SAMPLES,
    make_project,
    read,
    table,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Rows = dict[str, list[dict[str, Any]]]


def random_rows(seed: int) -> Rows:
    rng = random.Random(seed)
    items = [f"i{n}" for n in range(6)]

    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.2 else value

    clicks = [rng.randrange(4) for _ in range(60)]
    return {
        "profile": [
            {
                "user_id": maybe(rng.randrange(5)),
                "at": maybe(rng.randrange(40)),
                "n": maybe(rng.randrange(1000)),
                "tags": maybe([maybe(rng.choice("abc")) for _ in range(rng.randrange(4))]),
                "click_items": [maybe(rng.choice([*items, "gone"])) for _ in range(length)],
                "click_seconds": [maybe(rng.randrange(9)) for _ in range(length)],
            }
            for length in clicks
        ],
        "product": [
            {"sku": sku, "price": maybe(rng.random()), "maker": maybe(rng.choice("xyz"))} for sku in items[:5]
        ],
        "maker": [
            {
                "name": maybe(rng.choice("xyz")),
                "since": maybe(rng.randrange(30)),
                "version": rng.randrange(10_000),
                "size": maybe(rng.randrange(99)),
            }
            for _ in range(40)
        ],
        "samples": [
            {
                "who": rng.randrange(6),
                "what": rng.choice([*items, "gone"]),
                "at": rng.randrange(45),
                "y": rng.randrange(2),
                "position": n,
                "page": maybe("cart"),
            }
            for n in range(150)
        ],
    }


def tables_of(rows: Rows) -> dict[str, pa.Table]:
    schemas = {"profile": PROFILE, "product": PRODUCT, "maker": MAKER, "samples": SAMPLES}
    return {name: table(schemas[name], rows[name]) for name in schemas}


def expected(rows: Rows, sample: dict[str, Any]) -> dict[str, Any]:
    """What must be found, row by row; `candidates` are the rows of the profile that may hold (ties)."""
    at = sample["at"]

    held = [
        r for r in rows["profile"] if r["user_id"] == sample["who"] and r["at"] is not None and r["at"] <= at
    ]
    newest = max((r["at"] for r in held), default=None)
    candidates = [r for r in held if r["at"] == newest]
    products = {row["sku"]: row for row in rows["product"]}
    product = products.get(sample["what"])
    maker = None if product is None else product["maker"]
    makers = [
        r
        for r in rows["maker"]
        if maker is not None and r["name"] == maker and r["since"] is not None and r["since"] + 5 <= at
    ]
    best = max(makers, key=lambda r: (r["since"], r["version"]), default=None)
    return {
        "candidates": candidates,
        "price": -1.0 if product is None or product["price"] is None else product["price"],
        "size": 0 if best is None or best["size"] is None else best["size"],
        "products": products,
    }


@pytest.fixture(params=["looked up", "joined"])
def way(request: pytest.FixtureRequest, spark: SparkSession) -> Iterator[str]:
    """Sources as small ones, and as those that are too large to travel."""
    setting = "spark.sql.autoBroadcastJoinThreshold"
    before = spark.conf.get(setting)
    assert before is not None
    spark.conf.set(setting, before if request.param == "looked up" else "-1")
    yield request.param
    spark.conf.set(setting, before)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", [1, 2])
def test_every_sample_sees_what_held_then(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    rows = random_rows(seed)
    project = make_project(tmp_path, tables_of(rows))
    joined = join_samples(spark, project.bundle, "features", project.config)
    write_dataset(project.bundle, "features", joined, tmp_path / "out")
    found = {row["rank"]: row for row in read(tmp_path / "out").to_pylist()}
    assert sorted(found) == list(range(150))
    for sample in rows["samples"]:
        row, want = found[sample["position"]], expected(rows, sample)
        assert (row["user"], row["item"]) == (sample["who"], sample["what"])
        assert (row["price"], row["size"]) == (want["price"], want["size"])
        assert row["page"] == (sample["page"] or "home")
        assert (row["n"], row["prices"], row["age"]) in [
            _profile(candidate, sample, want["products"]) for candidate in want["candidates"] or [None]
        ]


def _profile(row: dict[str, Any] | None, sample: dict[str, Any], products: dict[str, Any]) -> tuple[Any, ...]:
    """`n`, `prices` and `age` from one row of the profile."""
    if row is None:
        return (-1, 0.0, 0)
    pairs = zip(row["click_items"], row["click_seconds"], strict=True)
    clicks = [(item, at) for item, at in pairs if item is not None and at is not None][:3]
    prices = 0.0
    for item, _ in clicks:
        prices += (products.get(item) or {}).get("price") or 0.0
    age = sample["at"] - clicks[-1][1] * 1_000_000 if clicks else 0
    return (-1 if row["n"] is None else row["n"], prices, age)


@pytest.mark.usefixtures("way")
def test_both_engines_and_any_order_of_rows_give_the_same(spark: SparkSession, tmp_path: Path) -> None:
    """Ties without `tie_break` are decided by the rows themselves."""
    rows = random_rows(3)
    outs = []
    for turn, engine in enumerate(("native", "spark", "native")):
        folder = tmp_path / f"{turn}"
        folder.mkdir()
        for listed in rows.values():
            random.Random(turn).shuffle(listed)
        project = make_project(folder, tables_of(rows))
        joined = join_samples(spark, project.bundle, "model/net", project.config)
        report = write_dataset(project.bundle, "model/net", joined, folder / "out", engine=engine)
        assert report.rows == 150
        outs.append(sorted(map(repr, read(folder / "out").to_pylist())))
    assert outs[0] == outs[1] == outs[2]


@pytest.mark.usefixtures("way")
def test_ties_are_decided_alike_whatever_is_read(spark: SparkSession, tmp_path: Path) -> None:
    """By all fields of a source, also after `tie_break`; the store is loaded with that row too."""
    rows: Rows = {
        "profile": [
            {"user_id": 1, "at": 3, "n": n, "tags": [tag], "click_items": [], "click_seconds": []}
            for n, tag in ((5, "a"), (4, "b"), (5, "b"), (3, "z"))
        ],
        "product": [{"sku": "i", "price": 1.0, "maker": "x"}],
        "maker": [{"name": "x", "since": 1, "version": 7, "size": size} for size in (2, 9, 4)],
        "samples": [{"who": 1, "what": "i", "at": 50, "y": 0, "position": 1, "page": "p"}],
    }
    project = make_project(tmp_path, tables_of(rows))
    tags = project.bundle.only(["tags", "size"])
    assert project.config.samples is not None
    config = replace(project.config, samples=replace(project.config.samples, labels={}))
    (sample,) = join_samples(spark, tags, "features", config).whole().collect()
    assert (sample["profile"]["tags"], sample["maker"]["size"]) == (["b"], 9)
    newest = newest_rows(spark, project.config, project.bundle.schema.source("profile")).collect()
    assert [(row[ROW]["n"], row[ROW]["tags"]) for row in newest] == [(5, ["b"])]


@pytest.mark.usefixtures("way")
def test_a_key_with_two_rows_and_no_time_is_a_mistake(spark: SparkSession, tmp_path: Path) -> None:
    rows = random_rows(4)
    rows["product"].append(rows["product"][2])
    project = make_project(tmp_path, tables_of(rows))
    with pytest.raises(InputError, match="source `product` has no time column, but a key with 2 rows: i2"):
        join_samples(spark, project.bundle, "features", project.config)


@pytest.mark.parametrize(
    ("old", "new", "message", "help"),
    [
        ('key = "sku"', 'key = "skuu"', "`sources.product.key`: the table has no such column: skuu", "`sku`"),
        ('key = "sku"', 'key = "price"', "the key is string, but the column `price` is double", ""),
        ("[sources.maker]", "[sources.makers]", "`sources.makers`", "`maker`"),
        ('what"', 'wat"', "`samples.keys.item`: the table has no such column: wat", "`what`"),
        ('bought = "y"', 'bougt = "y"', "`samples.labels.bougt`", "`bought`"),
        ('item = "click_items"', 'items = "click_items"', "`sources.profile.columns.clicks.items`", "`item`"),
        ("product.parquet", "products.parquet", "there is no such table", "path"),
    ],
)
def test_mistakes_name_their_key(
    spark: SparkSession, tmp_path: Path, old: str, new: str, message: str, help: str
) -> None:
    assert old in CONFIG
    project = make_project(tmp_path, tables_of(random_rows(5)), config=CONFIG.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        join_samples(spark, project.bundle, "model/net", project.config)
    assert message in caught.value.message
    assert help in caught.value.help
