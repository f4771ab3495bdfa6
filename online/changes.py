"""Tells caches what changes in the store, as the store tells it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from typing import Protocol

from online.store_link import StoreLink
from store.interface import StoreUnavailable

log = logging.getLogger("featdsl.changes")

WAIT_S = 0.5
"""How long the store is asked to wait for something to tell."""

_PAUSE_S = 0.1
_END_S = 5.0


class Cache(Protocol):
    """What is made of rows of the store, and stale when these are written."""

    trusted: bool
    """Whether it is told of all that is written."""

    def changed(self, source: str, keys: Sequence[str]) -> None:
        """Rows of a source have been written."""

    def drop(self, sources: Collection[str] | None = None) -> None:
        """Forgets what is made of any row of these sources, or all that there is."""


class ChangeFollower:
    """A thread that reads on from where the store was when it began. The caches are trusted from then on; while the
    store does not answer they are as well, since nothing can be read that is newer."""

    def __init__(self, store: StoreLink, *caches: Cache) -> None:
        self._store = store
        self._caches = caches
        self._position: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="changes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():  # a server that could not listen has not started it
            self._thread.join(_END_S)

    def read_on(self, wait_s: float) -> None:
        """Passes on what has changed since the last time; the first time nothing. Errors: `StoreUnavailable`."""
        found = self._store.changes(self._position, wait_s)
        if found.lost:
            self._drop()
            log.warning("the caches are dropped: more was written than the store remembers")
        for source, keys in found.keys:
            for cache in self._caches:
                if keys is None:
                    cache.drop([source])
                else:
                    cache.changed(source, keys)
        self._position = found.position
        self._trust(True)

    def _drop(self) -> None:
        for cache in self._caches:
            cache.drop()

    def _trust(self, trusted: bool) -> None:
        for cache in self._caches:
            cache.trusted = trusted

    def _follow(self) -> None:
        problem = ""
        while not self._stopping.is_set():
            try:
                self.read_on(WAIT_S)
            except StoreUnavailable as down:
                if not problem:
                    log.warning("the caches do not hear of changes: %s", down.message)
                problem = down.message
                self._stopping.wait(_PAUSE_S)
                continue
            except Exception:  # what is not followed cannot be trusted
                log.exception("the caches are dropped: what changes in the store does not read")
                self._trust(False)
                self._position = None
                self._drop()
                self._stopping.wait(WAIT_S)
                continue
            if problem:
                log.info("the caches hear of changes again")
            problem = ""
