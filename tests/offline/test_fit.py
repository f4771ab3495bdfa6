"""`feat fit` on Spark: what is learned against plain arithmetic, the same bytes however the rows lie, and no label in
its own feature."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions

import offline.fit
import offline.tally
from compiler.bundle import Bundle, build
from compiler.native.rows import run_rows
from featdsl.check import check
from featdsl.errors import InputError
from featdsl.operators.id import cross_ids, hash_value
from featdsl.state import State, state_path, state_text, write_state
from offline.config import Config, read_config
from offline.dataset import write_dataset
from offline.fit import STATISTICS, Fitted, fit
from offline.fit_pass import TALLY
from offline.samples import join_samples
from offline.spark_tally import SparkTally
from offline.tally import LocalTally, Tally
from tests.offline.project import read

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROGRAM = """
namespace shop
entity user: int64 per request
entity item: string per candidate
source product of item { price: float64?  maker: string?  tags: list<string>  title: string? }
request { at: timestamp = now  page: string = "home"  depth: int32? }

let price = product.price ?? fit median(product.price)
feature scaled   = zscore(price)
feature placed   = minmax(request.depth ?? 0)
feature bucket   = quantile_bucketize(product.price ?? -1.0, 4)
feature nested   = quantile_bucketize(zscore(price), parts: 3)
feature tags     = product.tags |> lookup(fit vocab(min_count: 3, max_size: 4)) |> pad(3)
feature who      = lookup(user, fit vocab())
feature liking   = target_mean(item, label: "bought", folds: 3, smoothing: 2)
feature tag_mean = mean(target_mean(product.tags, "bought", smoothing: 0.5)) ?? 0.0
feature often    = frequency(product.maker)
feature match    = bm25(product.tags, words(product.title ?? ""))
feature weights  = tf_idf(words(product.title ?? "")) |> pad(3)
feature alike    = tf_idf_cosine(product.tags, words(product.title ?? ""))
feature small    = hash(item, 4)
feature large    = cross(item, user) |> hash(1_000_000)
feature sizes    = product.tags |> hash(3) |> pad(2)

