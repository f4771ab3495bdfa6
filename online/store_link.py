"""The server's hold on its store: opened when it can be, so that a server starts before its store does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from engine import RowReading
from featdsl.errors import FeatError, InputError
from store.interface import Changes, Key, Store, StoreUnavailable, open_store


class StoreLink:
    """A store that may not be there yet. Thread safe."""

    def __init__(self, url: str, namespace: str, timeout_s: float) -> None:
        """Errors: `InputError` for a URL that can never work."""
        self.url = url
        self._namespace = namespace
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._store: Store | None = None
        self.problem = ""
        try:
            self._store = self._open()
        except FeatError as fault:
            if isinstance(fault, InputError) and not url.startswith("lmdb://"):
                raise
            self.problem = fault.message

    def get(self) -> Store:
        """The store. Errors: `StoreUnavailable`."""
        store = self._store
        if store is not None:
            return store
        with self._lock:
            if self._store is None:
                try:
                    self._store = self._open()
                except InputError as fault:
                    raise StoreUnavailable(fault.message, help=fault.help) from fault
            return self._store

    def several(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        within_s: float | None = None,
        readings: Sequence[RowReading | None] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> list[Sequence[bytes | None]]:
        """As `Store.several`. Errors: `StoreUnavailable`."""
        return self.get().several(requests, within_s, readings, meanwhile)

    def schema(self, fingerprint: bytes) -> str | None:
        """As `Store.schema`. Errors: `StoreUnavailable`."""
        return self.get().schema(fingerprint)

    def changes(self, after: str | None, wait_s: float) -> Changes:
        """As `Store.changes`. Errors: `StoreUnavailable`."""
        return self.get().changes(after, wait_s)

    def check(self) -> bool:
        """Whether the store answers now; `problem` says why not."""
        try:
            self.get().ping()
        except StoreUnavailable as down:
            self.problem = down.message
            return False
        self.problem = ""
        return True

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def _open(self) -> Store:
        return open_store(self.url, self._namespace, self._timeout_s)
