"""The hosts of a model server: which of them are up, what they have, and which is asked next."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.experimental import ChannelOptions

from online.model_server.tls import Tls
from online.observe.hop import current_hop
from online.observe.record import waiting

log = logging.getLogger("featdsl.model_server")

LOOK_EVERY_S = 0.25
LOOK_TIMEOUT_S = 1.0
_FIRST_LOOK_S = 2.0
_FAILURES = 3
"""So many in a row, and a host is left out."""
_LEFT_OUT_S = 0.5
_LEFT_OUT_AT_MOST_S = 10.0
_UP_AGAIN_MS = 1000
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),  # ours have a budget
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", _UP_AGAIN_MS),  # also the time that a connection may take
    ("grpc.max_reconnect_backoff_ms", _UP_AGAIN_MS),
    (ChannelOptions.SingleThreadedUnaryStream, 1),  # read by the thread that asks
]


@dataclass(frozen=True, slots=True)
class Status:
    """What a host says of the model. `ready`: versions that it answers for, or `unversioned`, for whatever version it
    is asked; `others`: what it says of other ones; `failed`: why those of them did not load that did not; `labelled`:
    the version that the label names, where one is followed; `problem`: why it has none."""

    ready: frozenset[int] = frozenset()
    others: dict[int, str] = field(default_factory=dict)
    labelled: int | None = None
    problem: str = ""
    unversioned: bool = False
    failed: dict[int, str] = field(default_factory=dict)

    def has(self, version: int) -> bool:
        return self.unversioned or version in self.ready


class Host:
    """One address with one connection, which is kept. What is known of it changes under the lock of `Hosts`."""

    def __init__(self, address: str, tls: Tls | None = None) -> None:
        self.address = address
        self._channel = _channel(address, tls)
        self._methods: dict[str, Callable[..., Any]] = {}
        self.status: Status | None = None
        """None while it does not answer."""
        self.looked_at = False
        self.problem = "it has not been asked yet"
        self.in_flight = 0
        self.failures = 0
        self.left_out_until = 0.0
        self.left_out_s = 0.0
        self.on_trial = False
        """Left out and asked for one call, to see if it is well again."""

    def ask(self, path: str, request: bytes, timeout_s: float) -> bytes:
        """One call, bytes to bytes, which ends when the scoring call that it is for does. Errors: `grpc.RpcError`."""
        method = self._methods.get(path)
        if method is None:
            # of a stream's kind, which is the same on the wire, as a call that only returns cannot be ended
            method = self._methods[path] = self._channel.unary_stream(path)
        hop = current_hop.get()
        call = method(request, timeout=timeout_s, metadata=None if hop is None else hop.metadata)
        with waiting(call.cancel):
            answers: list[bytes] = list(call)
        return answers[0] if answers else b""

    def close(self) -> None:
        self._channel.close()

    def has(self, version: int) -> bool:
        return self.status is not None and self.status.has(version)


def _channel(address: str, tls: Tls | None) -> Any:
    if tls is None:
        return grpc.insecure_channel(address, options=_OPTIONS)
    named = [("grpc.ssl_target_name_override", tls.name)] if tls.name else []
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    return grpc.secure_channel(address, credentials, options=[*_OPTIONS, *named])


class Hosts:
    """All hosts of one model. A thread a host asks for its status four times a second.

    A call goes to the host with the fewest calls in flight, of those that are up and have the version; among equals
    they take turns. A host that fails several times in a row is left out, for a time that doubles, and then gets one
    call for a trial. When none is left, calls go to those that are left out: failing is for them to say.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        look: Callable[[Host], Status],
        clock: Callable[[], float] = time.monotonic,
        tls: Tls | None = None,
    ) -> None:
        """`look` asks one host. Errors of it: `grpc.RpcError`."""
        self.all = tuple(Host(address, tls) for address in addresses)
        self._look = look
        self._clock = clock
        self._lock = threading.Condition()
        self._turn = 0
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins to look, once, and waits a moment for what the hosts say first."""
        with self._lock:
            if not self._threads and not self._stopped.is_set():
                self._threads = [
                    threading.Thread(target=self._watch, args=(host,), name=host.address, daemon=True)
                    for host in self.all
                ]
                for thread in self._threads:
                    thread.start()
            self._lock.wait_for(lambda: all(host.looked_at for host in self.all), _FIRST_LOOK_S)

    def close(self) -> None:
        self._stopped.set()
        for host in self.all:
            host.close()

    # --- what they have ------------------------------------------------------------------------

    def up(self) -> list[tuple[Host, Status]]:
        """The hosts that answer, each with what it said last."""
        with self._lock:
            return [(host, host.status) for host in self.all if host.status is not None]

    def problem(self) -> str:
        """What is wrong with the hosts that do not answer."""
        with self._lock:
            return "; ".join(f"{host.address}: {host.problem}" for host in self.all if host.status is None)

    def lacks(self, host: Host, version: int, said: str) -> None:
        """A host said that it does not have a version, before it was asked for its status again."""
        with self._lock:
            if host.status is not None and host.status.has(version):
                ready, others = host.status.ready - {version}, {**host.status.others, version: said}
                host.status = replace(host.status, ready=ready, others=others)

    # --- calls ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def asking(self, version: int, tried: Collection[Host] = ()) -> Iterator[Host]:
        """The host for a call, counted while the block lasts; one that was not tried before where there is one."""
        with self._lock:
            host = self._pick(version, tried)
            host.in_flight += 1
        try:
            yield host
        finally:
            with self._lock:
                host.in_flight -= 1
                host.on_trial = False

    def others(self, version: int, tried: Collection[Host]) -> bool:
        """Whether there is a host to ask that was not tried."""
        now = self._clock()
        with self._lock:
            return any(h not in tried and h.has(version) and h.left_out_until <= now for h in self.all)

    def worked(self, host: Host) -> None:
        with self._lock:
            host.failures, host.left_out_s, host.left_out_until = 0, 0.0, 0.0

    def failed(self, host: Host, why: str) -> None:
        """A call that the host did not answer."""
        with self._lock:
            host.failures += 1
            if host.failures < _FAILURES:
                return
            host.left_out_s = min(_LEFT_OUT_AT_MOST_S, host.left_out_s * 2 or _LEFT_OUT_S)
            host.left_out_until = self._clock() + host.left_out_s
        if len(self.all) > 1:
            log.warning("model server %s is left out for %.1f s: %s", host.address, host.left_out_s, why)

    def _pick(self, version: int, tried: Collection[Host]) -> Host:
        now = self._clock()
        fresh = [host for host in self.all if host not in tried] or list(self.all)
        having = [host for host in fresh if host.has(version)] or [h for h in fresh if h.status is not None]
        if not having:
            having = fresh  # none answered when it was asked: the call itself is the next look
        well = [host for host in having if host.left_out_until <= now and not self._is_tried_out(host)]
        if not well:
            return min(having, key=lambda host: (host.left_out_until, host.in_flight))
        self._turn += 1
        turns = well[self._turn % len(well) :] + well[: self._turn % len(well)]
        host = min(turns, key=lambda host: host.in_flight)
        host.on_trial = host.failures >= _FAILURES
        return host

    @staticmethod
    def _is_tried_out(host: Host) -> bool:
        return host.on_trial and host.failures >= _FAILURES

    # --- looking -------------------------------------------------------------------------------

    def _watch(self, host: Host) -> None:
        while not self._stopped.is_set():
            status, problem = self._asked(host)
            with self._lock:
                came_back = status is not None and host.status is None and host.looked_at
                if came_back:  # another process, most likely: what the last one did is forgiven
                    host.failures, host.left_out_s, host.left_out_until = 0, 0.0, 0.0
                changed = (host.status is None) != (status is None) or not host.looked_at
                host.status, host.problem, host.looked_at = status, problem, True
                self._lock.notify_all()
            if changed and not self._stopped.is_set():
                level = logging.WARNING if problem else logging.INFO
                log.log(level, "model server %s: %s", host.address, problem or "it answers")
            self._stopped.wait(LOOK_EVERY_S)

    def _asked(self, host: Host) -> tuple[Status | None, str]:
        try:
            return self._look(host), ""
        except grpc.RpcError as error:
            code, said = error.code(), error.details() or ""
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                return None, f"no answer in {LOOK_TIMEOUT_S:.0f} s"
            if code is grpc.StatusCode.UNIMPLEMENTED:
                return None, "what answers there is no such model server"
            return None, said or code.name.lower()
        except DecodeError:
            return None, "what it says of its state does not read"
        except Exception as fault:  # looking never ends before the server does
            if not self._stopped.is_set():  # a channel that is closed raises ValueError
                log.exception("the look at a model server failed: %s", host.address)
            return None, f"the look at it failed: {type(fault).__name__}"
