"""Gives the versions of a registry to a model server that is not ours, and moves the routing when it has them.

A look at all of it, again and again: what is wanted is put where the server reads; hosts that lack something are told;
when every host that answers has the version, the labels move; what nobody needs any more is taken away. Nothing is
remembered that matters: an exporter that is killed is followed by one that looks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from featdsl.errors import FeatError, InputError, ServiceError
from model_sync import Registry, RegistryError, VersionRefused, open_registry
from model_sync.labels import CANARY, label, promote
from model_sync.replicas import TELLS_S, Replica, replicas, take_leave, tell
from online.export.control import Control
from online.export.hosts_shown import HostsShown, Shown
from online.export.layout import Layout, NotExported
from online.model_server.address import ModelServerAddress
from online.model_server.hosts import Hosts, Status
from online.model_server.remote import Wire

log = logging.getLogger("featdsl.export")

POLL_S = 0.25
KEPT_BESIDE = 2
"""Versions that stay there beside those that are wanted, as scoring servers keep them."""
TIMEOUT_S = 120.0
_AGAIN_AT_MOST_S = 60.0
_SILENT_S = 5.0
"""When no host has answered for so long, what none has had ready yet is taken away before they start again."""
_AS_IT_WAS = "the version before it is routed as it was"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that the registry says is to serve, or some users are to get."""

    version: int
    identity: str


@dataclass(slots=True)
class _Refusal:
    """Why a version is not there. It is tried again when `stamp`, of its bytes and of the hosts, is another (None: that
    tells nothing), or at `again_at`, of what may be no fault of the version."""

    reason: str
    stamp: object | None
    again_at: float
    again_s: float


