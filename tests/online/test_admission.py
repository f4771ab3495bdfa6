"""What waits, what is refused at once, and what costs nothing: the queue of calls, alone and in a server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from online import call_threads
from online.admission import Admission
from online.calls_in_hand import CallsInHand
from online.client import ScorerClient
from online.errors import PUSHBACK_KEY, CallError, Reason, from_call, to_details
from online.listening import connections
from online.proto import SERVICE
from tests.online.shop import REQUEST, WeightModel, request_of, serving
from tests.online.test_robust import wait_for

KEYS = {"shopper": 1, "item": ["a", "d"]}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _calls_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in hand here, and not where other tests do what gives way to calls."""
    monkeypatch.setattr("online.admission.CALLS", CallsInHand())


def busy(admission: Admission, seconds: float) -> None:
    """One call that has run, so that the time of a call is known, and one that runs now."""
    assert admission.arrive(10.0) is None
    admission.leave(seconds)
    assert admission.arrive(10.0) is None


def test_calls_run_in_the_order_in_which_they_came() -> None:
    admission = Admission(1, 10, 10.0)
    busy(admission, 0.001)
    first, second = admission.arrive(10.0), admission.arrive(10.0)
    assert first is not None
    assert second is not None
    admission.leave(0.001)
    assert (first.outcome, second.outcome) == ("turn", "")
    admission.leave(0.001)
    assert second.outcome == "turn"
    second.wait()
    admission.leave(0.001)
    assert admission.arrive(10.0) is None, "nobody runs"


@pytest.mark.parametrize(
    ("most", "longest_s", "left_s", "taken"),
    [(10, 10.0, 10.0, 10), (10, 0.35, 10.0, 3), (10, 10.0, 0.95, 4), (0, 10.0, 10.0, 0)],
    ids=["by number", "by the bound on the wait", "by their deadline", "none"],
)
def test_the_queue_is_bounded(most: int, longest_s: float, left_s: float, taken: int) -> None:
    """A call takes 100 ms here and one runs at once: the next one waits 100 ms, the one after it 200 ms, …"""
    admission = Admission(1, most, longest_s, Clock())
    busy(admission, 0.1)
    for _ in range(taken):
        assert admission.arrive(left_s) is not None
    with pytest.raises(CallError) as refused:
        admission.arrive(left_s)
    assert refused.value.reason is Reason.QUEUE_FULL
    assert refused.value.retry_after_s == pytest.approx((taken + 1) * 0.1)
    assert admission.counts.refused == 1
    assert admission.waiting == taken


def test_a_call_is_let_through_where_fewer_run_than_may_whatever_the_estimate() -> None:
    admission = Admission(1, 10, 0.1, Clock())
    busy(admission, 60.0)
    with pytest.raises(CallError):
        admission.arrive(0.1)
    admission.leave(0.001)
    assert admission.arrive(0.1) is None


def test_the_time_is_up_while_it_waits() -> None:
    clock = Clock()
    admission = Admission(1, 10, 10.0, clock)
    busy(admission, 0.001)
    late, live = admission.arrive(1.0), admission.arrive(5.0)
    assert late is not None
    assert live is not None
    clock.now = 2.0
    admission.leave(0.001)
    assert (late.outcome, live.outcome) == ("late", "turn")
    with pytest.raises(CallError) as failed:
        late.wait()
    assert failed.value.metadata == {"stage": "queue"}
    assert admission.counts.late == 1


def test_a_call_waits_for_half_of_its_time_at_most() -> None:
    """What waits until the last moment is late in half of the cases, and then its work was for nothing."""
    admission = Admission(1, 100, 10.0, Clock())
    busy(admission, 0.1)
    for _ in range(4):
        assert admission.arrive(0.9) is not None
    with pytest.raises(CallError) as refused:
        admission.arrive(0.9)
    assert refused.value.reason is Reason.QUEUE_FULL


def test_a_call_whose_time_would_not_do_is_not_begun() -> None:
    clock = Clock()
    admission = Admission(2, 10, 10.0, clock)
    busy(admission, 0.1)
    with pytest.raises(CallError) as late:
        admission.arrive(0.05)
    assert late.value.reason is Reason.DEADLINE_EXCEEDED
    assert admission.arrive(0.2) is None
    waiting = admission.arrive(0.35)
    assert waiting is not None
    clock.now = 0.3
    admission.leave(0.1)
    assert waiting.outcome == "late", "50 ms are left, and a call takes 100"
    assert admission.counts.late == 2


