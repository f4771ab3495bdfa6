"""OpenTelemetry: a call as spans. Stages become spans once the call has ended, so that a call that is not sampled
pays for one decision only. No keys, no values, no feature's name ever stands in a span."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterable, Iterator
from typing import Any

from featdsl.errors import InputError
from online.observe.hop import Hop, current_hop
from online.observe.record import ANSWERED, CallRecord, Stage
from online.proto import SERVICE

_NOT_THE_SERVERS_FAULT = {ANSWERED, "CANCELLED"}


class CallTrace:
    """The spans of a call that is sampled."""

    def __init__(self, tracer: Any, span: Any, epoch_ns: int) -> None:
        """`epoch_ns`: what the clock `time.monotonic` is behind the time of day."""
        from opentelemetry import trace

        self._tracer = tracer
        self._span = span
        self._epoch_ns = epoch_ns
        self._context = trace.set_span_in_context(span)
        self._hop: tuple[Any, Hop] | None = None

    @contextlib.contextmanager
    def hop(self) -> Iterator[None]:
        """Asks the model server within: what is asked there belongs to the span `model`."""
        span = self._started("model", time.monotonic(), "CLIENT")
        context = span.get_span_context()
        hop = Hop(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")
        self._hop = span, hop
        before = current_hop.set(hop)
        try:
            yield
        finally:
            current_hop.reset(before)

    def end(self, record: CallRecord, store: str) -> None:
        """Tells all spans of a call that has ended."""
        for stage in record.stages:
            if stage.name == "model" and self._hop is not None:
                self._end_hop(*self._hop, stage)
                continue
            span = self._started(stage.name, stage.started)
            self._tell_trips(span, stage, record, store)
            self._ended(span, stage)
        self._span.set_attributes(
            {
                "rpc.system": "grpc",
                "rpc.service": SERVICE,
                "rpc.method": record.method,
                "featdsl.outcome": record.outcome,
                "featdsl.items": record.items,
                "featdsl.distinct_items": record.distinct_items,
                "featdsl.model.version": record.version,
                "featdsl.rows.defaulted": sum(r.missing + r.unreadable + r.store_down for r in record.rows),
            }
        )
        if record.outcome not in _NOT_THE_SERVERS_FAULT:
            from opentelemetry.trace import Status, StatusCode

            stage_of = f" in {record.failed_in}" if record.failed_in else ""
            self._span.set_status(Status(StatusCode.ERROR, f"{record.outcome}{stage_of}"))
        self._span.end(self._nanoseconds(record.ended))

    def _end_hop(self, span: Any, hop: Hop, stage: Stage) -> None:
        from opentelemetry import trace

        within = trace.set_span_in_context(span)
        for inner in hop.inner:
            started = self._nanoseconds(inner.started)
            made = self._tracer.start_span(inner.name, within, kind=trace.SpanKind.SERVER, start_time=started)
            self._ended(made, inner)
        self._ended(span, stage)

    def _tell_trips(self, span: Any, stage: Stage, record: CallRecord, store: str) -> None:
        from opentelemetry import trace

        for trip in record.store_trips:
            if not stage.started <= trip.started <= stage.ended:
                continue
            made = self._tracer.start_span(
                "store",
                trace.set_span_in_context(span),
                kind=trace.SpanKind.CLIENT,
                attributes={"db.system.name": store, "db.operation.batch.size": trip.keys},
                start_time=self._nanoseconds(trip.started),
            )
            if not trip.answered:
                made.set_status(trace.Status(trace.StatusCode.ERROR))
            made.end(self._nanoseconds(trip.ended))

    def _started(self, name: str, started: float, kind: str = "INTERNAL") -> Any:
        from opentelemetry.trace import SpanKind

        start = self._nanoseconds(started)
        return self._tracer.start_span(name, self._context, kind=SpanKind[kind], start_time=start)

    def _ended(self, span: Any, stage: Stage) -> None:
        span.end(self._nanoseconds(stage.ended))

    def _nanoseconds(self, monotonic_s: float) -> int:
        return self._epoch_ns + int(monotonic_s * 1e9)


class CallTraces:
    """Starts the traces of calls, and is their watcher. A caller's `traceparent` decides whether its call is sampled;
    of the others it is `ratio`."""

    def __init__(self, endpoint: str, ratio: float, store: str) -> None:
        """`endpoint`: where an OTLP collector takes gRPC, such as http://localhost:4317. `store`: its kind.
        Errors: `InputError` when the packages are not installed."""
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as missing:
            raise InputError(
                f"a package that tells traces is not installed: {missing.name}",
                help="install it: `pip install 'featdsl[tracing]'`",
            ) from missing
        self._store = store
        self._ratio = ratio
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "featdsl"}),
            sampler=ParentBased(ALWAYS_ON),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint, insecure=not endpoint.startswith("https://"))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("featdsl")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, record: CallRecord, metadata: Iterable[Any]) -> None:
        """`metadata`: what came with the call."""
        from opentelemetry.trace import SpanKind, get_current_span

        carrier = {entry.key: entry.value for entry in metadata if entry.key in ("traceparent", "tracestate")}
        parent = self._propagator.extract(carrier) if carrier else None
        decided = parent is not None and get_current_span(parent).get_span_context().is_valid
        if not decided and random.random() >= self._ratio:
            return  # before any span is made: that costs more than all of our counting
        epoch_ns = time.time_ns() - time.monotonic_ns()
        span = self._tracer.start_span(
            f"{SERVICE}/{record.method}",
            parent,
            kind=SpanKind.SERVER,
            start_time=epoch_ns + int(record.arrived * 1e9),
        )
        if span.is_recording():
            record.trace = CallTrace(self._tracer, span, epoch_ns)

    def __call__(self, record: CallRecord) -> None:
        if record.trace is not None:
            record.trace.end(record, self._store)

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()
