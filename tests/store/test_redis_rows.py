"""Rows of Redis that the engine reads off the socket: beside what else a server says on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from engine._engine import StoredRows, mget_commands
from featdsl.levels import Level
from featdsl.program import Field, Source
from featdsl.types import INT64, STRING
from store import redis_in_time
from store.encode import RowEncoder
from store.interface import StoreUnavailable, open_store
from store.read import SourceReader
from store.redis_in_time import ConnectionInTime, OutOfTime, answer_within
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


def test_rows_are_read_as_they_come_in(store: RedisStore) -> None:
    declared = Source(
        "t", "item", INT64, Level.ITEM, (Field("n", INT64, -1), Field("name", STRING.optional())), "t"
    )
    encoder = RowEncoder(declared)
    store.put_schema(encoder.fingerprint, encoder.schema)
    rows = {key: {"n": key, "name": f"é{key}" * (key % 50)} for key in range(0, 700, 2)}
    store.put_many("t", [(key, encoder.encode(row)) for key, row in rows.items()])
    store.put_many("t", [(1, b"no row"), (3, encoder.encode({"n": 3, "name": "x"})[:-1] + b"\xff")])
    kept(store)
    keys = list(range(700))
    for reader in (SourceReader(declared, store), SourceReader(declared, store)):
        for _ in range(2):  # the first time the schema is not known
            begun = reader.begin(len(keys))
            (found,) = store.several([("t", keys)], readings=[begun])
            read, again, plain = reader.read(found, begun), reader.read(found, begun), reader.read([*found])
            for other in (again, plain):
                assert read.statuses.tolist() == other.statuses.tolist()
                assert read.counts == other.counts == (351, 348, 1, 0)
                for name in ("t.n", "t.name"):
                    assert read.batch.values(name) == other.batch.values(name)
            assert read.batch.values("t.n")[:5] == [0, -1, 2, 3, 4]
            assert read.batch.values("t.name")[2:5] == ["é2é2", None, "é4é4é4é4"]


def test_what_is_done_meanwhile_is_done_once(store: RedisStore) -> None:
    kept(store)
    done: list[int] = []
    (found,) = store.several([("s", ["a"] * 400)], meanwhile=lambda: done.append(1))
    assert list(found) == [b"1"] * 400
    assert done == [1]

    def fails() -> None:
        raise ValueError("what is done meanwhile")

    with pytest.raises(ValueError, match="what is done meanwhile"):
        store.several([("s", ["a"])], meanwhile=fails)
    assert store.get_many("s", ["a", "gone"]) == [b"1", None]


def test_what_was_begun_is_not_believed_when_the_connection_breaks(
    server: RedisServer, store: RedisStore
) -> None:
    reader = SourceReader(Source("s", "item", STRING, Level.ITEM, (Field("n", INT64, -1),), "s"), store)
    kept(store)
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    begun = reader.begin(2)
    (found,) = store.several([("s", ["a", "gone"])], readings=[begun])
    assert list(found) == [b"1", None]
    assert reader.read(found, begun).counts == (0, 1, 1, 0)


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


def test_an_answer_that_nobody_had_time_to_read_is_not_the_next_ones(server: RedisServer) -> None:
    connect: Any = ConnectionInTime
    connection = connect(port=server.port)
    connection.send_command("ECHO", "stale")
    with answer_within(0.0), pytest.raises(OutOfTime):
        connection.read_response()
    connection.send_command("ECHO", "fresh")
    assert connection.read_response() == b"fresh"
    connection.disconnect()


def test_a_connection_whose_time_is_up_while_it_is_made_is_not_used(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What redis-py asks first of all is answered there, too."""
    told = []
    sent: Any = redis.Connection.send_command

    def send(self: ConnectionInTime, *command: object, **options: object) -> None:
        sent(self, *command, **options)
        told.append(command[0])
        if len(told) == 2:
            redis_in_time._until.at = 0.0

    store = RedisStore(server.url, "half", timeout_s=5.0)
    store.put_many("profile", [("a", b"1")])
    store.close()
    monkeypatch.setattr(ConnectionInTime, "send_command", send)
    with pytest.raises(StoreUnavailable, match="the time for the answer is up"):
        store.several([("profile", ["a"])], within_s=60.0)
    for key, row in {"a": b"1", "b": None}.items():
        assert [list(rows) for rows in store.several([("profile", [key])], within_s=60.0)] == [[row]]
    store.close()
