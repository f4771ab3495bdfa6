"""Online equals offline on real interactions: every feature that the server computes from its store is, to the
bit, what the plain reference and the engine compute from the same rows joined offline."""

from __future__ import annotations

import os
import random
import runpy
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.bundle import Bundle, build
from compiler.native.rows import run_rows as run_native
from compiler.reference.run import run_rows as run_reference
from online.client import ScorerClient
from online.server import ScoringServer, ServerOptions
from store.encode import RowEncoder
from store.interface import Store, open_store
from tests.online.shop import WeightModel
from tests.services import redis_server

ROOT = Path(__file__).parents[2]
COUNT = 1000


@dataclass(frozen=True)
class Joined:
    """One interaction with the rows that hold at its time."""

    user: int
    item: str
    at: int
    rows: dict[str, dict[str, Any] | None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data, or data made like it."""
    for root in (os.environ.get("FEATDSL_DATA"), ROOT.parent / "shared" / "data"):
        if root and (Path(root) / "movietweetings" / "interactions.parquet").is_file():
            return Path(root) / "movietweetings"
    made = tmp_path_factory.mktemp("data")
    runpy.run_path(str(ROOT / "examples" / "movies" / "generate.py"))["generate"](made)
    return made


@pytest.fixture(scope="module")
def movies() -> Bundle:
    return build(ROOT / "examples" / "movies" / "movies.feat")


@pytest.fixture(scope="module")
def interactions(data: Path) -> list[Joined]:
    """Of each of many users one interaction, so that a store of newest rows holds them all."""
    users = {row["user_id"]: row for row in pq.read_table(data / "users.parquet").to_pylist()}
    items = {row["item_id"]: row for row in pq.read_table(data / "items.parquet").to_pylist()}
    log = pq.read_table(data / "interactions.parquet")
    order = random.Random(11).sample(range(log.num_rows), log.num_rows)
    chosen: dict[int, dict[str, Any]] = {}
    for row in log.take(order[: 3 * COUNT]).to_pylist():
        chosen.setdefault(row["user_id"], row)
    return [_joined(row, users, items) for row in list(chosen.values())[:COUNT]]


def _joined(row: dict[str, Any], users: dict[Any, Any], items: dict[Any, Any]) -> Joined:
    history = {
        "ratings": {
            "item_id": row["hist_item_ids"],
            "rating": row["hist_ratings"],
            "at": [seconds * 1_000_000 for seconds in row["hist_ts"]],
        }
    }
    item = items.get(row["item_id"])
    profile = users.get(row["user_id"])
    if profile is not None:
        profile = {n: profile[n] for n in ("n_ratings", "mean_rating", "top_genres", "recent_item_ids")}
    movie = None if item is None else {n: item[n] for n in ("title", "year", "genres")}
    stats = None if item is None else {n: item[n] for n in ("n_ratings", "mean_rating")}
    rows = {"profile": profile, "history": history, "movie": movie, "movie_stats": stats}
    return Joined(row["user_id"], row["item_id"], row["ts"] * 1_000_000, rows)


def fill(store: Store, bundle: Bundle, interactions: list[Joined]) -> None:
    for source in bundle.schema.sources:
        encoder = RowEncoder(source)
        store.put_schema(encoder.fingerprint, encoder.schema)
        keyed = {
            (one.user if source.key == "user" else one.item): one.rows[source.name] for one in interactions
        }
        rows = [(key, encoder.encode(row)) for key, row in keyed.items() if row is not None]
        store.put_many(source.name, rows)


@pytest.fixture(params=["lmdb", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "lmdb":
        yield f"lmdb://{tmp_path / 'store'}"
    else:
        with redis_server() as server:
            yield server.url


def exact(value: Any) -> Any:
    """Tells apart what `==` does not: 0.0 and -0.0, 1 and 1.0 and True."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, list):
        return [exact(element) for element in value]
    return (type(value).__name__, value)


def test_every_feature_is_the_same_to_the_bit(
    movies: Bundle, interactions: list[Joined], store_url: str, tmp_path: Path
) -> None:
    store = open_store(store_url, movies.schema.namespace, writable=True)
    fill(store, movies, interactions)
    request = [{"at": one.at, "device": "phone"} for one in interactions]
    columns = {"user": [one.user for one in interactions], "item": [one.item for one in interactions]}
    structs = {name: [one.rows[name] for one in interactions] for name in interactions[0].rows}
    table = pa.table({**columns, **structs, "request": request})
    reference = run_reference(movies, "features", table).to_pylist()
    assert exact_rows(run_native(movies, "features", table).to_pylist()) == exact_rows(reference)

    server = ScoringServer(
        movies,
        movies.model("ranker"),
        store_url,
        f"dir://{tmp_path / 'none'}",
        WeightModel(),
        ServerOptions(),
    )
    with ScorerClient(f"127.0.0.1:{server.start()}") as client:
        for one, given, expected in zip(interactions, request, reference, strict=True):
            found = client.explain({"user": one.user, "item": one.item}, given)
            assert list(found.features) == list(expected)
            for name, feature in found.features.items():
                assert exact(feature.value) == exact(expected[name]), (name, one)
    server.stop()
    assert len(interactions) == COUNT


def exact_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: exact(value) for name, value in row.items()} for row in rows]