model net {
  dense: float32 = [scaled, liking, tag_mean]
  label bought: float32
  label stars: int32
  output p: float32
}
"""

CONFIG = """
[project]
program = "shop.feat"
[sources.product]
path = "product.parquet"
key = "sku"
[samples]
path = "samples.parquet"
keys = { user = "who", item = "what" }
time = "at"
labels = { bought = "y" }
"""

Rows = list[dict[str, Any]]
PRODUCT = pa.schema(
    [("sku", pa.string()), ("price", pa.float64()), ("maker", pa.string()), ("tags", pa.list_(pa.string())),
     ("title", pa.string())]
)  # fmt: skip
SAMPLES = pa.schema(
    [("who", pa.int64()), ("what", pa.string()), ("at", pa.int64()), ("y", pa.float64()), ("page", pa.string()),
     ("depth", pa.int32()), ("stars", pa.int32())]
)  # fmt: skip


def rows_of(seed: int, count: int = 240) -> tuple[Rows, Rows]:
    rng = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.2 else value

    names = ["red", "shoe", "blue", "Ünï", "🙂", "old", "new", "big"]
    products = [
        {
            "sku": f"i{n}",
            "price": maybe(rng.choice([0.1, 0.2, 3.5, 1e9, 7.25, rng.random()])),
            "maker": maybe(rng.choice("xyz")),
            "tags": maybe([maybe(rng.choice(names)) for _ in range(rng.randrange(5))]),
            "title": maybe(" ".join(rng.choice(names) for _ in range(rng.randrange(5)))),
        }
        for n in range(20)
    ]
    samples = [
        {
            "who": rng.choice([-5, 0, 3, 9, 2**40]),
            "what": f"i{rng.randrange(22)}",
            "at": rng.randrange(10_000),
            "y": maybe(rng.choice([0.0, 1.0, 1.0, 0.25])),
            "page": maybe("cart"),
            "depth": maybe(rng.randrange(-3, 40)),
            "stars": 1,
        }
        for _ in range(count)
    ]
    return products, samples


@pytest.fixture
def project(tmp_path: Path) -> Path:
    products, samples = rows_of(1)
    write_project(tmp_path, products, samples)
    return tmp_path


def write_project(folder: Path, products: Rows, samples: Rows, program: str = PROGRAM) -> None:
    (folder / "shop.feat").write_text(program, encoding="utf-8")
    (folder / "feat.toml").write_text(CONFIG, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(products, schema=PRODUCT), folder / "product.parquet")
    pq.write_table(pa.Table.from_pylist(samples, schema=SAMPLES), folder / "samples.parquet")


def fitted(spark: SparkSession, folder: Path, before: State | None = None, **options: Any) -> Fitted:
    path = str(folder / "shop.feat")
    return fit(spark, path, config_of(folder), before or State(), **options)


def config_of(folder: Path) -> Config:
    return read_config(folder / "feat.toml")


def keep(folder: Path, found: Fitted) -> Bundle:
    write_state(state_path(str(folder / "shop.feat")), state_text(found.state))
    return build(folder / "shop.feat")


def values_of(found: Fitted, name: str, statistic: str) -> dict[str, Any]:
    (site,) = [s for s in found.state.sites.values() if (s.name, s.statistic) == (name, statistic)]
    return dict(site.values)


# --- what is learned ---------------------------------------------------------------------------


def test_what_is_learned_is_what_plain_arithmetic_gives(spark: SparkSession, project: Path) -> None:
    products, samples = rows_of(1)
    by_sku = {p["sku"]: p for p in products}
    seen = [by_sku.get(s["what"], {}) for s in samples]
    found = fitted(spark, project)
    assert found.state.samples == len(samples)

    prices = [p["price"] for p in seen if p.get("price") is not None]
    median = float(np.median(np.array(prices)))
    assert values_of(found, "price", "quantiles")["points"] == [median]
    filled = [Fraction(p["price"] if p.get("price") is not None else median) for p in seen]
    mean = sum(filled) / len(filled)
    moments = values_of(found, "scaled", "moments")
    assert (moments["count"], moments["mean"]) == (len(filled), float(mean))
    assert moments["std"] == pytest.approx(float(np.std([float(f) for f in filled])), rel=1e-12)
    depths = values_of(found, "placed", "moments")
    given = [s["depth"] if s["depth"] is not None else 0 for s in samples]
    assert (depths["low"], depths["high"]) == (min(given), max(given))

    quarters = values_of(found, "bucket", "quantiles")
    paid = [-1.0 if p.get("price") is None else p["price"] for p in seen]
    assert quarters["points"] == pytest.approx(np.quantile(paid, [0.25, 0.5, 0.75]).tolist(), rel=1e-15)
    edges = sorted(set(quarters["points"]))
    assert (
        quarters["counts"]
        == np.bincount(np.searchsorted(edges, paid, side="right"), minlength=len(edges) + 1).tolist()
    )

    tags = Counter(t for p in seen for t in p.get("tags") or () if t is not None)
    ordered = sorted(tags.items(), key=lambda kv: (-kv[1], kv[0]))
    assert (
        list(values_of(found, "tags", "vocab")["entries"].items()) == [kv for kv in ordered if kv[1] >= 3][:4]
    )
    users = Counter(s["who"] for s in samples)
    assert list(values_of(found, "who", "vocab")["entries"].items()) == sorted(
        users.items(), key=lambda kv: (-kv[1], kv[0])
    )

    documents = {tuple(re.findall(r"\w+", p.get("title") or "")) for p in seen}
    with_token = Counter(t for d in documents for t in set(d))
    corpus = values_of(found, "match", "corpus")
    assert corpus["documents"] == len(documents)
    assert corpus["mean_length"] == sum(map(len, documents)) / len(documents)
    assert corpus["entries"] == dict(with_token)


def test_means_leave_out_each_fold(spark: SparkSession, project: Path) -> None:
    _, samples = rows_of(1)
    values = values_of(fitted(spark, project), "liking", "means")
    labelled = [s for s in samples if s["y"] is not None]
    folds = [sample_number(s) % 3 for s in labelled]
    assert values["count"] == len(labelled)
    for column, left_out in enumerate([None, 0, 1, 2]):
        rest = [s for s, f in zip(labelled, folds, strict=True) if f != left_out]
        overall = float(sum(Fraction(s["y"]) for s in rest) / len(rest))
        assert values["otherwise"][column] == overall
        for key, (count, *means) in values["entries"].items():
            own = [Fraction(s["y"]) for s in rest if s["what"] == key]
            assert means[column] == (float(sum(own)) + 2.0 * overall) / (len(own) + 2.0)
            assert count == sum(s["what"] == key for s in labelled)


def sample_number(sample: dict[str, Any]) -> int:
    parts = (sample["who"], sample["what"], sample["at"])
    return cross_ids([as_int64(hash_value(p, 42)) for p in parts])


def as_int64(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def test_hash_spaces_are_counted(spark: SparkSession, project: Path) -> None:
    _, samples = rows_of(1)
    found = fitted(spark, project)
    spaces = {s.of: s for s in found.state.hash_spaces.values()}
    items = {s["what"] for s in samples}
    assert spaces["hash(item, 4)"].values == len(items)
    buckets = Counter(1 + hash_value(i, 42) % 3 for i in items)
    assert spaces["hash(item, 4)"].colliding == sum(n for n in buckets.values() if n > 1)
    pairs = {(s["what"], s["who"]) for s in samples}
    assert spaces["cross(item, user) |> hash(1_000_000)"].values == len(pairs)
    keep(project, found)
    warned = [d for d in check(str(project / "shop.feat")).diagnostics if d.code == "W0201"]
    assert len(warned) == 2


# --- the same bytes ----------------------------------------------------------------------------


def test_the_same_bytes_on_any_partitions_in_any_order(
    spark: SparkSession, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shuffled(parts: int) -> Any:
        def join(*args: Any, **options: Any) -> Any:
            joined = join_samples(*args, **options)
            return replace(joined, df=joined.df.orderBy(functions.rand(parts)).repartition(parts))

        return join

    products, samples = rows_of(1)
    # all that is learned in one round
    program = "\n".join(
        line for line in PROGRAM.splitlines() if "fit median" not in line and "zscore" not in line
    )
    write_project(project, products, samples, program.replace("[scaled, ", "["))
    texts = set()
    for parts in (1, 2, 7, 200):
        monkeypatch.setattr(offline.fit, "join_samples", shuffled(parts))
        texts.add(state_text(fitted(spark, project).state))
    # and where the counts are too many for the driver
    monkeypatch.setattr(offline.tally, "MOST_LOCAL", 0)
    texts.add(state_text(fitted(spark, project).state))
    assert len(texts) == 1


# --- folds -------------------------------------------------------------------------------------


def dataset(
    spark: SparkSession, folder: Path, bundle: Bundle, name: str, **options: Any
) -> Iterator[dict[str, Any]]:
    joined = join_samples(spark, bundle, "features", config_of(folder))
    write_dataset(bundle, "features", joined, folder / name, **options)
    rows: list[dict[str, Any]] = read(folder / name).to_pylist()
    return iter(rows)


def test_a_label_never_enters_its_own_feature(spark: SparkSession, tmp_path: Path) -> None:
    """Whatever one sample's label is, its target means are the same bits; those of others move."""
    products, samples = rows_of(2, count=60)
    samples = [{**s, "at": n, "y": 0.0 if s["y"] is None else s["y"]} for n, s in enumerate(samples)]
    program = "\n".join(
        line for line in PROGRAM.splitlines()
        if not line.startswith("feature") or "target_mean" in line or "scaled" in line
    )  # fmt: skip

    def means_with(changed: int, label: float) -> list[tuple[float, float]]:
        mine = [{**s, "y": label} if n == changed else s for n, s in enumerate(samples)]
        folder = tmp_path / f"{changed} {label}"
        folder.mkdir()
        write_project(folder, products, mine, program)
        rows = dataset(spark, folder, keep(folder, fitted(spark, folder)), "out")
        return [(row["liking"], row["tag_mean"]) for row in rows]

    for changed in (0, 42):
        first, second = means_with(changed, 1000.0), means_with(changed, -3.5)
        assert first[changed] == second[changed]
        assert first != second


