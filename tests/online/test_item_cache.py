"""The item cache: what is scored with it is, to the bit, what is scored without it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import Batch, EngineError, ItemTable
from engine import ItemCache as Memory
from online.answers import MISSING, OK
from online.budget import Budget
from online.changes import ChangeFollower
from online.item_cache import ItemCache
from online.observe.record import CallRecord
from online.proto.scorer_pb2 import ScoreRequest
from online.request import Asked, CallReader
from online.row_cache import RowCache
from online.rows import RowSource
from online.stages import Stages
from online.store_link import StoreLink
from store.encode import RowEncoder
from store.interface import KEYS_TOLD, Store, open_store
from tests.online.shop import AT, REQUEST, ROWS, bundle, fill, serving
from tests.services import RedisServer, redis_server

SECOND = 1_000_000_000
ITEMS = ["a", "b", "c", "d", "none"]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["lmdb", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "lmdb":
        return f"lmdb://{tmp_path}/rows"
    server: RedisServer = request.getfixturevalue("redis")
    return server.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, "shop", 5.0, writable=True)
    fill_anew(opened)
    yield opened
    opened.close()


def fill_anew(store: Store) -> None:
    """The rows of `ROWS` and no others of those that the tests write."""
    store.delete_many("goods", ITEMS)
    store.delete_many("maker", ["nobody", "new"])
    fill(store)


class Scorer:
    """The stages before the model, on a store; with caches whose clock is `now_ns`."""

    def __init__(self, url: str, *, cached: bool) -> None:
        self.now_ns = 0
        link = StoreLink(url, "shop", 5.0)
        self.cache = ItemCache(1 << 20, 100.0, lambda: self.now_ns) if cached else None
        self.kept = RowCache(1 << 20, 100.0, lambda: self.now_ns / SECOND) if cached else None
        caches = [] if self.cache is None or self.kept is None else [self.cache, self.kept]
        self.follower = ChangeFollower(link, *caches) if caches else None
        self._rows = RowSource(
            bundle().schema, link, defaults_when_down=False, cache=self.cache, kept_rows=self.kept
        )
        self._stages = Stages(bundle(), "model/ranker")
        self._plan = self._rows.plan(self._stages.programs, cached=True)
        self._calls = CallReader(bundle().schema, 1_000)
        if self.follower is not None:
            self.follower.read_on(0)

    def score(self, items: Sequence[str]) -> dict[str, Any]:
        """Everything that the model, `keep` and `score` would read, as bytes or plain values."""
        message = ScoreRequest()
        message.keys["shopper"].integers.values.append(1)
        message.keys["item"].strings.values.extend(items)
        message.request["country"].string_value = REQUEST["country"]
        call = self._calls.read(Asked.of(ScoreRequest, message.SerializeToString()), AT)
        read = self._rows.read(self._plan, call, Budget(CallRecord("Score"), 10.0))
        computed = self._stages.compute(read.inputs)
        made: dict[str, Any] = {name: tensor.tobytes() for name, tensor in computed.tensors().items()}
        for batch in computed.passed:
            made |= {name: batch.values(name) for name in batch.names if name.startswith("$")}
        return {**made, "statuses": read.inputs.item_statuses[call.item_rows].tolist()}


def put(store: Store, source: str, key: str, row: dict[str, Any]) -> None:
    (declared,) = (one for one in bundle().schema.sources if one.name == source)
    store.put_many(source, [(key, RowEncoder(declared).encode(row))])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("score"), st.lists(st.sampled_from(ITEMS), min_size=1, max_size=7)),
        st.tuples(st.just("put"), st.sampled_from(ITEMS), st.sampled_from([None, "acme", "bolt", "new"])),
        st.tuples(st.just("delete"), st.sampled_from(ITEMS)),
        st.tuples(st.just("maker"), st.sampled_from(["acme", "bolt", "new"]), st.integers(1900, 2020)),
        st.tuples(st.just("clock"), st.integers(0, 60)),
        st.tuples(st.just("drop")),
    ),
    max_size=25,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_scores_are_those_without_a_cache(store: Store, url: str, steps: list[tuple[Any, ...]]) -> None:
    fill_anew(store)
    plain, cached = Scorer(url, cached=False), Scorer(url, cached=True)
    assert cached.cache is not None
    assert cached.follower is not None
    for number, (what, *values) in enumerate([*steps, ("score", ITEMS), ("score", ITEMS)]):
        if what == "score":
            cached.follower.read_on(0)
            assert cached.score(values[0]) == plain.score(values[0])
        elif what == "put":
            put(store, "goods", values[0], {**ROWS["goods"]["a"], "price": number / 3, "maker": values[1]})
        elif what == "delete":
            store.delete_many("goods", [values[0]])
        elif what == "maker":
            put(store, "maker", values[0], {"founded": values[1]})
        elif what == "clock":
            cached.now_ns += values[0] * SECOND
        else:
            cached.cache.drop()
    assert cached.cache.stats().hits >= len(ITEMS)


def test_only_what_changed_is_made_again(store: Store, url: str) -> None:
    cached = Scorer(url, cached=True)
    assert cached.cache is not None
    assert cached.follower is not None
    assert cached.score(ITEMS)["statuses"] == [OK, OK, OK, OK, MISSING]
    cached.score(ITEMS)
    assert (cached.cache.stats().hits, cached.cache.stats().misses) == (5, 5)
    put(store, "maker", "bolt", {"founded": 1999})  # of b alone, and of d's maker there is no row
    put(store, "profile", "9", {"visits": 1})
    cached.follower.read_on(1.0)
    cached.score(ITEMS)
    assert (cached.cache.stats().hits, cached.cache.stats().stale) == (9, 1)
    put(store, "maker", "nobody", {"founded": 1999})
    cached.follower.read_on(1.0)
    cached.score(ITEMS)
    assert (cached.cache.stats().hits, cached.cache.stats().stale) == (13, 2)
    assert cached.cache.stats().entries == 5


def test_time_to_live(store: Store, url: str) -> None:
    """100 s; 10 s for an item without a row."""
    cached = Scorer(url, cached=True)
    assert cached.cache is not None
    for after_s, expired in ((0, 0), (9, 0), (10, 1), (99, 2), (100, 6)):
        cached.now_ns = after_s * SECOND
        cached.score(ITEMS)
        assert cached.cache.stats().expired == expired
    assert cached.cache.stats().mean_hit_age_s > 1


def test_a_change_while_its_row_is_on_the_way_is_not_missed(store: Store, url: str) -> None:
    plain, cached = Scorer(url, cached=False), Scorer(url, cached=True)
    assert cached.cache is not None
    assert cached.follower is not None
    link, several = cached._rows._store, cached._rows._store.several

    def slow(requests: Any, *how: Any) -> Any:
        found = several(requests, *how)
        if any(source == "goods" for source, _ in requests):
            put(store, "goods", "a", {"price": 77.0})
            cached.follower.read_on(1.0)  # type: ignore[union-attr]
        return found

    link.several = slow  # type: ignore[method-assign]
    old = cached.score(["a"])
    link.several = several  # type: ignore[method-assign]
    assert cached.score(["a"]) == plain.score(["a"]) != old


def test_threads_never_see_a_row_older_than_what_was_told(store: Store, url: str) -> None:
    cached = Scorer(url, cached=True)
    assert cached.follower is not None
    put(store, "goods", "a", {"price": 0.0})
    cached.follower.read_on(1.0)
    told, failures, stop = 0, [], threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                least = told
                dense = np.frombuffer(cached.score(["a", "b"])["dense"], np.float32)
                assert dense[0] >= least, (dense[0], least)
        except BaseException as fault:
            failures.append(fault)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 80):
        put(store, "goods", "a", {"price": float(number)})
        cached.follower.read_on(1.0)
        told = number
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_server_sees_a_changed_item_within_a_second(store: Store, url: str, registry: Path) -> None:
    with serving(url, registry, cache_bytes=8 << 20) as (server, client):
        assert server.items is not None

        def price() -> float:
            answer = client.score({"shopper": 2, "item": ["a"]}, {**REQUEST, "at": AT}, want_outputs=True)
            return float(answer.outputs["like"][0])

        before = price()
        until = time.monotonic() + 10
        while server.items.stats().hits == 0:  # until the cache hears of changes
            assert price() == before
            assert time.monotonic() < until
        put(store, "goods", "a", {**ROWS["goods"]["a"], "price": 1000.0})
        changed = time.monotonic()
        while price() == before:
            assert time.monotonic() < changed + 1.0
        assert server.items.stats().stale >= 1


def test_a_server_that_lost_its_place_drops_everything(
    store: Store, url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("store.redis_store", "store.lmdb_store"):
        monkeypatch.setattr(f"{module}.CHANGES_KEPT", 5)
    plain, cached = Scorer(url, cached=False), Scorer(url, cached=True)
    assert cached.cache is not None
    assert cached.follower is not None
    cached.score(ITEMS)
    put(store, "goods", "a", {"price": 1234.5})
    for number in range(6):
        store.put_many("profile", [(number, b"")])
    cached.follower.read_on(1.0)
    assert cached.cache.stats().drops == 1
    assert "more was written than the store remembers" in caplog.text
    assert cached.score(ITEMS) == plain.score(ITEMS)
    put(store, "goods", "a", {"price": 1.0})
    cached.follower.read_on(1.0)
    assert cached.score(ITEMS) == plain.score(ITEMS)
    assert cached.cache.stats().drops == 1


def test_a_write_of_very_many_keys_tells_the_source_alone(store: Store, url: str) -> None:
    plain, cached = Scorer(url, cached=False), Scorer(url, cached=True)
    assert cached.cache is not None
    assert cached.follower is not None
    cached.score(ITEMS)
    store.delete_many("goods", [*(f"x{i}" for i in range(KEYS_TOLD)), "a"])
    cached.follower.read_on(1.0)
    assert cached.score(ITEMS) == plain.score(ITEMS)
    assert cached.cache.stats().stale >= 1


# --- the memory itself ---

COLUMNS = [
    ("$1", "int64?"), ("$2", "string?"), ("$3", "list<string>"), ("$4", "vector<float32, 3>"), ("$5", "bool"),
    ("$6", "map<string, list<int64>>"), ("$7", "vector<string, 2>"), ("$8", "float64"), ("$9", "list<list<int32>>?"),
]  # fmt: skip
ARROW = [
    pa.int64(), pa.string(), pa.list_(pa.string()), pa.list_(pa.float32(), 3), pa.bool_(),
    pa.map_(pa.string(), pa.list_(pa.int64())), pa.list_(pa.string(), 2), pa.float64(), pa.list_(pa.list_(pa.int32())),
]  # fmt: skip


def made(rng: random.Random, largest: int) -> tuple[Any, ...]:
    def text() -> str:
        return "é" * rng.randrange(largest)

    return (
        rng.choice([None, rng.getrandbits(60)]), rng.choice([None, text()]), [text() for _ in range(rng.randrange(4))],
        [rng.random() for _ in range(3)], rng.random() < 0.5, {f"{k}": [k] * k for k in range(rng.randrange(3))},
        [text(), text()], rng.random(), rng.choice([None, [[1] * k for k in range(rng.randrange(4))]]),
    )  # fmt: skip


def batch_of(rows: Sequence[tuple[Any, ...]]) -> Batch:
    arrays = [pa.array([row[c] for row in rows], type) for c, type in enumerate(ARROW)]
    return Batch.from_arrow(pa.RecordBatch.from_arrays(arrays, [name for name, _ in COLUMNS]), COLUMNS)


def rows_of(batch: Batch) -> list[tuple[Any, ...]]:
    return list(zip(*(batch.values(name) for name, _ in COLUMNS), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_comes_back_whatever_is_evicted(seed: int) -> None:
    rng = random.Random(seed)
    memory = Memory(1 << 20)
    tables = [ItemTable(memory, COLUMNS) for _ in range(2)]
    truth: dict[tuple[int, int], tuple[Any, ...]] = {}
    for now in range(400):
        which = rng.randrange(2)
        keys = [int(rng.paretovariate(0.4)) % 400 for _ in range(rng.randrange(20))]
        keys = list(dict.fromkeys(keys))
        if rng.random() < 0.3:
            changed = rng.randrange(400)
            memory.changed("movie", [changed])
            truth = {key: row for key, row in truth.items() if key[1] != changed}
        lookup = tables[which].find(keys, now)
        missing = [keys[i] for i in lookup.missing]
        lookup.made_of("movie", missing)
        fresh = batch_of([made(rng, 12_000 if now % 50 == 0 else 900) for _ in missing])
        truth |= {(which, key): row for key, row in zip(missing, rows_of(fresh), strict=True)}
        statuses = np.array([key % 3 for key in missing], np.uint8)
        lookup.add(fresh, statuses, now, now + 1_000, now + 1_000)
        order = [rng.randrange(len(keys)) for _ in range(30)] if keys else []
        found = rows_of(lookup.rows(np.array(order, np.int64)))
        assert found == [truth[which, keys[i]] for i in order]
        assert lookup.statuses.tolist() == [key % 3 for key in keys]
        stats = memory.stats()
        assert stats["bytes"] <= stats["limit_bytes"] == 1 << 20
    assert stats["evicted"] > 100
    assert stats["too_large"] > 0
    assert stats["hits"] > 100
    assert stats["stale"] > 0
    assert stats["entries"] > 20


def test_an_entry_that_is_read_outlives_its_eviction() -> None:
    memory = Memory(1 << 20)
    table = ItemTable(memory, [("$1", "string")])

    def add(keys: list[str], text: str) -> Any:
        lookup = table.find(keys, 0)
        arrays = pa.RecordBatch.from_arrays([pa.array([text] * len(lookup.missing))], ["$1"])
        lookup.add(
            Batch.from_arrow(arrays, [("$1", "string")]), np.zeros(len(lookup.missing), np.uint8), 0, 9, 9
        )
        return lookup

    add(["first"], "kept")
    held = table.find(["first"], 0)
    for i in range(100):
        add([f"{i}-{k}" for k in range(10)], "x" * 9_000)
    assert memory.stats()["evicted"] > 100
    assert held.rows(np.array([0])).values("$1") == ["kept"]


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(EngineError, match="at least 1 MiB"):
        Memory(1000)
    table = ItemTable(Memory(1 << 20), [("$1", "int64")])
    lookup = table.find(["a", "b"], 0)
    with pytest.raises(EngineError, match="not there"):
        lookup.rows(np.array([0]))
    with pytest.raises(EngineError, match="not as many keys"):
        lookup.made_of("movie", ["a"])
    with pytest.raises(EngineError, match="not as many keys"):
        lookup.made_of("movie", ["a", "b"], [1, 2])
    one = Batch.from_arrow(pa.record_batch([pa.array([1])], names=["$1"]), [("$1", "int64")])
    with pytest.raises(EngineError, match="not as many rows"):
        lookup.add(one, np.zeros(1, np.uint8), 0, 1, 1)
    with pytest.raises(EngineError, match="a key is a str"):
        table.find([1.5], 0)  # type: ignore[list-item]