def test_while_nothing_runs_a_call_of_little_time_is_tried() -> None:
    admission = Admission(2, 10, 10.0, Clock())
    busy(admission, 60.0)
    admission.leave(60.0)
    assert admission.arrive(0.01) is None
    admission.leave(0.001)
    with pytest.raises(CallError):
        admission.arrive(0.0)


def test_calls_that_were_given_up_do_not_make_calls_look_quick() -> None:
    admission = Admission(1, 10, 10.0, Clock())
    busy(admission, 0.1)
    for _ in range(100):
        assert admission.arrive(10.0) is not None
        admission.leave(0.001, whole=False)
    assert admission.expected_wait_s == pytest.approx(0.1)
    admission.leave(0.3, whole=False)
    assert admission.arrive(10.0) is None
    assert admission.expected_wait_s > 0.1, "so long it took at least"


def test_the_hint_travels() -> None:
    class Failed(grpc.RpcError):
        def trailing_metadata(self) -> Any:
            return to_details(CallError(Reason.QUEUE_FULL, "full", retry_after_s=1.25))

    assert dict(Failed().trailing_metadata())[PUSHBACK_KEY] == "1250"
    assert from_call(Failed(), "").retry_after_s == 1.25


@pytest.fixture
def model() -> WeightModel:
    return CountingModel()


class CountingModel(WeightModel):
    """Counts the calls that came as far as the model."""

    def __init__(self) -> None:
        super().__init__()
        self.predictions = 0

    def predict(self, *given: Any) -> Any:
        self.predictions += 1
        return super().predict(*given)


def test_calls_beyond_the_queue_are_refused_at_once_and_cost_nothing(
    lmdb_url: str, registry: Path, model: CountingModel
) -> None:
    with serving(lmdb_url, registry, model, threads=1, waiting_calls=2) as (server, client):
        model.hold.clear()
        with ThreadPoolExecutor(10) as pool:
            calls = [pool.submit(client.score, KEYS, REQUEST, timeout_s=20) for _ in range(3)]
            wait_for(lambda: server.admission.waiting, 2, 5)
            started = time.monotonic()
            with pytest.raises(CallError) as refused:
                client.score(KEYS, REQUEST, timeout_s=20)
            assert time.monotonic() - started < 5, "long before its deadline"
            assert refused.value.reason is Reason.QUEUE_FULL
            assert refused.value.retry_after_s is not None
            assert refused.value.exit_code == 3
            model.hold.set()
            assert [call.result().version for call in calls] == [1, 1, 1]
        assert model.predictions == 3
        assert server.admission.counts.refused == 1


