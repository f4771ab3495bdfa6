"""Which version of the model serves: follows the registry, loads apart from serving, switches by one
reference."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from compiler.bundle import Bundle
from featdsl.errors import FeatError
from featdsl.steps import step
from model_sync import Registry, RegistryError, Version, open_registry
from model_sync.labels import CANARY, label, labels
from model_sync.replicas import TELLS_S, Replica, take_leave, tell
from online.canary import is_in_share
from online.errors import CallError, Reason
from online.giving_way import Backstage, giving_way
from online.models import ModelServer, ModelServerDown
from online.thread_weight import take_long_slices
from online.version_loader import VersionLoader

log = logging.getLogger("featdsl.versions")

POLL_S = 0.2
LOST_WAIT_S = 1.0
"""So long a call waits for another version when the model server has lost the one that it had."""
KEPT_BESIDE_SERVING = 2
"""Versions that stay resident after they served, for a rollback without a load."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The version that a call uses from its start to its end. `handle` is what the model server knows it by:
    its number, unless another version of that number is loaded. `identity`: see `Registry.identity`."""

    version: int
    model: str
    fingerprint: str
    handle: int
    identity: str

    def is_still(self, number: int, identity: str) -> bool:
        """Whether this is the registry's version `number`; one whose manifest is gone is taken for it."""
        return self.version == number and identity in ("", self.identity)


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version of the registry as this server sees it: `published`, `ready`, `serving` or `refused`. `reason`:
    why it is refused, or what it waits for."""

    info: Version
    state: str
    reason: str = ""


@dataclass(slots=True)
class _Residents:
    """Versions that are loaded, the one used last at the end, and how many calls hold each (by handle)."""

    order: list[Serving] = field(default_factory=list)
    pins: Counter[int] = field(default_factory=Counter)


class VersionWatcher:
    """Follows HEAD of a registry, or a label, for one model of one program; and the label `canary`, whose version is
    given to its share of the users.

    A version is verified, loaded and warmed while the old one serves; then `_serving`, the only reference
    that calls look at, is replaced. What does not verify or match is refused, and tried again only when its
    files change. When nothing serves yet and HEAD is refused, the newest good version before it serves.
    A model server that loads versions by itself says when one is ready; until then the old one serves. If it
    loses the version that serves, the newest before HEAD that it has does.
    """

    def __init__(
        self,
        registry_url: str,
        model: str,
        bundle: Bundle,
        server: ModelServer,
        kept: int = KEPT_BESIDE_SERVING,
        also: Callable[[], Collection[int]] = tuple,
        label: str = "",
    ) -> None:
        """`also`: versions that are loaded beside. `label`: what is followed instead of HEAD. The registry may come
        later. Errors: `InputError` for a URL that can never be one."""
        self.model = model
        self._url = registry_url
        self._bundle = bundle
        self._server = server
        self._kept = kept
        self._also = also
        self._wanted: Collection[int] = ()
        self._label = label
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._serving: Serving | None = None
        self._canary: tuple[Serving, float] | None = None
        self._residents = _Residents()
        self._loader = VersionLoader(model, bundle, server)
        self._name = f"{socket.gethostname()}-{os.getpid()}-{id(self):x}"
        self._told: Replica | None = None
        self._registry = _opened(registry_url)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._back = Backstage()
        self._published_us: dict[int, int] = {}
        self.switches_total = 0
        self.problem = "the registry has not been read yet"

    @property
    def serving(self) -> Serving | None:
        return self._serving

    @property
    def loading(self) -> int:
        """How many versions are being loaded."""
        return self._loader.loading

    @property
    def refused_total(self) -> int:
        return self._loader.refused_total

    @property
    def resident(self) -> int:
        """How many versions are loaded."""
        return len(self._residents.order)

    def loaded(self) -> list[Serving]:
        """The versions that are loaded."""
        with self._lock:
            return list(self._residents.order)

    def published_us(self, version: Serving) -> int:
        """When a version that is loaded was published, in microseconds since 1970; 0 if nobody knows."""
        return self._published_us.get(version.handle, 0)

    @contextlib.contextmanager
    def pin(self, number: int | None = None, user: str = "") -> Iterator[Serving]:
        """The version for one call of a user, or one by its number if it is loaded; it stays loaded until the block
        ends. Errors: `CallError`."""
        with self._lock:
            serving = self._for_user(user) if number is None else self._resident(number)
            if serving is None:
                raise CallError(
                    Reason.NO_MODEL_YET,
                    f"no version of the model serves yet: {self.model} ({self.problem})"
                    if number is None
                    else f"version {number} of the model is not loaded: {self.model}",
                    help="publish one with `feat publish`",
                    metadata={"model": self.model},
                )
            self._residents.pins[serving.handle] += 1
        try:
            yield serving
        finally:
            with self._lock:
                self._residents.pins[serving.handle] -= 1

    def wait_for_another(self, lost: Serving, left_s: float) -> None:
        """Returns when another version serves than one that the model server has lost, or after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._serving is not lost, min(left_s, LOST_WAIT_S))

    def _for_user(self, user: str) -> Serving | None:
        """The lock is held."""
        if self._canary is not None and user and is_in_share(user, self._canary[1]):
            return self._canary[0]
        return self._serving

    def _resident(self, number: int) -> Serving | None:
        """The newest that is loaded under a number. The lock is held."""
        return next((one for one in reversed(self._residents.order) if one.version == number), None)

    def start(self) -> None:
        """Looks once, then goes on in a thread of its own."""
        self.poll()
        self._thread = threading.Thread(target=self._watch, name="versions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and takes leave of the registry. The model server's versions stay loaded."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._back.close()
        if self._registry is not None:
            take_leave(self._registry, self._name)
            self._registry.close()
        self._loader.close()

    def poll(self) -> None:
        """One look at the registry, with what follows from it. Never raises."""
        problem = self._guarded(self._look)
        step()
        left = self._guarded(self._let_go)
        problem = problem or left
        if problem != self.problem and problem:
            log.warning("model %s: %s", self.model, problem)
        self.problem = problem

    def _look(self) -> str:
        """Has what is wanted loaded. Returns what is wrong, if anything is."""
        self._wanted = ()
        self._wanted = self._also()
        return self._follow() or self._load_beside(self._wanted) or self._follow_canary()

    def _let_go(self) -> str:
        """Unloads what nobody wants any more, and says what is left. Nothing is wrong with that, but for errors."""
        self._loader.let_go()
        self._unload_unused(self._wanted)
        step()
        self._tell()
        return ""

    def _guarded(self, work: Callable[[], str]) -> str:
        """What a piece of work says is wrong, or what it failed of: the next look is to come whatever that is."""
        try:
            return work()
        except (FeatError, OSError, ModelServerDown) as fault:
            return str(fault)
        except Exception:
            log.exception("the registry's watcher failed and goes on")
            return "the watcher failed, see the log"

    def states(self) -> list[VersionState]:
        """Every version of the registry. Errors: `FeatError` or `OSError` when it cannot be read."""
        serving = self._serving
        with self._lock:
            resident = {one.version for one in self._residents.order}
        states = []
        for info in self._open().versions():
            refusal = self._loader.refusal(info.number)
            if serving is not None and info.number == serving.version:
                states.append(VersionState(info, "serving"))
            elif refusal or (info.refusal and info.number not in resident):
                states.append(VersionState(info, "refused", refusal or info.refusal))
            else:
                state = "ready" if info.number in resident else "published"
                states.append(VersionState(info, state, self._loader.waiting.get(info.number, "")))
        return states

    def _watch(self) -> None:
        take_long_slices()
        while not self._stop.is_set():
            if self._guarded(self._wait):
                self._stop.wait(POLL_S)
            if not self._stop.is_set():
                self._poll_beside_calls()

    def _wait(self) -> str:
        """Returns when there may be something new. What is wrong, if anything is."""
        if self._registry is None:
            return "it is not there yet"
        self._registry.wait(POLL_S)
        return ""

    def _poll_beside_calls(self) -> None:
        if self._server.load_starts_threads:
            with giving_way():
                self.poll()
        else:
            self._back.do(self._poll_switches)

    def _poll_switches(self) -> bool:
        before = self.switches_total
        self.poll()
        return self.switches_total != before

    def _open(self) -> Registry:
        if self._registry is None:
            self._registry = open_registry(self._url)
        return self._registry

    def _follow(self) -> str:
        """Serves what HEAD or the label names, or else stays. Returns what is wrong, if anything is."""
        registry = self._open()
        target = self._target(registry)
        serving = self._serving
        if target is None:
            if self._label:
                return f"no version has the label {self._label}"
            return "nothing is published yet" if serving is None else "the registry has no HEAD any more"
        number, identity = target
        held = serving is not None and self._holds(serving)
        if serving is not None and held and serving.is_still(number, identity):
            return ""
        reason = self._serve(registry, number, identity)
        if not reason:
            return ""
        if not held:
            withdrawn = registry.withdrawn()
            for other in before(number, registry.versions(), _named(registry)):
                if other not in withdrawn and not self._serve(registry, other, registry.identity(other)):
                    break
        waits = number in self._loader.waiting
        return f"version {number} {'waits' if waits else 'is refused'}: {reason}"

    def _target(self, registry: Registry) -> tuple[int, str] | None:
        """The version that is to serve, and its identity."""
        told = self._server.followed()
        if told is not None:
            return told, registry.identity(told)
        named = label(registry, self._label) if self._label else registry.head()
        return None if named is None else (named.version, named.digest or registry.identity(named.version))

    def _follow_canary(self) -> str:
        """Has the version with the label `canary` ready for its share of the users. Returns what is wrong."""
        named = label(self._open(), CANARY)
        if named is None or not named.share:
            with self._lock:
                self._canary = None
            return ""
        problem = self._beside(named.version, named.digest)
        with self._lock:
            canary = None if problem else self._resident(named.version)
            self._canary = None if canary is None else (canary, named.share)
        return problem and f"the canary, version {named.version}, is not loaded: {problem}"

    def _holds(self, serving: Serving) -> bool:
        """Whether the version that serves is loaded. One that the model server has lost is no resident from then
        on, so it is loaded again when it is back; it stays the one that is asked until another is there."""
        order = self._residents.order
        if not any(one is serving for one in order):
            return False
        if self._server.has(serving.handle):
            return True
        with self._lock:
            order[:] = [one for one in order if one is not serving]
        log.warning("model %s: the model server has lost version %d", self.model, serving.version)
        self._server.unload(serving.handle)
        return False

    def _serve(self, registry: Registry, number: int, identity: str) -> str:
        """Makes a version serve. Returns why it is refused or waits, or ""."""
        loaded = next((one for one in self._residents.order if one.is_still(number, identity)), None)
        if loaded is None:
            loaded = Serving(number, self.model, self._bundle.fingerprint, self._handle(number), identity)
            reason = self._load(registry, loaded)
            if reason:
                return reason
        before = self._serving
        with self._changed:
            self._serving = loaded
            self._changed.notify_all()
            order = self._residents.order
            order[:] = [*(one for one in order if one is not loaded), loaded]
        self.switches_total += 1
        was = "" if before is None else f" (before: {before.version})"
        log.info("model %s: version %d serves%s", self.model, number, was)
        return ""

    def _handle(self, number: int) -> int:
        taken = {one.handle for one in self._residents.order}
        return number if number not in taken else min(0, *taken) - 1

    def _load(self, registry: Registry, version: Serving) -> str:
        loaded = self._loader.load(registry, version.version, version.identity, version.handle)
        if isinstance(loaded, str):
            return loaded
        self._published_us[version.handle] = loaded.created_at_us
        with self._lock:
            self._residents.order.append(version)
        return ""

    def _load_beside(self, wanted: Collection[int]) -> str:
        """Loads those that are not. Returns what is wrong, if anything is."""
        problem = ""
        for number in sorted(wanted):
            reason = self._beside(number, self._open().identity(number))
            if reason:
                problem = f"version {number}, which is wanted beside, is not loaded: {reason}"
        return problem

    def _beside(self, number: int, identity: str) -> str:
        """Has a version loaded that does not serve. Returns why it is not, or ""."""
        if any(one.is_still(number, identity) for one in self._residents.order):
            return ""
        beside = Serving(number, self.model, self._bundle.fingerprint, self._handle(number), identity)
        reason = self._load(self._open(), beside)
        if not reason:
            with self._lock:  # it has not served: when it is wanted no more it is the first to go
                self._residents.order.remove(beside)
                self._residents.order.insert(0, beside)
        return reason

    def _unload_unused(self, wanted: Collection[int]) -> None:
        with self._lock:
            order = self._residents.order
            used = [self._serving, self._canary and self._canary[0]]
            others = [one for one in order if one not in used and one.version not in wanted]
            old = others[: max(0, len(others) - self._kept)]
            gone = [one for one in old if not self._residents.pins[one.handle]]
            order[:] = [one for one in order if one not in gone]
            for one in gone:
                del self._residents.pins[one.handle]
                self._published_us.pop(one.handle, None)
        for one in gone:
            try:
                self._server.unload(one.handle)
                log.info("model %s: version %d is unloaded", self.model, one.version)
            except ModelServerDown as down:
                log.warning("model %s: version %d is not unloaded: %s", self.model, one.version, down)
        if gone and self._registry is not None:
            step()
            self._registry.keep_local([one.version for one in self.loaded()])

    def _tell(self) -> None:
        """Says in the registry what is held here, so that it is not removed there."""
        if self._registry is None:
            return
        serves = None if self._serving is None else self._serving.version
        holds = tuple(sorted({one.version for one in self.loaded()}))
        now_us = time.time_ns() // 1000
        told = self._told
        if (
            told is None
            or (serves, holds) != (told.serves, told.holds)
            or now_us - told.told_at_us > TELLS_S * 1e6
        ):
            self._told = Replica(self._name, self.model, serves, holds, now_us)
            tell(self._registry, self._told)


def _opened(url: str) -> Registry | None:
    try:
        return open_registry(url)
    except RegistryError:
        return None


def before(number: int, versions: Sequence[Version], named: Collection[int]) -> list[int]:
    """What was published before a version, newest first: its parents, then of the lower numbers those that another
    version came of or that are `named`. Nobody knows of others that HEAD ever named them: their publisher may have died
    before that."""
    by_number = {version.number: version for version in versions}
    found: list[int] = []
    at = number
    while at in by_number:
        parent = by_number[at].parent
        if parent is None or parent in found or parent == number:
            break
        at = parent
        found.append(at)
    found = [n for n in found if n in by_number]
    known = {*named, *(version.parent for version in versions)}
    return found + sorted(
        (n for n in by_number if n < number and n in known and n not in found), reverse=True
    )


def _named(registry: Registry) -> set[int]:
    """The versions that HEAD and labels say were published. Errors: `RegistryError`."""
    head = registry.head()
    if head is None or head.before is None:
        return set(registry.numbers())
    return {head.version, head.before, *(one.version for one in labels(registry).values())}
