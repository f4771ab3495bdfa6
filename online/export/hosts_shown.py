"""What each host of a model server was told, how that went, and when it is told again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc

from online.export.control import Control, NotShown
from online.model_server.hosts import Host, Hosts, Status
from online.model_server.remote import Wire

log = logging.getLogger("featdsl.export")

_AGAIN_S = 1.0
_AGAIN_AT_MOST_S = 30.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a host is to serve: `puts` tells one folder of a number from the next."""

    versions: tuple[int, ...]
    puts: int
    labelled: int | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`fault`: why it did not go; `failed`: versions that did not load, and why; `broke`: the host went away."""

    fault: str = ""
    failed: dict[int, str] = field(default_factory=dict)
    broke: bool = False


@dataclass(slots=True)
class Failed:
    """What came of telling: versions that did not `load`, and those that a host did not have yet when it went away, by
    which it may have been `broken`; with the reason."""

    load: dict[int, str] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Told:
    what: Shown
    had: frozenset[int]
    again_at: float
    again_s: float
    outcome: Future[_Outcome]
    fault: str = "it is loading"


class HostsShown:
    """Tells hosts, each on a thread of its own: one that hangs keeps no other waiting. A host is told again when there
    is something new, when it comes back, and, ever more rarely, while it lacks something."""

    def __init__(
        self, hosts: Hosts, wire: Wire, control: Control, timeout_s: float, clock: Callable[[], float]
    ) -> None:
        self._hosts = hosts
        self._wire = wire
        self._control = control
        self._timeout_s = timeout_s
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._pool = ThreadPoolExecutor(len(hosts.all), "export")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def telling(self) -> bool:
        """Whether a host that answers is being told something."""
        up = {host.address for host, _ in self._hosts.up()}
        return any(address in up and not told.outcome.done() for address, told in self._told.items())

    def faults(self) -> dict[str, str]:
        """Why hosts that answer did not take what they were told last, by address."""
        up = {host.address for host, _ in self._hosts.up()}
        return {address: told.fault for address, told in self._told.items() if told.fault and address in up}

    def show(self, wanted: Shown, needed: Collection[int]) -> Failed:
        """Tells what is to be served to the hosts that answer; `needed` of it they must have. Returns what failed of
        what they were told before, if that is still to be served."""
        failed = Failed()
        up = self._hosts.up()
        for address, told in list(self._told.items()):
            if told.outcome.done():
                outcome = told.outcome.result()
                told.fault = outcome.fault
                if told.what.puts == wanted.puts:
                    failed.load.update({n: f"{address}: {why}" for n, why in outcome.failed.items()})
                    if outcome.broke:
                        why = f"{address} went away while it was to load it"
                        failed.broken.update({n: why for n in told.what.versions if n not in told.had})
                if outcome.broke or all(host.address != address for host, _ in up):
                    del self._told[address]  # when it is back it may be another process
        for host, status in up:
            before = self._told.get(host.address)
            if self._is_to_be_told(status, before, wanted, needed):
                again_s = _AGAIN_S if before is None or before.what != wanted else before.again_s * 2
                self._told[host.address] = _Told(
                    wanted,
                    status.ready,
                    self._clock() + again_s,
                    min(again_s, _AGAIN_AT_MOST_S / 2),
                    self._pool.submit(self._tell, host, wanted),
                )
        return failed

    def _is_to_be_told(
        self, status: Status, told: _Told | None, wanted: Shown, needed: Collection[int]
    ) -> bool:
        lacks = not all(status.has(n) for n in needed if n in wanted.versions)
        lacks = lacks or wanted.labelled not in (None, status.labelled)
        if told is None:
            return lacks or not status.ready <= set(wanted.versions)
        if not told.outcome.done():
            return False
        return told.what != wanted or ((lacks or bool(told.fault)) and told.again_at <= self._clock())

    def _tell(self, host: Host, wanted: Shown) -> _Outcome:
        try:
            self._control.show(host, wanted.versions, wanted.labelled, self._timeout_s)
        except NotShown as fault:
            return _Outcome(str(fault))
        except grpc.RpcError as error:
            said = error.details() or error.code().name.lower()
            try:
                status = self._wire.look(host)
            except grpc.RpcError as gone:
                return _Outcome(said, broke=gone.code() is error.code() is grpc.StatusCode.UNAVAILABLE)
            tried = error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            return _Outcome(said, _failed(status, wanted.versions) if tried else {})
        except Exception as fault:
            log.exception("a host cannot be told: %s", host.address)
            return _Outcome(f"it cannot be told: {type(fault).__name__}")
        return _Outcome()


def _failed(status: Status, versions: Sequence[int]) -> dict[int, str]:
    """Of these versions, which a host has just tried to load, those that it could not."""
    return {n: status.failed[n] for n in versions if n in status.failed and not status.has(n)}
