"""What a server must stand: garbage, a store that dies, many clients at once, being told to stop."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featdsl.errors import InputError
from online.client import ScorerClient
from online.errors import CallError, Reason
from online.observe.key_hash import key_hash
from online.proto.scorer_pb2 import ScoreRequest
from store.interface import open_store
from tests.online.shop import AT, REQUEST, WeightModel, fill, publish, serving
from tests.services import RedisServer, redis_server
from tests.standstill import stand_still

KEYS = {"shopper": 1, "item": ["a", "d"]}
METHODS = ("Score", "Explain", "GetModels")


def health(address: str) -> str:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="featdsl.v1.Scorer"), timeout=5
        )
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return name


def wait_for(what: object, expected: object, seconds: float) -> float:
    """Waits until `what()` is as expected; returns how long that took."""
    started = time.monotonic()
    while what() != expected:  # type: ignore[operator]
        assert time.monotonic() - started < seconds, f"not {expected!r} in {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        fill(open_store(server.url, "shop"))
        yield server


@pytest.fixture(scope="module")
def garbled(lmdb_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScorerClient]:
    folder = tmp_path_factory.mktemp("garbled")
    publish(folder / "registry", folder, 1.0)
    with serving(lmdb_url, folder / "registry") as (_, client):
        yield client


def send(address: str, method: str, data: bytes) -> grpc.StatusCode:
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(f"/featdsl.v1.Scorer/{method}")(data, timeout=10)
        except grpc.RpcError as failed:
            code: grpc.StatusCode = failed.code()
            return code
    return grpc.StatusCode.OK


def test_random_bytes_get_an_answer_and_leave_the_server_up(garbled: ScorerClient) -> None:
    chance = random.Random(7)
    good = ScoreRequest.FromString(b"")
    good.keys["shopper"].integers.values.append(1)
    good.keys["item"].strings.values.extend(["a", "b"])
    good.request["country"].string_value = "NL"
    good.candidate["channel"].strings.values.extend(["x", "y"])
    base = good.SerializeToString()
    seen = set()
    with grpc.insecure_channel(garbled.address) as channel:
        calls = {name: channel.unary_unary(f"/featdsl.v1.Scorer/{name}") for name in METHODS}
        for i in range(600):
            data = bytearray(base if i % 2 else chance.randbytes(chance.randrange(200)))
            for _ in range(chance.randrange(1, 4)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                calls[METHODS[i % 3]](bytes(data), timeout=10)
            except grpc.RpcError as failed:
                seen.add(failed.code())
    assert seen <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    assert garbled.score(KEYS, REQUEST).version == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    field=st.sampled_from(["at", "country", "limits"]),
)
def test_any_value_for_any_field_is_taken_or_refused(
    garbled: ScorerClient, value: object, field: str
) -> None:
    reason = None
    try:
        garbled.explain({"shopper": 1, "item": "a"}, {**REQUEST, field: value})
    except CallError as refused:
        reason = refused.reason
    except InputError:
        pass  # the client itself cannot say it: a list of several types
    assert reason in (None, Reason.BAD_FIELD_TYPE, Reason.MISSING_FIELD)


def test_an_unknown_method_and_a_message_that_is_too_large(garbled: ScorerClient) -> None:
    assert send(garbled.address, "Nothing", b"") is grpc.StatusCode.UNIMPLEMENTED
    assert send(garbled.address, "Score", bytes(65 << 20)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert garbled.score(KEYS, REQUEST).version == 1


def test_reflection_lists_the_service(garbled: ScorerClient) -> None:
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    with grpc.insecure_channel(garbled.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "featdsl.v1.Scorer" in database.get_services()
        assert database.FindFileContainingSymbol("featdsl.v1.Scorer").package == "featdsl.v1"


def test_eight_clients_at_once_get_what_one_gets(redis: RedisServer, registry: Path) -> None:
    with serving(redis.url, registry, threads=4) as (_, client):
        expected = client.score(KEYS, {**REQUEST, "at": AT}).scores

        def ask(number: int) -> int:
            with ScorerClient(client.address) as own:
                for i in range(40):
                    items = ["a", "d"] * (1 + (i + number) % 7)
                    answer = own.score({"shopper": 1, "item": items}, {**REQUEST, "at": AT})
                    assert answer.scores == expected * (len(items) // 2)
            return 40

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(ask, range(8))) == 320


def test_a_store_that_dies_is_named_and_recovered_from(redis: RedisServer, registry: Path) -> None:
    with serving(redis.url, registry) as (_, client):
        before = client.score(KEYS, {**REQUEST, "at": AT}).scores
        assert health(client.address) == "SERVING"
        redis.kill()
        with pytest.raises(CallError) as failed:
            client.score(KEYS, REQUEST)
        assert failed.value.reason is Reason.STORE_DOWN
        assert failed.value.exit_code == 3
        wait_for(lambda: health(client.address), "NOT_SERVING", 3)
        assert not client.models().store_ok
        redis.start()
        assert client.score(KEYS, {**REQUEST, "at": AT}).scores == before
        assert wait_for(lambda: health(client.address), "SERVING", 2) < 2


def test_a_store_that_hangs_costs_a_call_no_more_than_its_deadline(
    redis: RedisServer, registry: Path
) -> None:
    with serving(redis.url, registry, store_timeout_s=20.0, threads=1) as (server, client):
        before = client.score(KEYS, {**REQUEST, "at": AT}).scores
        stand_still(redis.pid)
        try:
            started = time.monotonic()
            with pytest.raises(CallError) as failed:
                client.score(KEYS, REQUEST, timeout_s=0.5)
            wait_for(lambda: server.admission.running, 0, 10)
            assert time.monotonic() - started < 10, "the thread is free, though the store's timeout is 20 s"
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        assert failed.value.reason is Reason.DEADLINE_EXCEEDED
        assert client.score(KEYS, {**REQUEST, "at": AT}).scores == before


def test_going_on_with_defaults_when_the_store_is_down(redis: RedisServer, registry: Path) -> None:
    with serving(redis.url, registry, defaults_when_store_down=True) as (_, client):
        redis.kill()
        answer = client.score(KEYS, REQUEST)
        assert answer.statuses == ["store_down", "store_down"]
        assert answer.request_status == "store_down"
        redis.start()
        assert client.score(KEYS, REQUEST).statuses == ["ok", "ok"]


def test_a_store_that_comes_after_the_server(tmp_path: Path, registry: Path) -> None:
    url = f"lmdb://{tmp_path / 'store'}"
    with serving(url, registry) as (_, client):
        assert health(client.address) == "NOT_SERVING"
        with pytest.raises(CallError) as failed:
            client.score(KEYS, REQUEST)
        assert failed.value.reason is Reason.STORE_DOWN
        fill(open_store(url, "shop", writable=True))
        assert client.score(KEYS, REQUEST).statuses == ["ok", "ok"]
        wait_for(lambda: health(client.address), "SERVING", 2)


def test_rows_that_do_not_decode_read_as_missing(
    tmp_path: Path, registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"lmdb://{tmp_path / 'store'}"
    store = open_store(url, "shop", writable=True)
    fill(store)
    (whole,) = store.get_many("goods", ["a"])
    assert whole is not None
    garbage = [b"", b"x", whole[:-1], whole[:2] + bytes(8) + whole[10:], bytes(100)]
    store.put_many("goods", [(f"bad{i}", row) for i, row in enumerate(garbage)])
    with serving(url, registry) as (_, client):
        items = ["a", *(f"bad{i}" for i in range(len(garbage)))]
        answer = client.score({"shopper": 2, "item": items}, REQUEST)
        missing = client.score({"shopper": 2, "item": ["never"]}, REQUEST)
    assert answer.statuses == ["ok", *["unreadable"] * len(garbage)]
    assert set(answer.scores[1:]) == set(missing.scores)
    told = [record.getMessage() for record in caplog.records if record.name == "featdsl.rows"]
    assert told == [
        f"source goods: 5 rows do not decode and read as missing; the hash of the last one's key: {key_hash('bad4')}"
    ]


def test_stopping_answers_what_is_in_flight(lmdb_url: str, registry: Path) -> None:
    model = WeightModel()
    with serving(lmdb_url, registry, model, threads=2) as (server, client):
        client.score(KEYS, REQUEST)
        model.hold.clear()
        with ThreadPoolExecutor(9) as pool:
            calls = [pool.submit(client.score, KEYS, REQUEST) for _ in range(8)]
            time.sleep(0.3)
            stop = pool.submit(server.stop, 10)
            wait_for(lambda: health_of_stopping(client.address), "NOT_SERVING", 2)
            time.sleep(0.3)
            model.hold.set()
            assert [call.result().version for call in calls] == [1] * 8
            stop.result()
        with pytest.raises(CallError) as failed:
            client.score(KEYS, REQUEST, timeout_s=2)
        assert failed.value.reason in (Reason.NO_SERVER, Reason.DRAINING)


def test_a_server_that_has_stopped_has_no_threads(lmdb_url: str, registry: Path) -> None:
    gc.collect()
    before = set(threading.enumerate())
    with serving(lmdb_url, registry, threads=4) as (_, client), ThreadPoolExecutor(4) as pool:
        for call in [pool.submit(client.score, KEYS, REQUEST) for _ in range(20)]:
            call.result()
    gc.disable()  # what only a collection ends stays for as long as none comes
    try:
        wait_for(lambda: {t.name for t in set(threading.enumerate()) - before}, set(), 5)
    finally:
        gc.enable()


def health_of_stopping(address: str) -> str:
    try:
        return health(address)
    except grpc.RpcError:
        return "NOT_SERVING"


def test_versions_change_under_clients_and_no_answer_mixes_them(
    lmdb_url: str, registry: Path, tmp_path: Path
) -> None:
    """`buy` is the version's weight for each item: an answer of two versions would show two values."""
    from model_sync import open_registry

    model, done, answered = WeightModel(), threading.Event(), []
    with serving(lmdb_url, registry, model, threads=4) as (_, client):
        weights = {1: 2.0}

        def ask() -> None:
            with ScorerClient(client.address) as own:
                while not done.is_set():
                    answer = own.score({"shopper": 1, "item": ["a", "d"] * 20}, REQUEST, want_outputs=True)
                    answered.append((answer.version, set(answer.outputs["buy"])))

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            for weight in (3.0, 5.0, 7.0):
                number = publish(registry, tmp_path, weight)
                weights[number] = weight
                wait_for(lambda: model_version(client), number, 3)
            open_registry(f"dir://{registry}").rollback(2, now_us=1)
            wait_for(lambda: model_version(client), 2, 3)
            done.set()
            for one in asking:
                one.result()
    assert {version for version, _ in answered} == {1, 2, 3, 4}
    assert all(values == {weights[version]} for version, values in answered)


def model_version(client: ScorerClient) -> int | None:
    return client.models().models[0].serving_version
