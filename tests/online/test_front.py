"""What the front of the server must stand: clients that are slow, silent, many, huge, or send anything."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from online import receiving
from online.client import ScorerClient
from online.errors import CallError, Reason
from online.listening import connections
from online.proto import SERVICE
from online.server import ScoringServer
from online.service import ScorerService
from tests.online.raw import Raw
from tests.online.shop import REQUEST, publish, request_of, serving
from tests.online.test_robust import METHODS, health, send, wait_for

KEYS = {"shopper": 1, "item": ["a", "d"]}
THREADS = 2
IDLE = 10_000


@pytest.fixture(scope="module")
def front(
    lmdb_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ScoringServer, ScorerClient]]:
    folder = tmp_path_factory.mktemp("front")
    publish(folder / "registry", folder, 1.0)
    with serving(lmdb_url, folder / "registry", threads=THREADS, metrics_port=0) as (server, client):
        yield server, client


Front = tuple[ScoringServer, ScorerClient]


def test_many_idle_connections(front: Front) -> None:
    """As many as this process may have open on both sides, 10,000 where it may."""
    _, client = front
    port = int(client.address.split(":")[1])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, (hard - 1_000) // 2)
    assert count > 1_000, f"too few files may be open for this test: {hard}; `ulimit -n 20000`"
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Raw(client.address).socket)
        wait_for(lambda: connections(port) >= count, True, 60)
        with ScorerClient(client.address) as fresh:
            assert fresh.score(KEYS, REQUEST).version == 1
        assert client.score(KEYS, REQUEST).version == 1
        assert health(client.address) == "SERVING"
    wait_for(lambda: connections(port) < 10, True, 60)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_clients_that_send_half_a_request_keep_no_other_waiting(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = front
    with ExitStack() as stack:
        half = [Raw(client.address) for _ in range(20 * THREADS)]
        for one in half:
            stack.enter_context(one.socket)
            one.call("Score", b"\x0a", promised=100)
        wait_for(server.receiving, len(half), 10)
        started = time.monotonic()
        assert client.score(KEYS, REQUEST).version == 1
        assert time.monotonic() - started < 2
        ended = server.calls.totals().calls["Score", "DEADLINE_EXCEEDED"]
        monkeypatch.setattr(receiving, "RECEIVED_IN_S", 0.1)
        wait_for(server.receiving, 0, 10)
        for one in half:
            assert b"grpc-status\x014" in one.said(b"the request did not come in 10 s")
        assert server.calls.totals().calls["Score", "DEADLINE_EXCEEDED"] == ended + len(half)


@pytest.mark.parametrize(
    ("data", "promised"),
    [(b"", 0), (b"\x0a", 100), (request_of(["a"])[:-1], 1000)],
    ids=["nothing", "its first byte", "all but its last"],
)
def test_a_call_that_ends_before_its_request_is_told_so(front: Front, data: bytes, promised: int) -> None:
    _, client = front
    raw = Raw(client.address)
    with raw.socket:
        if promised:
            raw.call("Score", data, promised=promised, ends=True)
        else:
            raw.begin("Score", ends=True)
        assert b"grpc-status\x013" in raw.said(b"the call ended before its request was there")


def test_a_client_that_goes_away_amid_its_request_is_counted(front: Front) -> None:
    server, client = front
    before = server.calls.totals().calls["Score", "CANCELLED"]
    raw = Raw(client.address)
    with raw.socket:
        raw.call("Score", b"\x0a", promised=100)
        wait_for(server.receiving, 1, 10)
    wait_for(lambda: server.calls.totals().calls["Score", "CANCELLED"], before + 1, 10)


def test_half_a_request_does_not_keep_a_server_that_stops(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry) as (server, client):
        raw = Raw(client.address)
        with raw.socket:
            raw.call("Score", b"\x0a", promised=100)
            wait_for(server.receiving, 1, 10)
            server.stop(grace_s=0.5)
            assert b"grpc-status\x0214" in raw.said(b"the server stops, and the request has not come")


def test_calls_that_a_stopping_server_has_not_looked_at_are_told_so(
    lmdb_url: str, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC holds them, and would end them without a word."""
    with serving(lmdb_url, registry) as (server, client), grpc.insecure_channel(client.address) as channel:
        ask = channel.unary_unary(f"/{SERVICE}/Score")
        ask(request_of(["a"]))
        look = server._service.service

        def look_late(_: ScorerService, details: object) -> object:
            time.sleep(0.03)
            return look(details)

        monkeypatch.setattr(ScorerService, "service", look_late)
        calls = [ask.future(request_of(["a"]), timeout=30) for _ in range(25)]
        time.sleep(0.05)
        server.stop(grace_s=5)
        codes = {call.code() for call in calls}
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_clients_that_do_not_read_their_answers_keep_no_other_waiting(front: Front) -> None:
    server, client = front
    data = request_of(["a", "d"] * 2_000)
    answered = server.admission.counts.admitted
    with ExitStack() as stack:
        for _ in range(20 * THREADS):
            deaf = Raw(client.address, window=0)
            stack.enter_context(deaf.socket)
            deaf.call("Score", data)
        wait_for(lambda: server.admission.counts.admitted >= answered + 20 * THREADS, True, 20)
        wait_for(lambda: server.admission.expected_wait_s, 0.0, 20)
        started = time.monotonic()
        assert client.score(KEYS, REQUEST).version == 1
        assert time.monotonic() - started < 2


def test_a_request_of_100_mb_is_refused(front: Front) -> None:
    _, client = front
    assert send(client.address, "Score", bytes(100 << 20)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.score(KEYS, REQUEST).version == 1


def test_a_call_of_a_million_items_is_refused(front: Front) -> None:
    _, client = front
    with pytest.raises(CallError) as refused:
        client.score({"shopper": 1, "item": np.array(["a", "d"] * 500_000)}, REQUEST)
    assert refused.value.reason is Reason.TOO_MANY_ITEMS
    assert client.score(KEYS, REQUEST).version == 1


def test_a_call_of_a_million_items_is_answered_where_so_many_are_wanted(
    lmdb_url: str, registry: Path
) -> None:
    with serving(lmdb_url, registry, max_items=1_000_000) as (_, client):
        answer = client.score({"shopper": 1, "item": np.array(["a", "d"] * 500_000)}, REQUEST, timeout_s=120)
        few = client.score(KEYS, REQUEST)
    assert len(answer.scores) == 1_000_000
    assert answer.scores[:2] == few.scores


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), method=st.sampled_from(METHODS), cut=st.integers(0, 200))
def test_any_bytes_get_an_answer(front: Front, data: bytes, method: str, cut: int) -> None:
    """Bytes alone, and in the middle of a request that is good."""
    _, client = front
    good = request_of(["a", "b", "d"])
    for sent in (data, good[:cut] + data + good[cut:]):
        code = send(client.address, method, sent)
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_http_close_the_connection_and_no_more(front: Front, data: bytes) -> None:
    _, client = front
    host, _, port = client.address.partition(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(data)
    assert threading.active_count() < 200
    assert client.score(KEYS, REQUEST).version == 1