def test_serving_has_the_means_of_all(spark: SparkSession, project: Path) -> None:
    found = fitted(spark, project)
    bundle = keep(project, found)
    liking = values_of(found, "liking", "means")
    _, samples = rows_of(1)
    rows = pa.table(
        {"user": [s["who"] for s in samples], "item": [s["what"] for s in samples]},
        schema=pa.schema([("user", pa.int64()), ("item", pa.string())]),
    )
    served = run_rows(bundle, "features", rows, now_us=0).to_pylist()
    whole = [liking["entries"].get(s["what"], [0, liking["otherwise"][0]])[1] for s in samples]
    assert [row["liking"] for row in served] == whole
    as_served = list(dataset(spark, project, bundle, "served", as_served=True))
    in_order = sorted(samples, key=lambda s: (s["at"], s["who"], s["what"]))
    expected = [liking["entries"].get(s["what"], [0, liking["otherwise"][0]]) for s in in_order]
    assert [row["liking"] for row in as_served] == [e[1] for e in expected]
    # and training rows those without their fold, alike from both engines
    for engine in ("native", "spark"):
        trained = list(dataset(spark, project, bundle, engine, engine=engine))
        for row, sample in zip(trained, in_order, strict=True):
            entry = liking["entries"].get(sample["what"])
            column = 1 + sample_number(sample) % 3
            assert row["liking"] == (entry[1 + column] if entry else liking["otherwise"][column])
    assert read(project / "native").equals(read(project / "spark"))
    schema = pq.read_schema(project / "native" / "part-00000.parquet")
    assert schema.metadata[b"featdsl.fingerprint"].decode() == bundle.fingerprint
    report = json.loads((project / "native" / "_REPORT.json").read_text())
    assert report["plan"] == ["target means leave out the fold of the row"]


