"""Sources keyed by a list, all the way: what a data set holds as of each sample's time (joined and computed by Spark
alone, and by the engine in Spark) is to the bit what `Explain` answers from a store that was loaded for that time,
and what a plain search through the tables finds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.bundle import Bundle, build
from compiler.reference.run import run_rows as run_reference
from offline.config import Config, read_config
from offline.dataset import write_dataset
from offline.load import load_sources
from offline.samples import join_samples
from online.client import ScorerClient
from online.server import ScoringServer, ServerOptions
from tests.conformance.programs import exact
from tests.offline.project import read
from tests.online.shop import WeightModel
from tests.services import redis_server

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROGRAM = """
namespace keyed
entity user: int64 per request
entity item: string per candidate
source profile of user {
  clicks: sequence[6] { item_id: string?  at: timestamp }
  liked:  list<int64>[4]
}
source movie of item {
  title: string?  year: int32?  genres: list<string>[3]  maker: string?
  taste: vector<float32, 2> = 0.5
  votes: map<string, map<string, float64>>
  cast:  sequence[2] { name: string  age: int32? }
}
source clicked = movie of profile.clicks.item_id
source maker of clicked.maker { founded: int32 = 1900  towns: list<string> }
source liked_shop of profile.liked { name: string = "?"  sales: map<int64, int64> }
request { at: timestamp = now }

feature years    = clicked.year ?? 0 |> pad(6)
feature ages     = (request.at - profile.clicks.at) |> pad(6)
feature recent   = count((clicked.year ?? 0) > 1990 and profile.clicks.at > request.at - 20)
feature genres   = sum(size(each(clicked.genres)))
feature of_a     = count(any(clicked.genres == "a"))
feature of_genre = count(contains(clicked.genres, first(movie.genres) ?? "none"))
feature taste    = sum(sum(clicked.taste * 2.0))
feature votes    = sum(match(clicked.votes, "up", "ALL", wildcard: "ALL") ?? -1.0)
feature names    = sum(length(join(clicked.cast.name, "+")))
feature oldest   = max(max(clicked.cast.age ?? -1) ?? -1) ?? -2
feature titles   = clicked.title ?? "-" |> hash(500) |> pad(6)
feature founded  = maker.founded |> pad(6)
feature towns    = sum(size(each(maker.towns)))
feature same     = count((clicked.maker ?? "") == (movie.maker ?? "?"))
feature shops    = liked_shop.name |> hash(100) |> pad(4)
feature sales    = sum(get(liked_shop.sales, 7, 0))
feature known    = if contains(profile.clicks.item_id ?? "", item) then 1 else 0

