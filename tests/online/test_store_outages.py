"""A Redis that is slow, cut off, or gone, before a server that keeps items: what fails says why, what was kept is not
older than what was written meanwhile, and everything recovers by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from online.client import ScorerClient
from online.errors import CallError, Reason
from store.encode import RowEncoder
from store.interface import open_store
from tests.online.shop import AT, REQUEST, ROWS, bundle, fill, serving
from tests.services import RedisServer, redis_server
from tests.slow_proxy import SlowProxy, slow_proxy

KEYS = {"shopper": 1, "item": ["a", "d"]}
RECOVERY_S = 2.0
CACHE = 8 << 20


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        fill(open_store(server.url, "shop"))
        yield server


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[SlowProxy]:
    with slow_proxy(redis.port) as started:
        yield started


def scores(client: ScorerClient) -> list[float]:
    return list(client.score(KEYS, {**REQUEST, "at": AT}).scores)


def soon(done: Callable[[], bool], seconds: float = RECOVERY_S) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
        except CallError as failed:
            if failed.reason is not Reason.STORE_DOWN:
                raise
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_store_that_is_slow_fails_the_call_in_its_time(proxy: SlowProxy, registry: Path) -> None:
    with serving(proxy.url, registry, cache_bytes=CACHE, store_timeout_s=0.3) as (_, client):
        before = scores(client)
        proxy.delay_s = 5.0
        started = time.monotonic()
        with pytest.raises(CallError) as failed:
            scores(client)
        assert failed.value.reason is Reason.STORE_DOWN
        assert time.monotonic() - started < 3.0
        proxy.delay_s = 0.0
        soon(lambda: scores(client) == before)


def test_what_changed_while_it_was_cut_off_is_seen(
    redis: RedisServer, proxy: SlowProxy, registry: Path
) -> None:
    with serving(proxy.url, registry, cache_bytes=CACHE, store_timeout_s=0.3) as (server, client):
        assert server.items is not None
        items = server.items
        before = scores(client)
        soon(lambda: scores(client) == before and items.stats().hits > 0)
        proxy.cut_off()
        with pytest.raises(CallError, match="the store does not answer"):
            scores(client)
        goods = bundle().schema.source("goods")
        changed = RowEncoder(goods).encode({**ROWS["goods"]["a"], "price": 99.0})
        open_store(redis.url, "shop").put_many("goods", [("a", changed)])
        proxy.cut = False
        soon(lambda: scores(client) != before)
        assert items.stats().stale == 1
        assert items.stats().drops == 0


def test_defaults_for_a_store_that_is_gone_are_not_kept(redis: RedisServer, registry: Path) -> None:
    options = {"cache_bytes": CACHE, "defaults_when_store_down": True}
    with serving(redis.url, registry, **options) as (server, client):
        assert server.items is not None
        items = server.items
        soon(lambda: client.score({"shopper": 1, "item": ["b"]}, REQUEST) is not None and items.trusted)
        redis.kill()
        answer = client.score(KEYS, REQUEST)
        assert answer.statuses == ["store_down", "store_down"]
        redis.start()
        assert client.score(KEYS, REQUEST).statuses == ["ok", "ok"]


def test_a_store_that_lost_its_rows_is_noticed(redis: RedisServer, registry: Path) -> None:
    """What was kept of them is dropped with the place in the stream that is gone."""
    with serving(redis.url, registry, cache_bytes=CACHE) as (server, client):
        assert server.items is not None
        items = server.items
        before = scores(client)
        soon(lambda: scores(client) == before and items.stats().hits > 0)
        with Redis(port=redis.port) as direct:
            direct.flushall()
        soon(lambda: client.score(KEYS, REQUEST).statuses == ["missing", "missing"])
        assert items.stats().drops >= 1
