"""Traces, as a collector gets them: an OTLP receiver takes the spans of a real client and a real server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from online.client import ScorerClient
from online.errors import CallError
from online.model_server import EmbeddedModelServer
from online.model_server.hosts import Host
from online.observe.hop import Hop, current_hop
from online.server import ScoringServer, ServerOptions
from tests.online.shop import REQUEST, WeightModel, bundle, serving

KEYS = {"shopper": 1, "item": ["a", "b", "secret item"]}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 # gRPC's name
        for resource in request.resource_spans:
            self.services |= {
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> Span:
        (found,) = [span for span in self.spans if span.name == name]
        return found


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    own = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(own, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield own, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


class AskingModel(WeightModel):
    """Notes what would go on to a model server."""

    def __init__(self) -> None:
        super().__init__()
        self.metadata: list[tuple[tuple[str, str], ...] | None] = []

    def predict(self, *given: Any) -> dict[str, Any]:
        hop = current_hop.get()
        self.metadata.append(None if hop is None else hop.metadata)
        return super().predict(*given)


def attributes(span: Span) -> dict[str, Any]:
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}


@pytest.fixture
def clients_traces(
    collector: tuple[Collector, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TracerProvider]:
    """The client's program uses OpenTelemetry, too."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector[1], insecure=True)))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield provider
    provider.shutdown()


def test_one_trace_from_the_client_to_store_stages_and_model(
    lmdb_url: str, registry: Path, collector: tuple[Collector, str], clients_traces: TracerProvider
) -> None:
    own, url = collector
    model = AskingModel()
    with (
        serving(lmdb_url, registry, model, traces=url, trace_ratio=0.0) as (_, client),
        clients_traces.get_tracer("app").start_as_current_span("page"),
    ):
        client.score(KEYS, REQUEST)
    page = own.named("page")
    client_side, server_side = (
        next(s for s in own.spans if s.name == "featdsl.v1.Scorer/Score" and s.kind == kind)
        for kind in (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER)
    )
    assert {span.trace_id for span in own.spans} == {page.trace_id}
    assert client_side.parent_span_id == page.span_id
    assert server_side.parent_span_id == client_side.span_id
    stages = [s for s in own.spans if s.parent_span_id == server_side.span_id]
    stages.sort(key=lambda s: s.start_time_unix_nano)
    ways = ["queue", "admit", "fetch", "decode", "fetch", "decode", "features", "model", "after", "answer"]
    assert [s.name for s in stages] == ways
    for span in stages:
        assert server_side.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= server_side.end_time_unix_nano
        assert span.end_time_unix_nano - client_side.start_time_unix_nano < 60e9
    trips = [s for s in own.spans if s.name == "store"]
    assert {trip.parent_span_id for trip in trips} == {s.span_id for s in stages if s.name == "fetch"}
    assert [attributes(trip)["db.system.name"] for trip in trips] == ["lmdb", "lmdb"]
    assert attributes(trips[0])["db.operation.batch.size"] == 4
    sent = model.metadata[-1]
    assert sent is not None
    context = trace.get_current_span(TraceContextTextMapPropagator().extract(dict(sent))).get_span_context()
    assert context.trace_id.to_bytes(16, "big") == page.trace_id
    assert context.span_id.to_bytes(8, "big") == own.named("model").span_id
    assert attributes(server_side)["featdsl.items"] == 3
    assert attributes(server_side)["featdsl.model.version"] == 1
    assert attributes(server_side)["featdsl.rows.defaulted"] > 0
    assert own.services >= {"featdsl"}
    assert not any(b"secret item" in span.SerializeToString() for span in own.spans)


def test_a_call_that_fails_says_where(
    lmdb_url: str, registry: Path, collector: tuple[Collector, str]
) -> None:
    own, url = collector
    model = WeightModel()
    with serving(lmdb_url, registry, model, traces=url, trace_ratio=1.0) as (_, client):
        model.hold.clear()
        with pytest.raises(CallError):
            client.score(KEYS, REQUEST, timeout_s=0.3)
        model.hold.set()
    root = own.named("featdsl.v1.Scorer/Score")
    assert root.parent_span_id == b""
    assert (root.status.code, root.status.message) == (Status.STATUS_CODE_ERROR, "DEADLINE_EXCEEDED in model")
    assert own.named("model").parent_span_id == root.span_id


def test_what_is_not_sampled_is_not_told(
    lmdb_url: str, registry: Path, collector: tuple[Collector, str]
) -> None:
    own, url = collector
    model = AskingModel()
    with serving(lmdb_url, registry, model, traces=url, trace_ratio=0.0) as (_, client):
        client.score(KEYS, REQUEST)
    assert own.spans == []
    assert model.metadata == [None]


def test_a_collector_that_is_not_there_costs_no_call(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry, traces="http://127.0.0.1:1", trace_ratio=1.0) as (_, client):
        assert client.score(KEYS, REQUEST).version == 1


def test_the_models_own_process_tells_its_part(
    lmdb_url: str, tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    from featdsl.torch import save_model
    from model_sync import open_registry
    from tests.online.shop import AT
    from tests.online.test_serve import Ranker

    own, url = collector
    saved = save_model(Ranker(2.0), bundle(), tmp_path / "saved")
    open_registry(f"dir://{tmp_path / 'registry'}", create=True).publish(saved, now_us=AT)
    options = ServerOptions(traces=url, trace_ratio=1.0)
    registry = f"dir://{tmp_path / 'registry'}"
    server = ScoringServer(
        bundle(), bundle().model("ranker"), lmdb_url, registry, EmbeddedModelServer(), options
    )
    port = server.start()
    try:
        with ScorerClient(f"127.0.0.1:{port}") as client:
            client.score(KEYS, REQUEST)
    finally:
        server.stop(grace_s=5)
    inner, outer = own.named("torch"), own.named("model")
    assert inner.parent_span_id == outer.span_id
    assert outer.start_time_unix_nano <= inner.start_time_unix_nano < inner.end_time_unix_nano
    assert inner.end_time_unix_nano <= outer.end_time_unix_nano


def test_another_model_server_is_told_whose_call_it_is() -> None:
    """Of TensorFlow Serving and Triton alike: one place asks both."""
    came: list[dict[str, str]] = []

    class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            came.append({entry.key: entry.value for entry in details.invocation_metadata})
            return grpc.unary_unary_rpc_method_handler(lambda data, _: data)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Echo()])
    host = Host(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    try:
        assert host.ask("/inference.GRPCInferenceService/ModelInfer", b"a", 5.0) == b"a"
        before = current_hop.set(Hop("00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"))
        assert host.ask("/inference.GRPCInferenceService/ModelInfer", b"b", 5.0) == b"b"
        current_hop.reset(before)
    finally:
        host.close()
        server.stop(None).wait()
    assert "traceparent" not in came[0]
    assert came[1]["traceparent"] == "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
