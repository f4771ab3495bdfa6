"""The client's end of a trace: only in a program that uses OpenTelemetry itself, with that program's settings."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

Metadata = tuple[tuple[str, str], ...]


@contextlib.contextmanager
def client_span(method: str) -> Iterator[Metadata | None]:
    """A span around a call. Gives what is to be sent with it."""
    if "opentelemetry.trace" not in sys.modules:
        yield None
        return
    from opentelemetry import propagate, trace

    tracer = trace.get_tracer("featdsl")
    with tracer.start_as_current_span(method, kind=trace.SpanKind.CLIENT):
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        yield tuple(carrier.items())