model net { dense: float32 = [taste, votes]  output p: float32 }
"""

CONFIG = """
[project]
program = "keyed.feat"
[sources.profile]
path = "profile.parquet"
key = "user"
time = "at"
[sources.movie]
path = "movie.parquet"
key = "item"
time = "at"
delay = "2us"
[sources.maker]
path = "maker.parquet"
key = "maker"
[sources.liked_shop]
path = "shop.parquet"
key = "shop"
time = "at"
[samples]
path = "samples.parquet"
keys = { user = "user", item = "item" }
time = "at"
"""

VOTES = pa.map_(pa.string(), pa.map_(pa.string(), pa.float64()))
CAST = pa.list_(pa.struct([("name", pa.string()), ("age", pa.int32())]))
CLICKS = pa.list_(pa.struct([("item_id", pa.string()), ("at", pa.int64())]))
SCHEMAS = {
    "profile": pa.schema(
        [("user", pa.int64()), ("at", pa.int64()), ("clicks", CLICKS), ("liked", pa.list_(pa.int64()))]
    ),
    "movie": pa.schema(
        [
            ("item", pa.string()),
            ("at", pa.int64()),
            ("title", pa.string()),
            ("year", pa.int32()),
            ("genres", pa.list_(pa.string())),
            ("maker", pa.string()),
            ("taste", pa.list_(pa.float32(), 2)),
            ("votes", VOTES),
            ("cast", CAST),
        ]
    ),
    "maker": pa.schema([("maker", pa.string()), ("founded", pa.int32()), ("towns", pa.list_(pa.string()))]),
    "shop": pa.schema(
        [
            ("shop", pa.int64()),
            ("at", pa.int64()),
            ("name", pa.string()),
            ("sales", pa.map_(pa.int64(), pa.int64())),
        ]
    ),
    "samples": pa.schema([("user", pa.int64()), ("item", pa.string()), ("at", pa.int64())]),
}
TIMES = (9, 17, 30)
ITEMS = [f"i{n}" for n in range(7)]
USERS = range(8)

Rows = dict[str, list[dict[str, Any]]]


def tables(seed: int) -> Rows:
    """Rows with nulls everywhere, of times that do not go together; of the user 0 an empty history, of 1 none."""
    rng = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.2 else value

    def some(most: int, make: Any) -> list[Any]:
        return [make() for _ in range(rng.randrange(most + 1))]

    def clicks() -> list[dict[str, Any] | None]:
        return some(
            9, lambda: maybe({"item_id": maybe(rng.choice([*ITEMS, "gone"])), "at": maybe(rng.randrange(30))})
        )

    def votes() -> list[tuple[str, Any]]:
        inner = [
            maybe([(w, maybe(rng.choice([-0.0, 0.1, 1e16, 3.5]))) for w in ("m", "n")]) for _ in range(2)
        ]
        return list(zip(rng.sample(["up", "down", "ALL"], 2), inner, strict=True))

    profiles = [
        {
            "user": user,
            "at": at,
            "clicks": maybe(clicks()),
            "liked": maybe(some(6, lambda: maybe(rng.randrange(5)))),
        }
        for user in USERS[2:]
        for at in rng.sample(range(35), 4)
    ]
    movies = [
        {
            "item": item,
            "at": at,
            "title": maybe(rng.choice(["Heat", "🙂", ""])),
            "year": maybe(rng.randrange(1980, 2010)),
            "genres": maybe(some(5, lambda: maybe(rng.choice("abcd")))),
            "maker": maybe(rng.choice("xyz")),
            "taste": maybe([rng.gauss(0, 1), rng.choice([0.25, -0.0])]),
            "votes": maybe(votes()),
            "cast": maybe(
                some(4, lambda: maybe({"name": maybe(rng.choice(["Al", "Bo"])), "age": maybe(30)}))
            ),
        }
        for item in ITEMS
        for at in rng.sample(range(35), 3)
    ]
    shops = [
        {"shop": shop, "at": at, "name": maybe(f"s{at}"), "sales": maybe([(7, maybe(at)), (8, 1)])}
        for shop in range(4)
        for at in rng.sample(range(35), 2)
    ]
    return {
        "profile": [{"user": 0, "at": 1, "clicks": [], "liked": []}, *profiles],
        "movie": movies,
        "maker": [{"maker": m, "founded": maybe(1950), "towns": maybe(["a", None, "b"])} for m in "xy"],
        "shop": shops,
        "samples": [
            {"user": user, "item": rng.choice([*ITEMS, "gone"]), "at": at} for at in TIMES for user in USERS
        ],
    }


@pytest.fixture(scope="module", params=[1, 2])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "keyed.feat").write_text(PROGRAM, encoding="utf-8")
    (folder / "feat.toml").write_text(CONFIG, encoding="utf-8")
    for name, rows in tables(request.param).items():
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[name]), folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def bundle(project: Path) -> Bundle:
    return build(project / "keyed.feat")


@pytest.fixture(scope="module")
def config(project: Path) -> Config:
    return read_config(project / "feat.toml")


Answers = dict[tuple[int, int], dict[str, Any]]
"""The features by user and time."""


@pytest.fixture(scope="module")
def answers(spark: SparkSession, project: Path, bundle: Bundle, config: Config) -> Answers:
    """What the plain reference makes of a plain search through the tables."""
    rows = {name: pq.read_table(project / f"{name}.parquet").to_pylist() for name in SCHEMAS}
    samples = rows["samples"]
    table = pa.Table.from_pylist([_joined(rows, sample) for sample in samples], schema=_joined_schema())
    features = run_reference(bundle, "features", table).to_pylist()
    return {(s["user"], s["at"]): f for s, f in zip(samples, features, strict=True)}


def _held(rows: list[dict[str, Any]], key: str, wanted: Any, at: int) -> dict[str, Any] | None:
    """The newest row of a key at a time."""
    found = [row for row in rows if wanted is not None and row[key] == wanted and row.get("at", 0) <= at]
    best = max(found, key=lambda row: row.get("at", 0), default=None)
    return None if best is None else {name: best[name] for name in best if name not in (key, "at")}


def _joined(rows: Rows, sample: dict[str, Any]) -> dict[str, Any]:
    at = sample["at"]
    profile = _held(rows["profile"], "user", sample["user"], at)
    clicks = (profile or {}).get("clicks") or []
    # A position without a time goes; one without an item stays, as does a struct's whole absence not.
    kept = [click for click in clicks if click is not None and click["at"] is not None][:6]
    movies = [_held(rows["movie"], "item", click["item_id"], at - 2) for click in kept]
    liked = [shop for shop in (profile or {}).get("liked") or [] if shop is not None][:4]
    return {
        "user": sample["user"],
        "item": sample["item"],
        "request": {"at": at},
        "profile": profile,
        "movie": _held(rows["movie"], "item", sample["item"], at - 2),
        "clicked": movies,
        "maker": [_held(rows["maker"], "maker", (movie or {}).get("maker"), at) for movie in movies],
        "liked_shop": [_held(rows["shop"], "shop", shop, at) for shop in liked],
    }


def _joined_schema() -> pa.Schema:
    def fields(name: str) -> pa.StructType:
        return pa.struct(
            [field for field in SCHEMAS[name] if field.name not in ("user", "item", "maker_", "shop", "at")]
        )

    maker = pa.struct([("founded", pa.int32()), ("towns", pa.list_(pa.string()))])
    return pa.schema(
        [
            ("user", pa.int64()),
            ("item", pa.string()),
            ("request", pa.struct([("at", pa.int64())])),
            ("profile", fields("profile")),
            ("movie", fields("movie")),
            ("clicked", pa.list_(fields("movie"))),
            ("maker", pa.list_(maker)),
            ("liked_shop", pa.list_(fields("shop"))),
        ]
    )


@pytest.mark.parametrize("engine", ["native", "spark"])
def test_a_data_set_holds_it(
    spark: SparkSession, bundle: Bundle, config: Config, answers: Answers, tmp_path: Path, engine: str
) -> None:
    joined = join_samples(spark, bundle, "features", config)
    write_dataset(bundle, "features", joined, tmp_path / "out", engine=engine)
    found = read(tmp_path / "out").to_pylist()
    assert len(found) == len(answers)
    for row in found:
        time = row["time"]
        wanted = answers[row["user"], time if isinstance(time, int) else time.microsecond]
        for name, value in wanted.items():
            assert exact(row[name]) == exact(value), (name, row["user"], time)


@pytest.fixture(params=["lmdb", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "lmdb":
        yield f"lmdb://{tmp_path / 'store'}"
    else:
        with redis_server() as server:
            yield server.url


def test_a_server_answers_it(
    spark: SparkSession,
    project: Path,
    bundle: Bundle,
    config: Config,
    answers: Answers,
    store_url: str,
    tmp_path: Path,
) -> None:
    samples = pq.read_table(project / "samples.parquet").to_pylist()
    asked = 0
    for at in TIMES:
        load_sources(spark, bundle, config, store_url, at_us=at)
        options = ServerOptions()
        registry = f"dir://{tmp_path / 'none'}"
        server = ScoringServer(bundle, bundle.model("net"), store_url, registry, WeightModel(), options)
        with ScorerClient(f"127.0.0.1:{server.start()}") as client:
            for sample in samples:
                if sample["at"] != at:
                    continue
                found = client.explain({"user": sample["user"], "item": sample["item"]}, {"at": at})
                for name, value in answers[sample["user"], at].items():
                    assert exact(found.features[name].value) == exact(value), (name, sample)
                asked += 1
        server.stop()
    assert asked == len(answers) == len(TIMES) * len(USERS)
