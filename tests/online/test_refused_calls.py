"""Calls that are refused: each with its own reason, and what to do about it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from online.budget import Budget
from online.client import ScorerClient
from online.errors import CallError, Reason, from_call
from online.models import ModelTimeout
from online.observe.record import CallRecord, current_call
from online.proto import SERVICE
from tests.online.shop import REQUEST, WeightModel, request_of, serving

GOOD: dict[str, Any] = {"keys": {"shopper": 1, "item": ["a", "b"]}, "request": REQUEST}

CASES: list[tuple[dict[str, Any], Reason, str, str]] = [
    ({"model": "rankr"}, Reason.UNKNOWN_MODEL, "no such model: rankr", "serves `ranker`"),
    ({"request": {**REQUEST, "cuntry": "NL"}}, Reason.UNKNOWN_FIELD, "request field: cuntry", "`country`"),
    ({"request": {}}, Reason.MISSING_FIELD, "country", ""),
    ({"request": {"country": None}}, Reason.MISSING_FIELD, "country", ""),
    ({"request": {"country": 3}}, Reason.BAD_FIELD_TYPE, "`country` is string, given int", ""),
    ({"request": {**REQUEST, "at": "noon"}}, Reason.BAD_FIELD_TYPE, "`at` is timestamp, given string", ""),
    ({"request": {**REQUEST, "limits": ["x"]}}, Reason.BAD_FIELD_TYPE, "`limits` is list<float64>", ""),
    ({"request": {**REQUEST, "limits": 3.0}}, Reason.BAD_FIELD_TYPE, "given float", ""),
    ({"candidate": {"chanel": ["x", "y"]}}, Reason.UNKNOWN_FIELD, "candidate field: chanel", "`channel`"),
    ({"candidate": {"channel": ["x"]}}, Reason.BAD_COLUMN_LENGTH, "1 values for 2 candidates", ""),
    ({"candidate": {"channel": [1, 2]}}, Reason.BAD_FIELD_TYPE, "`channel` is string, given int", ""),
    ({"candidate": {"position": [2**40, 0]}}, Reason.BAD_FIELD_TYPE, "does not fit", ""),
    ({"keys": {"item": ["a"]}}, Reason.MISSING_KEY, "shopper", ""),
    ({"keys": {"shopper": 1}}, Reason.MISSING_KEY, "item", ""),
    ({"keys": {"shopper": "1", "item": ["a"]}}, Reason.BAD_KEY_TYPE, "`shopper` are int64", ""),
    ({"keys": {"shopper": 1, "item": [1]}}, Reason.BAD_KEY_TYPE, "`item` are string", ""),
    ({"keys": {"shopper": [1, 2], "item": ["a"]}}, Reason.BAD_KEY_COUNT, "one key per request: 2", ""),
    ({"keys": {"shopper": 1, "items": ["a"]}}, Reason.UNKNOWN_ENTITY, "items", "`item`"),
    ({"keys": {"shopper": 1, "item": ["a"] * 101}}, Reason.TOO_MANY_ITEMS, "100 candidates: 101", ""),
]


@pytest.fixture(scope="module")
def refusing(lmdb_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.online.shop import publish

    folder = tmp_path_factory.mktemp("refusing")
    publish(folder / "registry", folder, 1.0)
    with serving(lmdb_url, folder / "registry", max_items=100) as (_, client):
        yield client


@pytest.mark.parametrize(("change", "reason", "message", "help"), CASES)
def test_a_call_at_fault_says_what_is_wrong(
    refusing: ScorerClient, change: dict[str, Any], reason: Reason, message: str, help: str
) -> None:
    with pytest.raises(CallError) as failed:
        refusing.score(**{**GOOD, **change})
    assert failed.value.reason is reason
    assert message in failed.value.message
    assert help in failed.value.help
    assert failed.value.exit_code == 1


def test_explain_takes_one_candidate(refusing: ScorerClient) -> None:
    with pytest.raises(CallError) as failed:
        refusing.explain({"shopper": 1, "item": "a"}, {"cuntry": "NL"})
    assert failed.value.reason is Reason.UNKNOWN_FIELD


def test_the_reason_is_where_other_clients_look(refusing: ScorerClient) -> None:
    from google.protobuf.any_pb2 import Any as AnyMessage

    channel = grpc.insecure_channel(refusing.address)
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/featdsl.v1.Scorer/Score")(b"", timeout=5)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = dict(failed.value.trailing_metadata())["grpc-status-details-bin"]
    assert b"type.googleapis.com/google.rpc.ErrorInfo" in details
    assert b"MISSING_KEY" in details
    assert AnyMessage.DESCRIPTOR.full_name == "google.protobuf.Any"
    channel.close()


def test_nothing_published_yet(lmdb_url: str, tmp_path: Path) -> None:
    with serving(lmdb_url, tmp_path / "none") as (_, client):
        with pytest.raises(CallError) as failed:
            client.score(**GOOD)
        assert failed.value.reason is Reason.NO_MODEL_YET
        assert failed.value.exit_code == 3
        assert client.explain({"shopper": 1, "item": "a"}, REQUEST).features["price"].value == 1.5
        assert client.models().models[0].serving_version is None


def test_a_call_that_somebody_ends_without_a_reason() -> None:
    class Ends(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda data, context: context.cancel())

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Ends()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with ScorerClient(f"127.0.0.1:{port}") as client, pytest.raises(CallError) as failed:
        client.score(**GOOD)
    server.stop(0).wait()
    assert failed.value.reason is Reason.CANCELLED
    assert "ended without an answer" in failed.value.message


def test_no_server() -> None:
    with ScorerClient("127.0.0.1:1", timeout_s=2) as client, pytest.raises(CallError) as failed:
        client.score(**GOOD)
    assert failed.value.reason is Reason.NO_SERVER
    assert failed.value.exit_code == 3


def test_the_deadline_names_its_stage(lmdb_url: str, registry: Path) -> None:
    """The server's own limit, so that no client ends the call first, however busy the machine is."""
    given: list[float] = []

    class Slow(WeightModel):
        def predict(self, version, tensors, deadline_s):  # type: ignore[no-untyped-def]
            given.append(deadline_s)
            time.sleep(deadline_s)
            raise ModelTimeout

    limits = {"default_timeout_s": 1.5}
    with (
        serving(lmdb_url, registry, Slow(), **limits) as (_, client),
        grpc.insecure_channel(client.address) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        channel.unary_unary(f"/{SERVICE}/Score")(request_of(["a", "b"]))
    fault = from_call(failed.value, client.address)
    assert fault.reason is Reason.DEADLINE_EXCEEDED
    assert fault.metadata == {"stage": "model"}
    assert 0 < given[0] < 1.5


@pytest.mark.parametrize(("left_s", "kept_s"), [(20.0, 0.010), (0.05, 0.005), (None, 0.010)])
def test_time_is_kept_back_to_tell_that_it_is_up(left_s: float | None, kept_s: float) -> None:
    record = CallRecord("Score")
    record.left_s = left_s
    assert Budget(record, 10.0, clock=lambda: 5.0).left() == pytest.approx((left_s or 10.0) - kept_s)


def test_a_callers_deadline_is_the_models(lmdb_url: str, registry: Path) -> None:
    given: list[tuple[float, float]] = []

    class Late(WeightModel):
        def predict(self, version, tensors, deadline_s):  # type: ignore[no-untyped-def]
            call = current_call.get()
            given.append((deadline_s, call.left_s))
            raise ModelTimeout

    with serving(lmdb_url, registry, Late()) as (_, client), pytest.raises(CallError) as failed:
        client.score(**GOOD, timeout_s=20.0)
    assert failed.value.reason is Reason.DEADLINE_EXCEEDED
    assert failed.value.metadata == {"stage": "model"}
    left_s, told_s = given[0]
    assert 0 < left_s <= told_s - 0.010
    assert told_s < 21.0  # gRPC tells it by the clock on the wall, which may be set in between


def test_a_fault_of_the_model_is_not_the_servers_end(lmdb_url: str, registry: Path) -> None:
    class Wrong(WeightModel):
        def predict(self, version, tensors, deadline_s):  # type: ignore[no-untyped-def]
            return {"like": tensors["dense"]}

    class Raising(WeightModel):
        def predict(self, version, tensors, deadline_s):  # type: ignore[no-untyped-def]
            raise RuntimeError("surprise")

    for model, reason, said in (
        (Wrong(), Reason.MODEL_FAILED, "gave [2, 5] for `like`, wanted [2]"),
        (Raising(), Reason.INTERNAL, "in its log under"),
    ):
        with serving(lmdb_url, registry, model) as (_, client):
            for _ in range(2):
                with pytest.raises(CallError) as failed:
                    client.score(**GOOD)
                assert failed.value.reason is reason
                assert said in failed.value.message
            assert client.models().store_ok