class Exporter:
    """Follows HEAD of a registry, or a label; and the label `canary`. `state` says what it is at."""

    def __init__(
        self,
        registry_url: str,
        layout: Layout,
        wire: Wire,
        control: Control,
        address: ModelServerAddress,
        *,
        follow: str = "",
        route: str = "",
        kept: int = KEPT_BESIDE,
        timeout_s: float = TIMEOUT_S,
        stopped: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`follow`: a label instead of HEAD; `route`: a label of the registry that is moved to a version when all hosts
        that answer have it; `kept`: versions that stay beside those that are wanted; `timeout_s`: how long a host may
        take for a version. The registry may come later. Errors: `InputError`."""
        if route and route == follow:
            raise InputError(
                f"a label cannot follow itself: {route}",
                help="--follow stable --route live, and scoring servers with --follow live",
            )
        self._url = registry_url
        self._layout = layout
        self._address = address
        self._control = control
        self._follow = follow
        self._route = route
        self._kept = kept
        self._timeout_s = timeout_s
        self._clock = clock
        self._registry: Registry | None = None
        with contextlib.suppress(RegistryError):
            self._registry = open_registry(registry_url)
        self._hosts = Hosts(address.hosts, wire.look, tls=address.tls)
        self._shown = HostsShown(self._hosts, wire, control, timeout_s, clock)
        self._refused: dict[int, _Refusal] = {}
        self._since: dict[int, float] = {}
        self._stale: dict[tuple[str, int], str] = {}
        self._noted: set[int] = set()
        self._leaving: set[int] = set()
        self._seen_ready = set(layout.placed())
        self._broke_s: dict[int, float] = {}
        self._silent_since: float | None = None
        self._puts = 0
        self._name = f"export-{socket.gethostname()}-{os.getpid()}-{id(self):x}"
        self._told: Replica | None = None
        self._stopped = threading.Event() if stopped is None else stopped
        self.routed: int | None = None
        """The version that every host that answers has, and that the labels are on."""
        self.problem = "nothing has been looked at yet"

    def run(self, *, once: bool = False) -> None:
        """Goes on until `stop`; `once`: until what is wanted now is routed, or cannot be. Errors, of `once`:
        `InputError` where the version is at fault, or `ServiceError` where something is not there."""
        give_up = self._clock() + self._timeout_s
        while not self._stopped.is_set():
            self.poll()
            if once and not self.problem:
                return
            if once and self._refused:
                raise InputError(self.problem, help=_AS_IT_WAS)
            if once and self._clock() > give_up:
                raise ServiceError(self.problem, help=_AS_IT_WAS)
            try:
                if self._registry is None:
                    raise RegistryError("it is not there yet")
                self._registry.wait(POLL_S)
            except RegistryError:
                self._stopped.wait(POLL_S)

    def stop(self) -> None:
        """From any thread, a signal's among them."""
        self._stopped.set()

    def close(self) -> None:
        if self._registry is not None:
            take_leave(self._registry, self._name)
            self._registry.close()
        self._hosts.close()
        self._shown.close()
        self._layout.close()

    def poll(self) -> None:
        """One look, with what follows from it. Never raises."""
        try:
            problem = self._look()
        except (FeatError, OSError, VersionRefused) as fault:
            problem = str(fault)
        except Exception:
            log.exception("the exporter failed and goes on")
            problem = "the exporter failed, see the log"
        if problem and problem != self.problem:
            log.log(logging.INFO if "waits" in problem else logging.WARNING, "%s", problem)
        self.problem = problem

    def _look(self) -> str:
        """Returns what is wrong, or what is waited for."""
        self._hosts.start()
        if self._registry is None:
            self._registry = open_registry(self._url)
        registry = self._registry
        target, canary = self._wanted(registry)
        wanted = [one for one in (target, canary) if one is not None]
        problems = [self._bring(registry, one) for one in wanted]
        self._have_shown(registry, {one.version for one in wanted})
        problems += [self._wait_for(registry, one) for one in wanted if one.version in self._layout.placed()]
        if target is None:
            problems.append(
                f"no version has the label {self._follow}" if self._follow else "nothing is published yet"
            )
        elif self._is_ready(target):
            problems.append(self._move(registry, target.version))
            self._take_away(registry, {one.version for one in wanted})
        self._tell(registry, wanted)
        return next((problem for problem in problems if problem), "")

    def _wanted(self, registry: Registry) -> tuple[Wanted | None, Wanted | None]:
        """What is followed, and the canary."""
        named = label(registry, self._follow) if self._follow else registry.head()
        canary = label(registry, CANARY)
        found = [
            None if one is None else Wanted(one.version, one.digest or registry.identity(one.version))
            for one in (named, canary if canary is not None and canary.share else None)
        ]
        return found[0], None if found[1] == found[0] else found[1]

    # --- where the server reads ------------------------------------------------------------------

    def _bring(self, registry: Registry, wanted: Wanted) -> str:
        """Has a version in the layout. Returns why it is not there, or ""."""
        number = wanted.version
        self._leaving.discard(number)
        placed = self._layout.placed().get(number)
        if placed is not None and placed.identity == wanted.identity:
            self._since.setdefault(number, self._clock())
            return ""
        up = self._hosts.up()
        if not up and self._layout.placed():  # a server that starts is to find what it had
            return f"version {number} waits: no host answers: {self._hosts.problem()}"
        stamp = (registry.stamp(number), tuple(host.address for host, _ in up))
        known = self._refused.get(number)
        if known is not None and known.stamp in (stamp, None) and self._clock() < known.again_at:
            return f"version {number} is not exported: {known.reason}"
        if known is not None and known.stamp not in (stamp, None):
            known = None
        stale = {(host.address, number): status.failed.get(number, "") for host, status in up}
        try:
            self._layout.put(registry, number, wanted.identity)
        except VersionRefused as fault:
            return self._refuse(registry, number, fault.reason, stamp)
        except NotExported as fault:  # a converter may have a bad day
            if self._stopped.is_set():
                return fault.reason
            return self._refuse(registry, number, fault.reason, stamp, _later(known, 5.0))
        except (
            RegistryError,
            OSError,
        ) as fault:  # a full disk, a store that is away: not the version's fault
            why = (
                fault.message
                if isinstance(fault, RegistryError)
                else f"{self._layout.folder}: {fault.strerror}"
            )
            again_s = _later(known, 0.5)
            self._refused[number] = _Refusal(why, stamp, self._clock() + again_s, again_s)
            return f"version {number} is not exported: {why}"
        self._refused.pop(number, None)
        self._since[number] = self._clock()
        self._stale = {**{key: why for key, why in self._stale.items() if key[1] != number}, **stale}
        self._puts += 1
        log.info("version %d is in %s", number, self._layout.folder)
        return ""

    def _refuse(
        self,
        registry: Registry,
        number: int,
        reason: str,
        stamp: object | None,
        again_s: float = float("inf"),
    ) -> str:
        self._refused[number] = _Refusal(reason, stamp, self._clock() + again_s, again_s)
        self._note(registry, number, reason)
        return f"version {number} is not exported: {reason}"

    def _note(self, registry: Registry, number: int, reason: str) -> None:
        if number not in self._noted:
            log.error("version %d is refused: %s", number, reason)
            registry.refuse(number, f"by {self._address.scheme}://{','.join(self._address.hosts)}: {reason}")
            self._noted.add(number)

    # --- the hosts -------------------------------------------------------------------------------

    def _have_shown(self, registry: Registry, needed: set[int]) -> None:
        """Tells hosts what is there, and takes away what one of them cannot load."""
        placed = self._layout.placed()
        numbers = tuple(sorted((placed.keys() | self._layout.others()) - self._leaving))
        if not numbers:
            return
        labelled = self.routed if self._address.label and self.routed in numbers else None
        failed = self._shown.show(Shown(numbers, self._puts, labelled), needed)
        up = self._hosts.up()
        for host, status in up:
            for number in placed:
                if status.has(number):
                    self._seen_ready.add(number)
                why, key = status.failed.get(number, ""), (host.address, number)
                if why != self._stale.setdefault(key, why):  # what it said before may be of another folder
                    self._stale[key] = ""
                    if why and not status.has(number):
                        failed.load.setdefault(number, f"{host.address}: {why}")
        stamp_of_hosts = tuple(host.address for host, _ in up)
        for number, reason in failed.load.items():
            if number not in placed or (
                number == self.routed and any(status.has(number) for _, status in up)
            ):
                continue  # not ours to take away, or served by others
            self._take_out(number)
            self._refuse(registry, number, " ".join(reason.split()), (registry.stamp(number), stamp_of_hosts))
        self._note_silence(bool(up))
        broken = failed.broken | (self._unproven(placed) if self._is_silent() else {})
        for number, reason in broken.items():
            if number in placed and number not in self._seen_ready and len(self._layout.placed()) > 1:
                self._take_out(number)
                self._broke_s[number] = min(_AGAIN_AT_MOST_S, self._broke_s.get(number, _SILENT_S / 2) * 2)
                self._refuse(registry, number, reason, None, self._broke_s[number])

    def _take_out(self, number: int) -> None:
        self._layout.remove(number)
        self._since.pop(number, None)
        self._seen_ready.discard(number)
        self._puts += 1

    def _note_silence(self, answers: bool) -> None:
        if answers:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = self._clock()

    def _is_silent(self) -> bool:
        return self._silent_since is not None and self._clock() - self._silent_since > _SILENT_S

    def _unproven(self, placed: Collection[int]) -> dict[int, str]:
        return {number: f"no host answers: {self._hosts.problem()}" for number in placed}

    def _is_ready(self, wanted: Wanted) -> bool:
        """Whether every host that answers has a version as it is in the layout."""
        placed, up = self._layout.placed().get(wanted.version), self._hosts.up()
        return (
            placed is not None
            and placed.identity == wanted.identity
            and bool(up)
            and not self._shown.telling
            and all(status.has(wanted.version) for _, status in up)
        )

    def _wait_for(self, registry: Registry, wanted: Wanted) -> str:
        """What a version that is in the layout waits for, or ""."""
        number = wanted.version
        if self._is_ready(wanted):
            self._refused.pop(number, None)
            if number in self._noted:
                self._noted.discard(number)
                registry.accept(number)
            return ""
        up = self._hosts.up()
        if not up:
            return f"version {number} waits: no host answers: {self._hosts.problem()}"
        faults = self._shown.faults()
        lacking = "; ".join(
            f"{host.address}: {faults.get(host.address) or self._said(status, number)}"
            for host, status in up
            if not status.has(number)
        )
        if self._clock() - self._since.get(number, self._clock()) > self._timeout_s:
            self._note(registry, number, f"it is not ready after {self._timeout_s:.0f} s: {lacking}")
        return f"version {number} waits: {lacking or 'it is of another registry'}"

    @staticmethod
    def _said(status: Status, number: int) -> str:
        return status.others.get(number) or status.problem or "it does not have it yet"

    # --- routing ---------------------------------------------------------------------------------

    def _move(self, registry: Registry, number: int) -> str:
        """Puts the labels on a version that all hosts have. Returns what that waits for."""
        if self._route:
            there = label(registry, self._route)
            if there is None or there.version != number or there.digest != registry.identity(number):
                promote(registry, number, self._route, now_us=time.time_ns() // 1000)
        if self.routed != number:
            log.info("version %d is ready on all hosts that answer%s", number, self._were())
            self.routed = number
        if self._address.label and any(status.labelled != number for _, status in self._hosts.up()):
            faults = "; ".join(f"{address}: {why}" for address, why in self._shown.faults().items())
            return f"the label {self._address.label} waits to move to version {number}" + (
                f": {faults}" if faults else ""
            )
        return ""

    def _were(self) -> str:
        return "" if self.routed is None else f" (before: {self.routed})"

    def _take_away(self, registry: Registry, wanted: set[int]) -> None:
        """Removes what is neither wanted, nor one of the newest beside it, nor held by a server that lives."""
        placed = self._layout.placed()
        beside = [number for number in placed if number not in wanted]
        old = set(beside[: max(0, len(beside) - self._kept)]) | self._leaving
        if not old or self._shown.telling:
            return
        up = self._hosts.up()
        if self._address.label and any(status.labelled in old for _, status in up):
            return
        for replica in replicas(registry, now_us=time.time_ns() // 1000):
            old -= set(replica.holds)
        if self._route:
            there = label(registry, self._route)
            old -= set() if there is None else {there.version}
        if self._control.names_versions:
            self._leaving = old
            old = {number for number in old if not any(status.has(number) for _, status in up)}
        for number in sorted(old):
            self._take_out(number)
            self._leaving.discard(number)
            log.info("version %d is taken away", number)

    def _tell(self, registry: Registry, wanted: list[Wanted]) -> None:
        """Says in the registry what is still to be read there, so that it is not removed."""
        now_us = time.time_ns() // 1000
        holds = tuple(sorted({one.version for one in wanted}))
        told = self._told
        if (
            told is None
            or (told.serves, told.holds) != (self.routed, holds)
            or now_us - told.told_at_us > TELLS_S * 1e6
        ):
            self._told = Replica(self._name, self._address.name, self.routed, holds, now_us)
            tell(registry, self._told)


def _later(known: _Refusal | None, first_s: float) -> float:
    """How long until the next try."""
    return (
        first_s
        if known is None or known.again_s == float("inf")
        else min(_AGAIN_AT_MOST_S, known.again_s * 2)
    )