def test_calls_that_are_cancelled_or_late_while_they_wait_cost_nothing(
    lmdb_url: str, registry: Path, model: CountingModel
) -> None:
    data = request_of(["a"])
    with (
        serving(lmdb_url, registry, model, threads=1) as (server, client),
        grpc.insecure_channel(client.address) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        score = channel.unary_unary(f"/{SERVICE}/Score")
        model.hold.clear()
        running = pool.submit(client.score, KEYS, REQUEST, timeout_s=20)
        wait_for(lambda: model.predictions, 1, 5)
        waiting = [score.future(data, timeout=20 if i < 4 else None) for i in range(5)]
        late = score.future(data, timeout=0.2)
        wait_for(lambda: server.admission.waiting + server.admission.counts.late, 6, 5)
        for call in waiting[:4]:
            call.cancel()
        assert late.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_for(lambda: server.admission.waiting, 1, 5)
        assert server.admission.counts.cancelled + server.admission.counts.late == 5
        model.hold.set()
        assert waiting[4].result()
        assert running.result().version == 1
        assert model.predictions == 2


def test_a_call_that_is_cancelled_while_it_runs_goes_no_further(
    lmdb_url: str, registry: Path, model: CountingModel
) -> None:
    with (
        serving(lmdb_url, registry, model) as (server, client),
        grpc.insecure_channel(client.address) as channel,
    ):
        reading, gone = threading.Event(), threading.Event()
        several = server.store.several

        def slow(*asked: Any) -> Any:
            reading.set()
            gone.wait(10)
            return several(*asked)

        server.store.several = slow  # type: ignore[method-assign]
        call = channel.unary_unary(f"/{SERVICE}/Score").future(request_of(["a"]), timeout=20)
        assert reading.wait(10)
        call.cancel()
        time.sleep(0.2)  # until the server has heard of it
        gone.set()
        assert client.score(KEYS, REQUEST).version == 1
        assert model.predictions == 1, "that of the call after it"


def test_calls_that_come_faster_than_they_are_looked_at_are_told_why(
    lmdb_url: str, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC by itself refuses some of 1,000 and more that wait to be looked at, as CANCELLED."""
    with (
        serving(lmdb_url, registry, threads=2, waiting_calls=20) as (server, client),
        grpc.insecure_channel(client.address) as channel,
    ):
        looks, first = server._service.service, threading.Event()

        def late(details: Any) -> Any:
            first.wait(20)
            return looks(details)

        monkeypatch.setattr(server._service, "service", late)
        score, data = channel.unary_unary(f"/{SERVICE}/Score"), request_of(["a"])
        calls = [score.future(data, timeout=60) for _ in range(1_600)]
        time.sleep(0.5)
        first.set()
        found = Counter(call.exception() and call.exception().code() for call in calls)
        assert found[None] > 0
        assert set(found) <= {None, grpc.StatusCode.RESOURCE_EXHAUSTED}, found


@pytest.mark.parametrize("way", ["as gRPC ends calls", "by its method"])
def test_what_is_refused_gets_no_thread(
    way: str, lmdb_url: str, registry: Path, model: CountingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its method tells it where gRPC has another way to end calls than the one that is known."""
    asked: list[CallError | None] = []

    def refused_here() -> CallError | None:
        asked.append(call_threads.refused_here())
        return asked[-1]

    monkeypatch.setattr("online.service.refused_here", refused_here)
    if way == "by its method":
        monkeypatch.setattr(call_threads, "grpc_server", SimpleNamespace())
    with (
        serving(lmdb_url, registry, model, threads=1, waiting_calls=1, metrics_port=0) as (server, client),
        grpc.insecure_channel(client.address) as channel,
    ):
        score, data = channel.unary_unary(f"/{SERVICE}/Score"), request_of(["a"])
        score(data)
        model.hold.clear()
        calls = [score.future(data, timeout=60) for _ in range(2)]
        wait_for(lambda: server.admission.waiting, 1, 10)
        threads = threading.active_count()
        asked.clear()
        refused = [score.future(data, timeout=60) for _ in range(50)]
        for call in refused:
            fault = call.exception()
            assert from_call(fault, "").reason is Reason.QUEUE_FULL
            assert from_call(fault, "").retry_after_s is not None
        assert threading.active_count() <= threads + 2
        assert server.calls.totals().calls["Score", "QUEUE_FULL"] == 50
        assert len(asked) == (0 if way == "as gRPC ends calls" else 50)
        model.hold.set()
        assert all(call.result() for call in calls)


def test_a_call_whose_time_was_up_before_it_was_looked_at_costs_nothing(
    lmdb_url: str, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(lmdb_url, registry, metrics_port=0) as (server, client),
        grpc.insecure_channel(client.address) as channel,
    ):
        looks = server._service.service

        def late(details: Any) -> Any:
            time.sleep(0.3)
            return looks(details)

        monkeypatch.setattr(server._service, "service", late)
        score = channel.unary_unary(f"/{SERVICE}/Score")
        assert (
            score.future(request_of(["a"]), timeout=0.1).exception().code()
            is grpc.StatusCode.DEADLINE_EXCEEDED
        )
        wait_for(lambda: server.calls.totals().calls["Score", "DEADLINE_EXCEEDED"], 1, 10)
        assert server.admission.counts.admitted == 0


def test_a_client_with_several_connections_spreads_its_calls(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry) as (_, client), ScorerClient(client.address, connections=3) as spread:
        assert [spread.score(KEYS, REQUEST).version for _ in range(6)] == [1] * 6
        assert connections(int(client.address.split(":")[1])) == 3
