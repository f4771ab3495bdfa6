"""Brings a version from the registry into the model server, and remembers why one cannot be served."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from compiler.bundle import Bundle
from featdsl.steps import step
from model_sync import Registry, Version, VersionRefused
from model_sync.scratch import ScratchFolder
from online.mismatch import mismatch
from online.models import ModelNotReady, ModelRefused, ModelServer

log = logging.getLogger("featdsl.versions")


@dataclass(slots=True)
class _Refusal:
    reason: str
    stamp: str


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A version whose bytes are good, in a folder of this server."""

    identity: str
    info: Version
    folder: Path


class VersionLoader:
    """What is refused is tried again only when it changes; what is waited for is read from the registry once."""

    def __init__(self, model: str, bundle: Bundle, server: ModelServer) -> None:
        self._model = model
        self._bundle = bundle
        self._server = server
        self._refused: dict[int, _Refusal] = {}
        self._fetched: dict[int, _Fetched] = {}
        self._asked: set[int] = set()
        """What `load` was asked for since `let_go`."""
        self._folder: ScratchFolder | None = None
        self.waiting: dict[int, str] = {}
        """What versions wait for, by number."""
        self.loading = 0
        self.refused_total = 0

    def refusal(self, number: int) -> str:
        """Why this server does not serve a version, or ""."""
        refused = self._refused.get(number)
        return "" if refused is None else refused.reason

    def load(self, registry: Registry, number: int, identity: str, handle: int) -> Version | str:
        """Verifies a version and has the model server load it as `handle`. Returns it, or why it is refused or waits.
        Errors: `RegistryError`, `ModelServerDown`."""
        self._asked.add(number)
        stamp = registry.stamp(number)
        known = self._refused.get(number)
        if known is not None and known.stamp == stamp:
            return known.reason
        self.loading = 1
        step()
        try:
            fetched = self._fetch(registry, number, identity)
            step()
            self._server.load(handle, fetched.folder)
        except ModelNotReady as waits:
            self.waiting[number] = str(waits)
            return str(waits)
        except (VersionRefused, ModelRefused) as refused:
            self._refused[number] = _Refusal(refused.reason, stamp)
            self.waiting.pop(number, None)
            self._forget(number)
            self.refused_total += 1
            registry.refuse(number, refused.reason)
            log.error("model %s: version %d is refused: %s", self._model, number, refused.reason)
            return refused.reason
        finally:
            self.loading = 0
        step()
        self._refused.pop(number, None)
        self.waiting.pop(number, None)
        self._forget(number)
        registry.accept(number)
        return fetched.info

    def let_go(self) -> None:
        """To be called after each look at the registry: what was waited for, and others were asked for in its place, is
        waited for no more."""
        if self._asked:
            for number in self._fetched.keys() - self._asked:
                self._forget(number)
            for number in self.waiting.keys() - self._asked:
                del self.waiting[number]
        self._asked.clear()

    def close(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _fetch(self, registry: Registry, number: int, identity: str) -> _Fetched:
        known = self._fetched.get(number)
        if known is not None and known.identity == identity:
            return known
        self._forget(number)
        if self._folder is None:
            self._folder = ScratchFolder("versions")
        folder = self._folder.path / f"{number:06d}-{identity[:16]}"
        info = registry.fetch(number, folder, identity=identity, whole=False)
        fetched = self._fetched[number] = _Fetched(identity, info, folder)
        self._check(info, folder)
        return fetched

    def _forget(self, number: int) -> None:
        """The model server has what it needs of the folder."""
        fetched = self._fetched.pop(number, None)
        if fetched is not None:
            shutil.rmtree(fetched.folder, ignore_errors=True)

    def _check(self, version: Version, directory: Path) -> None:
        if version.model != self._model:
            raise ModelRefused(f"it is of another model: {version.model}")
        if version.fingerprint != self._bundle.fingerprint:
            raise ModelRefused(mismatch(self._bundle, version.fingerprint, directory))
