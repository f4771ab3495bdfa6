"""`redis+cluster://` on a real cluster of three masters and three replicas."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from store.interface import Store, StoreUnavailable, open_store
from tests.redis_cluster import MASTERS, SLOTS, RedisCluster, redis_cluster, wait_until
from tests.standstill import stand_still

ROWS = [(f"k{number}", b"%d" % number) for number in range(500)]
RECOVERY_S = 2.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as started:
        yield started


@pytest.fixture
def store(cluster: RedisCluster) -> Iterator[Store]:
    opened = open_store(cluster.url, "movies", timeout_s=1.0)
    opened.put_many("movie", ROWS)
    yield opened
    opened.close()


def all_rows(store: Store) -> list[bytes | None]:
    return store.get_many("movie", [key for key, _ in ROWS])


WRITTEN = [row for _, row in ROWS]


def test_rows_of_all_nodes_come_back_in_the_order_of_the_keys(store: Store, cluster: RedisCluster) -> None:
    store.put_many("user", [(7, b"u")])
    keys = ["k3", "none", "k499", "k3", "k0"]
    assert store.several([("movie", keys), ("user", [7, 8])]) == [
        [b"3", None, b"499", b"3", b"0"],
        [b"u", None],
    ]
    assert all(client.dbsize() > 50 for client in cluster.clients[:MASTERS])
    store.delete_many("user", [7, 8])
    assert store.get_many("user", [7]) == [None]
    assert sorted(store.some_keys("movie", 10_000)) == sorted(key for key, _ in ROWS)
    store.put_schema(b"12345678", "{}")
    assert store.schema(b"12345678") == "{}"
    store.ping()


def test_changes_are_told(store: Store) -> None:
    before = store.changes(None, 0).position
    store.put_many("movie", [("k1", b"1"), ("k2", b"2")])
    store.delete_many("user", [9])
    told = store.changes(before, 1.0)
    assert [(source, keys) for source, keys in told.keys] == [("movie", ["k1", "k2"]), ("user", ["9"])]
    assert store.changes(told.position, 0.05).keys == []


def test_a_slot_that_moves_costs_no_call(store: Store, cluster: RedisCluster) -> None:
    assert all_rows(store) == WRITTEN
    for key in ("k0", "k1", "k2"):
        slot = key_slot(store.stored_key("movie", key))
        owner = slot * MASTERS // SLOTS
        cluster.move_slot(slot, owner, (owner + 1) % MASTERS)
        assert all_rows(store) == WRITTEN
    store.put_many("movie", [("k0", b"0")])
    assert all_rows(store) == WRITTEN


def test_a_node_that_hangs_costs_no_more_than_the_calls_time(store: Store, cluster: RedisCluster) -> None:
    """All slots of it, one by one, would."""
    assert all_rows(store) == WRITTEN
    pid = cluster.servers[2].pid
    keys = [key for key, _ in ROWS]
    stand_still(pid)
    try:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="time for the answer is up"):
            store.several([("movie", keys)], within_s=0.1)
        took = time.monotonic() - started
    finally:
        os.kill(pid, signal.SIGCONT)
    assert took < 0.4, "less than the store's timeout"
    wait_until(lambda: cluster.is_whole(0), "the cluster does not come to itself")
    wait_until(lambda: comes_back(store, 1.0), "the rows do not come back")


def test_a_write_to_a_node_that_hangs_ends_too(
    cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may have been written is told all the same."""
    monkeypatch.setattr("store.redis_cluster_store._TIMEOUTS_OF_WRITES", 1.5)  # before a replica takes over
    store = open_store(cluster.url, "movies", timeout_s=0.2)
    store.put_many("movie", ROWS[:50])
    stopped = [cluster.servers[number].pid for number in (0, 1, 2)]
    told_by = key_slot(b"movies:changes") * MASTERS // SLOTS
    pid = stopped[(told_by + 1) % MASTERS]
    before = store.changes(None, 0).position
    stand_still(pid)
    try:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="time for the answer is up"):
            store.put_many("movie", ROWS)
        took = time.monotonic() - started
    finally:
        os.kill(pid, signal.SIGCONT)
    assert took < 5.0, "a second or so, and not a timeout a slot"
    wait_until(lambda: all(map(cluster.is_whole, range(2 * MASTERS))), "the cluster does not come to itself")
    other = open_store(cluster.url, "movies", timeout_s=1.0)
    told = other.changes(before, 1.0)
    assert told.lost or ("movie", [key for key, _ in ROWS]) in [(s, list(k or ())) for s, k in told.keys]
    store.close()
    other.close()


def comes_back(store: Store, within_s: float) -> bool:
    try:
        return store.several([("movie", [key for key, _ in ROWS])], within_s) == [WRITTEN]
    except StoreUnavailable:
        return False


def test_after_a_failover_it_goes_on(store: Store, cluster: RedisCluster) -> None:
    """A master is gone after it."""
    assert all_rows(store) == WRITTEN
    for number in range(MASTERS):
        cluster.clients[number].wait(1, 2000)
    cluster.servers[1].kill()
    others = [0, 2, 4]
    with pytest.raises(StoreUnavailable, match="does not answer"):
        all_rows(store)
    wait_until(
        lambda: (
            cluster.clients[4].info("replication")["role"] == "master" and all(map(cluster.is_whole, others))
        ),
        "no replica takes over",
    )
    taken_over = time.monotonic()
    while True:
        try:
            assert all_rows(store) == WRITTEN
            break
        except StoreUnavailable:
            assert time.monotonic() < taken_over + RECOVERY_S
    store.put_many("movie", ROWS)
    assert all_rows(store) == WRITTEN


def test_when_a_node_that_hangs_is_replaced_calls_of_little_time_learn_it(
    store: Store, cluster: RedisCluster
) -> None:
    """The last test: a master hangs after it."""
    cluster.clients[0].wait(1, 2000)
    pid = cluster.servers[0].pid
    stand_still(pid)
    try:
        wait_until(
            lambda: not comes_back(store, 0.1) and cluster.clients[3].info("replication")["role"] == "master",
            "no replica takes over",
        )
        wait_until(lambda: all(map(cluster.is_whole, [2, 3, 4])), "the cluster does not come to itself")
        wait_until(lambda: comes_back(store, 0.1), "it is not learned", 2 * RECOVERY_S)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_cluster_that_is_not_there_is_told_when_it_is_asked() -> None:
    store = open_store("redis+cluster://user:secret@127.0.0.1:1", "movies", timeout_s=0.2)
    with pytest.raises(StoreUnavailable, match="does not answer") as fault:
        store.get_many("movie", ["a"])
    assert "secret" not in fault.value.message