def test_no_samples_are_a_mistake(spark: SparkSession, project: Path) -> None:
    with pytest.raises(InputError, match="there are no samples to learn from"):
        fitted(spark, project, until_us=-1)


# --- nothing to learn --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("zscore(request.depth ?? 0)", "no number that is finite came to it"),
        ("quantile_bucketize(request.depth ?? 0, 3)", "no number that is finite came to it"),
        ("lookup(request.page, fit vocab(min_count: 1_000))", "no value came 1000 times"),
        ("frequency(item)", "no value came once"),
        ('target_mean(item, label: "stars")', "no sample has a label `stars` that is finite"),
        ("bm25(product.tags, product.tags)", "no token stands in 1 different text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("in_spark", [False, True])
def test_where_nothing_can_be_learned(
    feature: str, said: str, in_spark: bool, request: pytest.FixtureRequest
) -> None:
    head = PROGRAM[: PROGRAM.index("let price")]
    model = "model net { x: float32 = request.depth ?? 0  label stars: float32  output p: float32 }"
    text = f"{head}\nfeature a = {feature}\n{model}"
    program = check("p.feat", overlay={"p.feat": text}, fitting=State()).program
    assert program is not None
    (site,) = program.sites
    if in_spark:
        spark: SparkSession = request.getfixturevalue("spark")
        tally: Tally = SparkTally(spark.createDataFrame(TALLY.empty_table()))
    else:
        tally = LocalTally(TALLY.empty_table())
    with pytest.raises(InputError, match="nothing can be learned for `a`") as caught:
        STATISTICS[site.statistic](tally, {0: site})
    assert said in caught.value.message


def test_a_constant_column_and_one_row(spark: SparkSession, tmp_path: Path) -> None:
    products, samples = rows_of(4, count=1)
    program = PROGRAM[: PROGRAM.index("let price")] + (
        "feature a = zscore(request.depth ?? 5)\nfeature b = minmax(request.depth ?? 5)\n"
        "feature c = quantile_bucketize(request.depth ?? 5, 4)\n"
        'feature d = target_mean(item, label: "bought")\n'
        "model net { x: float32 = a  label bought: float32  output p: float32 }\n"
    )
    only = {**samples[0], "depth": 7, "y": 1.0}
    write_project(tmp_path, products, [only], program)
    found = fitted(spark, tmp_path)
    bundle = keep(tmp_path, found)
    (row,) = dataset(spark, tmp_path, bundle, "out")
    assert (row["a"], row["b"], row["c"]) == (0.0, 0.0, 1)
    # its own label is all there is: without it nothing is known
    assert row["d"] == 0.0
    (served,) = dataset(spark, tmp_path, bundle, "served", as_served=True)
    assert served["d"] == 1.0
