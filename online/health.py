"""grpc.health.v1, truthful: SERVING only while a model serves, the model server and the store answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from grpc_health.v1 import health, health_pb2

from online.proto import SERVICE

log = logging.getLogger("featdsl.health")

CHECK_EVERY_S = 0.5
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class HealthMonitor:
    """Asks `problem` (empty: all is well) every half second, and tells the health service."""

    def __init__(self, problem: Callable[[], str]) -> None:
        self.servicer = health.HealthServicer()
        self._ask = problem
        self._problem: str | None = None
        self._tell(_NOT_SERVING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="health", daemon=True)

    @property
    def well(self) -> bool:
        """Whether nothing was wrong when it looked last."""
        return self._problem == ""

    def start(self) -> None:
        self.check()
        self._thread.start()

    def check(self) -> str:
        """Looks once. Returns what is wrong, or ""."""
        try:
            problem = self._ask()
        except Exception:
            log.exception("the health check failed")
            problem = "the health check failed, see the log"
        if problem != self._problem:
            log.log(logging.WARNING if problem else logging.INFO, "%s", problem or "serving")
            self._problem = problem
            self._tell(_NOT_SERVING if problem else _SERVING)
        return problem

    def drain(self) -> None:
        """NOT_SERVING from now on, whatever comes."""
        self._stop.set()
        self.servicer.enter_graceful_shutdown()

    def _tell(self, status: int) -> None:
        for name in ("", SERVICE):
            self.servicer.set(name, status)

    def _watch(self) -> None:
        while not self._stop.wait(CHECK_EVERY_S):
            self.check()
