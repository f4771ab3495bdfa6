"""The scoring server: everything put together, started, watched and stopped."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import pyarrow as pa
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from compiler.bundle import Bundle
from compiler.signature import ModelSignature
from featdsl.errors import InputError
from online.admission import Admission
from online.catalog import Catalog
from online.changes import ChangeFollower
from online.errors import CallError
from online.executor import Executor
from online.health import HealthMonitor
from online.item_cache import ItemCache
from online.listening import (
    MOST_CALLS,
    SERVER_OPTIONS,
    allow_many_connections,
    connections,
    stop_listening,
)
from online.models import ModelServer, ModelServerDown
from online.observe.exposition import MetricsPort, ServerCollector
from online.observe.metrics import CallMetrics
from online.observe.slow_calls import SlowCalls
from online.observe.tracing import CallTraces
from online.proto import SERVICE
from online.row_cache import RowCache
from online.rows import RowSource
from online.service import ScorerService
from online.store_link import StoreLink
from online.versions import VersionWatcher

log = logging.getLogger("featdsl.server")

LAME_DUCK_S = 0.2
"""After the signal to stop, calls are still taken for so long, while balancers learn of it."""

_LAST_WORDS_S = 1.0
"""Beyond the grace, for calls that are given up to be told so; then gRPC ends them without a word."""

_OLDEST = 1.25
"""gRPC spreads the age of connections by a tenth either way; then the client learns of it."""

_LEFT_EVERY_S = 0.1

_ROWS_SHARE = 8


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """`port` 0: any free one. `threads`: how many calls run at once. `waiting_calls` and `longest_wait_s`: how
    many may wait beside them, and how long one may be expected to.
    `metrics_port`: where Prometheus asks (0: any free one), None for nowhere. `shares_port`: other processes
    listen on it, too. `connection_age_s`: after so long a client is asked to connect anew, without a call being
    lost, so that connections spread anew; 0: never. `slow_ms`: calls that take so long are told in the log, None
    for none. `cache_bytes`: memory for the results of items (0: none are kept), `cache_ttl_s`: for how long they
    are kept at most. `traces`: where an OTLP collector takes spans by gRPC, None for nowhere; `trace_ratio` of the
    calls whose callers do not decide it themselves. `label`: of the version that serves, "" for HEAD's."""

    host: str = "127.0.0.1"
    port: int = 0
    threads: int = 8
    waiting_calls: int = 500
    longest_wait_s: float = 1.0
    max_items: int = 10_000
    defaults_when_store_down: bool = False
    default_timeout_s: float = 10.0
    store_timeout_s: float = 0.5
    metrics_port: int | None = None
    shares_port: bool = False
    connection_age_s: float = 0.0
    slow_ms: float | None = None
    cache_bytes: int = 0
    cache_ttl_s: float = 600.0
    traces: str | None = None
    trace_ratio: float = 0.01
    label: str = ""


