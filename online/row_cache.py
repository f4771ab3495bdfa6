"""Rows that requests lead to, kept from call to call: of sources whose key is a field, of the request or of another
row, and not one that callers give. There are few of them, asked for again and again (a country, the makers of what
people like), and without them a call of known items needs one round to the store less.

Kept are the bytes as they lie in the store, so that every program reads of them what it needs.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakSet

from online.item_cache import MISSING_SHARE
from store.interface import Key

_OVERHEAD_BYTES = 300
"""Of an entry, beside key and row."""


class RowCacheStats(NamedTuple):
    """Rows that were asked for since the start, by whether they were there, and what is held now."""

    hits: int
    misses: int
    entries: int
    num_bytes: int


@dataclass(slots=True, eq=False)
class _Kept:
    row: bytes | None
    until: float
    used: bool = False
    """Asked for since it was kept, or last came up for removal."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class FoundRows:
    """What is known of some keys, in their order. `missing` are those to ask for, at their `places`; `changed` of these
    while they are being asked for."""

    cache: RowCache
    source: str
    rows: list[bytes | None]
    missing: list[Key]
    places: list[int]
    changed: set[str] = field(default_factory=set)
    dropped: bool = False

    def with_missing(self, rows: Sequence[bytes | None]) -> list[bytes | None]:
        """The rows of all keys, once those of the missing ones have come; they are kept."""
        if self.missing:
            self.cache.add(self, rows)
        return self.rows


class RowCache:
    """At most `limit_bytes` of rows; the oldest go first, but for those that were asked for since. Nothing is found
    before it is `trusted`, which is set by who tells it what changes. Thread safe."""

    def __init__(self, limit_bytes: int, ttl_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.trusted = False
        self._limit_bytes = limit_bytes
        self._ttl_s = ttl_s
        self._now = now
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, Key], _Kept] = OrderedDict()
        self._asking: WeakSet[FoundRows] = WeakSet()
        self._num_bytes = self._hits = self._misses = 0

    def find(self, source: str, keys: Sequence[Key]) -> FoundRows | None:
        """What is known of rows; None while the cache is not to be trusted."""
        if not self.trusted:
            return None
        found = FoundRows(self, source, [], [], [])
        now = self._now()
        with self._lock:
            known = self._kept.get
            for place, kept in enumerate([known((source, key)) for key in keys]):
                if kept is None or kept.until <= now:
                    found.places.append(place)
                    found.rows.append(None)
                else:
                    kept.used = True
                    found.rows.append(kept.row)
            found.missing = [keys[place] for place in found.places]
            self._hits += len(keys) - len(found.missing)
            self._misses += len(found.missing)
            if found.missing:
                self._asking.add(found)
        return found

    def add(self, found: FoundRows, rows: Sequence[bytes | None]) -> None:
        """Keeps rows that were missing, but those that changed since they were asked for."""
        now = self._now()
        with self._lock:
            self._asking.discard(found)
            for place, key, row in zip(found.places, found.missing, rows, strict=True):
                found.rows[place] = row
                if not found.dropped and (not found.changed or str(key) not in found.changed):
                    ttl_s = self._ttl_s / (MISSING_SHARE if row is None else 1)
                    self._keep((found.source, key), _Kept(row, now + ttl_s))

    def changed(self, source: str, keys: Sequence[Key]) -> None:
        """These rows of a source are others now. An integer may be told as its text."""
        with self._lock:
            for key in keys:
                self._remove((source, key))
                if isinstance(key, str) and key.removeprefix("-").isdecimal():
                    self._remove((source, int(key)))
            for found in self._asking:
                if found.source == source:
                    found.changed.update(map(str, keys))

    def drop(self, sources: Collection[str] | None = None) -> None:
        """Forgets all rows of these sources; None: everything."""
        with self._lock:
            for name in [name for name in self._kept if sources is None or name[0] in sources]:
                self._remove(name)
            for found in self._asking:
                found.dropped = found.dropped or sources is None or found.source in sources

    def stats(self) -> RowCacheStats:
        with self._lock:
            return RowCacheStats(self._hits, self._misses, len(self._kept), self._num_bytes)

    def _keep(self, name: tuple[str, Key], kept: _Kept) -> None:
        self._remove(name)
        self._kept[name] = kept
        self._num_bytes += _size(name, kept)
        while self._num_bytes > self._limit_bytes:
            name, oldest = self._kept.popitem(last=False)
            if oldest.used:
                oldest.used = False
                self._kept[name] = oldest
            else:
                self._num_bytes -= _size(name, oldest)

    def _remove(self, name: tuple[str, Key]) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._num_bytes -= _size(name, kept)


def _size(name: tuple[str, Key], kept: _Kept) -> int:
    key = name[1]
    return _OVERHEAD_BYTES + (len(key) if isinstance(key, str) else 0) + len(kept.row or b"")
