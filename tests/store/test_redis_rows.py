"""Rows of Redis that the engine reads off the socket: beside what else a server says on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from engine._engine import StoredRows, mget_commands
from store.interface import StoreUnavailable, open_store
from store.redis_store import RedisStore
from tests.services import RedisServer, redis_server


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    opened = open_store(server.url, "n", 2.0)
    assert isinstance(opened, RedisStore)
    opened.put_many("s", [("a", b"1"), ("b", b""), ("c", b"x" * 300_000)])
    yield opened
    opened.close()


def kept(store: RedisStore) -> Any:
    """The connection that the next rows come over."""
    store.get_many("s", ["a"])
    return store._client._kept[-1]


def test_rows_lie_in_one_piece(store: RedisStore) -> None:
    kept(store)
    first, none, second = store.several([("s", ["a", "gone", "c"]), ("s", []), ("s", ["b", 7])])
    assert isinstance(first, StoredRows)
    assert [list(first), list(none), list(second)] == [[b"1", None, b"x" * 300_000], [], [b"", None]]
    assert len(first) == 3
    assert first[-1] == b"x" * 300_000
    assert list(first[1:]) == [None, b"x" * 300_000]
    with pytest.raises(IndexError):
        first[3]
    with pytest.raises(IndexError):
        first[::2]


def test_the_command_is_what_redis_py_would_send() -> None:
    keys: list[str | int] = ["plain", "é中", "", 0, -(2**63), 2**70, "\udc80"]
    wanted = [b"MGET", *(f"n:s:{key}".encode("utf-8", "surrogatepass") for key in keys), b"n:t:1"]
    connection: Any = redis.Connection
    packed = b"".join(connection().pack_command(*wanted))
    requests: list[tuple[bytes, list[str | int]]] = [(b"n:s:", keys), (b"n:t:", [1])]
    assert mget_commands(requests, 8) == [(packed, 8)]
    parts = [wanted[:3], [b"MGET", *wanted[3:6]], [b"MGET", *wanted[6:]]]
    assert mget_commands(requests, 3) == [
        (b"".join(connection().pack_command(*part)), len(part) - 1) for part in parts
    ]
    assert mget_commands([(b"n:s:", [])], 3) == []


def test_a_push_message_is_redis_pys(server: RedisServer, store: RedisStore) -> None:
    connection = kept(store)
    connection.send_command("CLIENT", "TRACKING", "ON", "BCAST")
    assert connection.read_response() == b"OK"
    with redis.Redis.from_url(server.url) as other:
        other.set("n:s:a", b"2")
    for _ in range(3):
        assert store.get_many("s", ["a", "b", "gone"]) == [b"2", b"", None]
    assert kept(store) is not None


def test_a_connection_that_broke_is_opened_again(server: RedisServer, store: RedisStore) -> None:
    kept(store)
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert store.get_many("s", ["a", "gone"]) == [b"1", None]
    assert isinstance(store.several([("s", ["a"])])[0], StoredRows)


def test_connections_go_back_to_the_pool(store: RedisStore) -> None:
    pool = store._client.connection_pool
    rows = [store.get_many("s", ["a"]) for _ in range(20)]
    assert rows == [[b"1"]] * 20
    assert pool.get_connection_count()[1][0] == 1
    store.close()
    assert not store._client._kept


def test_errors_are_redis_pys(server: RedisServer, store: RedisStore) -> None:
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "default", "-mget")
        try:
            with pytest.raises(StoreUnavailable, match="no permissions"):
                store.get_many("s", ["a"])
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "+@all")
    assert store.get_many("s", ["a", "gone"]) == [b"1", None]


def test_a_server_that_stops_within_the_calls_time(server: RedisServer, store: RedisStore) -> None:
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("CLIENT", "PAUSE", 400, "ALL")
    with pytest.raises(StoreUnavailable, match=r"[Tt]imeout"):
        store.several([("s", ["a"])], within_s=0.05)
    assert store.get_many("s", ["a"]) == [b"1"]
