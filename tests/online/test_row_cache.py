"""Rows that a request leads to by a field are kept, until they change. That scores are those without it is in
`test_item_cache.py`, on random changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from online.client import ScorerClient
from online.row_cache import RowCache
from online.server import ScoringServer
from store.encode import RowEncoder
from store.interface import open_store
from tests.online.remote import until
from tests.online.shop import REQUEST, ROWS, bundle, fill, serving

SHOPPER = {"shopper": 1, "item": ["a", "b"]}


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"lmdb://{tmp_path / 'own'}"
    store = open_store(url, "shop", writable=True)
    fill(store)
    store.close()
    return url


@pytest.fixture
def served(url: str, registry: Path) -> Iterator[tuple[ScoringServer, ScorerClient]]:
    with serving(url, registry, cache_bytes=8 << 20, metrics_port=0) as (server, client):
        assert server.kept_rows is not None
        until(lambda: server.kept_rows.trusted)  # type: ignore[union-attr]
        yield server, client


def trips(server: ScoringServer) -> int:
    return sum(server.calls.totals().store_trips.counts)


def asked(server: ScoringServer, client: ScorerClient) -> tuple[int, list[float]]:
    """The questions to the store that a call takes, and its scores."""
    before = trips(server)
    done = sum(server.calls.totals().calls.values())
    scores = client.score(SHOPPER, {**REQUEST, "at": 1}).scores
    until(lambda: sum(server.calls.totals().calls.values()) > done)
    return trips(server) - before, scores


def test_a_known_request_asks_for_its_own_row_alone(
    served: tuple[ScoringServer, ScorerClient], url: str
) -> None:
    server, client = served
    first, cold = asked(server, client)
    again, warm = asked(server, client)
    assert (first, again) == (2, 1), "without the hops of the shopper's row"
    assert warm == cold
    writer = open_store(url, "shop", writable=True)
    goods = next(source for source in bundle().schema.sources if source.name == "goods")
    writer.put_many("goods", [("c", RowEncoder(goods).encode({**ROWS["goods"]["c"], "price": 90.0}))])
    until(lambda: asked(server, client)[1] != cold)
    assert asked(server, client) == (1, asked(server, client)[1])
    writer.delete_many("goods", ["c"])
    until(lambda: asked(server, client)[1] == cold)
    writer.close()
    stats = server.kept_rows.stats()  # type: ignore[union-attr]
    assert stats.hits > 0
    assert stats.entries == 4, "three liked goods, of which zz is none, and the maker of the home"


class Clock:
    now = 0.0


def kept(limit_bytes: int = 1 << 20) -> RowCache:
    cache = RowCache(limit_bytes, 100.0, lambda: Clock.now)
    cache.trusted = True
    return cache


def look(cache: RowCache, keys: list[str | int], rows: dict[str | int, bytes]) -> list[str | int]:
    """Looks keys up, with these rows in the store. Returns those that the store was asked for."""
    found = cache.find("s", keys)
    assert found is not None
    assert found.with_missing([rows.get(key) for key in found.missing]) == [rows.get(key) for key in keys]
    return found.missing


def test_time_to_live_and_what_is_told() -> None:
    cache = kept()
    Clock.now = 0.0
    rows: dict[str | int, bytes] = {"a": b"1", 7: b"2"}
    assert look(cache, ["a", "none", 7], rows) == ["a", "none", 7]
    assert look(cache, [7, "none", "a"], rows) == []
    Clock.now = 10.0
    assert look(cache, ["a", "none", 7], rows) == ["none"], "of what is not there for a tenth of the time"
    cache.changed("s", ["7"])
    cache.changed("other", ["a"])
    rows[7] = b"3"
    assert look(cache, ["a", 7], rows) == [7]
    cache.drop(["other"])
    assert look(cache, ["a", 7], rows) == []
    cache.drop(["s"])
    assert look(cache, ["a"], rows) == ["a"]
    cache.drop()
    assert cache.stats()[2:] == (0, 0)
    cache.trusted = False
    assert cache.find("s", ["a"]) is None


@pytest.mark.parametrize(
    "told", [lambda c: c.changed("s", ["a"]), lambda c: c.drop(["s"]), lambda c: c.drop()]
)
def test_a_change_while_its_row_is_on_the_way_is_not_missed(told: object) -> None:
    cache = kept()
    found = cache.find("s", ["a"])
    assert found is not None
    told(cache)  # type: ignore[operator]
    assert found.with_missing([b"old"]) == [b"old"], "as new as when it was asked for"
    assert look(cache, ["a"], {"a": b"new"}) == ["a"]
    lost = cache.find("s", ["b"])  # the store does not answer
    del lost
    assert len(cache._asking) == 0


def test_it_is_bounded_and_keeps_what_is_wanted() -> None:
    cache = kept(limit_bytes=100_000)
    rows: dict[str | int, bytes] = dict.fromkeys(range(1000), b"x" * 700)
    for key in range(1_000):
        look(cache, [0, key] if key else [0], rows)
    assert cache.stats().num_bytes <= 100_000
    assert 80 < cache.stats().entries <= 100
    assert look(cache, [0, 999], rows) == []
    assert look(cache, ["big"], {"big": b"x" * 200_000}) == ["big"]
    assert cache.stats().num_bytes <= 100_000