class ScoringServer:
    """`start` listens and returns the port; `stop` finishes what has arrived and ends."""

    def __init__(
        self,
        bundle: Bundle,
        model: ModelSignature,
        store_url: str,
        registry_url: str,
        model_server: ModelServer,
        options: ServerOptions,
    ) -> None:
        """Errors: `InputError` for a program that the engine does not take, or a URL that cannot work."""
        self._options = options
        self._models = model_server
        self.store = StoreLink(store_url, bundle.schema.namespace, options.store_timeout_s)
        self.versions = VersionWatcher(registry_url, model.name, bundle, model_server, label=options.label)
        self.items = ItemCache(options.cache_bytes, options.cache_ttl_s) if options.cache_bytes else None
        self.kept_rows = (
            RowCache(options.cache_bytes // _ROWS_SHARE, options.cache_ttl_s) if options.cache_bytes else None
        )
        caches = [cache for cache in (self.items, self.kept_rows) if cache is not None]
        self._changes = ChangeFollower(self.store, *caches) if caches else None
        rows = RowSource(
            bundle.schema,
            self.store,
            defaults_when_down=options.defaults_when_store_down,
            cache=self.items,
            kept_rows=self.kept_rows,
        )
        executor = Executor(
            bundle,
            model,
            rows,
            model_server,
            self.versions,
            max_items=options.max_items,
            default_timeout_s=options.default_timeout_s,
        )
        catalog = Catalog(bundle, model, self.versions, self.store)
        self.calls = CallMetrics()
        self.admission = Admission(options.threads, options.waiting_calls, options.longest_wait_s)
        self._traces = (
            None
            if options.traces is None
            else CallTraces(options.traces, options.trace_ratio, store_url.partition(":")[0])
        )
        self._service = ScorerService(
            {"Score": executor.score, "Explain": executor.explain, "GetModels": catalog.get_models},
            self.admission,
            options.threads + options.waiting_calls,
            [
                *([] if options.metrics_port is None else [self.calls]),
                *([] if options.slow_ms is None else [SlowCalls(options.slow_ms)]),
            ],
            self._traces,
        )
        self.health = HealthMonitor(self._problem)
        self._collector = ServerCollector(
            bundle,
            self.calls,
            self.versions,
            self.admission,
            self.items,
            lambda: self.health.well,
            kept_rows=self.kept_rows,
        )
        self._metrics: MetricsPort | None = None
        self._stopping = threading.Event()
        self._port = 0
        self._grpc = self._listen_with(self._service)

    def start(self) -> int:
        """Listens, then loads what the registry has; where others have the port, too, the other way round.
        Returns the port. Errors: `InputError` when the port is taken."""
        options = self._options
        allow_many_connections()
        pa.array([""])  # imports pandas where it is installed: here, not in the first call
        if options.shares_port:
            self.versions.start()
            self.health.check()
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            self._port = self._grpc.add_insecure_port(f"{host}:{options.port}")
        except RuntimeError as fault:
            raise InputError(
                f"cannot listen on {host}:{options.port}",
                help="another program may have the port: take another one, or 0 for any free one",
            ) from fault
        if options.metrics_port is not None:
            self._tell_metrics(options.metrics_port)
        self._grpc.start()
        if self._changes is not None:
            self._changes.start()
        if not options.shares_port:
            self.versions.start()
        self.health.start()
        return self._port

    def receiving(self) -> int:
        """How many calls have begun whose request is not there yet."""
        return self._service.receiving()

    def leave(self, told: Callable[[], None], hurried: Callable[[], bool]) -> None:
        """Another process has taken this one's place: no new connections (then `told` is called), and those
        that there are go on until they are old, or `hurried`."""
        time.sleep(LAME_DUCK_S)
        stop_listening(self._port)
        told()
        give_up = time.monotonic() + _OLDEST * self._options.connection_age_s
        while connections(self._port) and time.monotonic() < give_up and not hurried():
            time.sleep(_LEFT_EVERY_S)

    def stop(self, grace_s: float = 30.0) -> None:
        """NOT_SERVING at once; a moment later nothing new is taken; what has arrived is answered, within `grace_s`
        or with the reason DRAINING."""
        self._stopping.set()
        self.health.drain()
        time.sleep(LAME_DUCK_S)
        self._service.drain()
        self._service.settle()
        stopped = self._grpc.stop(grace_s + _LAST_WORDS_S)
        if not stopped.wait(grace_s):
            self._service.give_up()
            if not stopped.wait(2 * _LAST_WORDS_S):
                log.error("calls that were given up have not ended, and are left")
        self._service.close()
        self.versions.stop()
        self._models.close()
        if self._changes is not None:
            self._changes.stop()
        self.store.close()
        if self._metrics is not None:
            self._metrics.close()
        if self._traces is not None:
            self._traces.close()

    @property
    def metrics_port(self) -> int | None:
        """Where metrics are told, once it has started; None for nowhere."""
        return None if self._metrics is None else self._metrics.port

    def _tell_metrics(self, port: int) -> None:
        """Where a worker's port is still its forerunner's it is taken as soon as that has gone."""
        try:
            self._metrics = MetricsPort(self._collector, self._options.host, port)
        except InputError as taken:
            if not self._options.shares_port:
                raise
            log.info("%s yet; asked again every second", taken.message)
            threading.Thread(target=self._tell_metrics_later, args=(port,), daemon=True).start()

    def _tell_metrics_later(self, port: int) -> None:
        while self._metrics is None and not self._stopping.wait(1.0):
            with contextlib.suppress(InputError):
                self._metrics = MetricsPort(self._collector, self._options.host, port)

    def _listen_with(self, service: ScorerService) -> grpc.Server:
        options = self._options
        server = grpc.server(
            ThreadPoolExecutor(2, "health"),
            handlers=[service],
            maximum_concurrent_rpcs=MOST_CALLS,
            options=[
                *SERVER_OPTIONS,
                ("grpc.so_reuseport", int(options.shares_port)),
                *_ages(options.connection_age_s),
            ],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        return server

    def _problem(self) -> str:
        """Why calls would fail now, or ""."""
        try:
            with self.versions.pin() as serving:
                self._models.ping(serving.handle)
        except CallError as error:
            return error.message
        except ModelServerDown as down:
            return f"the model server does not answer: {down}"
        return "" if self.store.check() else self.store.problem


def _ages(connection_age_s: float) -> list[tuple[str, int]]:
    return [("grpc.max_connection_age_ms", int(connection_age_s * 1000))] if connection_age_s else []
