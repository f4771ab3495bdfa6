"""The trace of the call that runs now, for those who ask another process on its behalf. Knows no OpenTelemetry."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from online.observe.record import Stage


@dataclass(slots=True)
class Hop:
    """One question to another process. `traceparent` (W3C) goes with it; `inner`: what that process says it did,
    on the clock `time.monotonic` of this machine."""

    traceparent: str
    inner: list[Stage] = field(default_factory=list)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """For a gRPC call."""
        return (("traceparent", self.traceparent),)


current_hop: ContextVar[Hop | None] = ContextVar("current_hop", default=None)
"""None where the call is not traced."""
