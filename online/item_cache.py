"""The results of the item stage, kept from call to call.

What a candidate's item gives does not depend on the request: it is made once, and kept until a row that it was made
of changes (`online/changes.py`), its time is over, or the memory is wanted for others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine import Batch, ItemLookup, ItemTable, Keys, Program
from engine import ItemCache as Memory
from featdsl.levels import Level
from featdsl.program import Schema, Source
from online.item_parts import CallParts, KeptParts, VersionParts
from online.models import PartingModelServer
from store.interface import Key

MISSING_SHARE = 10
"""Items without a row are kept for a tenth of the time: a row is likelier to come than to change."""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counters since the start, and what is held now. `stale` and `expired` are among the misses."""

    hits: int
    misses: int
    stale: int
    expired: int
    inserted: int
    evicted: int
    too_large: int
    entries: int
    num_bytes: int
    limit_bytes: int
    part_hits: int
    part_misses: int
    part_entries: int
    part_bytes: int
    drops: int
    mean_hit_age_s: float

    @property
    def hit_rate(self) -> float:
        """Hits among all items that were asked for; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


class ItemCache:
    """A server's cache: `limit_bytes` of memory for all of its programs. Nothing is served from it before it is
    `trusted`, which is set by who tells it what changes. Thread safe."""

    def __init__(self, limit_bytes: int, ttl_s: float, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Errors: `EngineError` below 1 MiB."""
        self.trusted = False
        self._memory = Memory(limit_bytes)
        self.ttl_ns = round(ttl_s * 1e9)
        self.now_ns = now_ns
        self._lock = threading.Lock()
        self._tables: list[tuple[frozenset[str], ItemTable]] = []
        self._drops = 0

    @property
    def sources(self) -> frozenset[str]:
        """The sources whose changes matter."""
        with self._lock:
            return frozenset(name for sources, _ in self._tables for name in sources)

    def items_of(
        self, schema: Schema, program: Program | None, sources: Iterable[Source]
    ) -> CachedItems | None:
        """The items of a program: its item stage, and the sources that are read for it. None where there is
        nothing to be kept."""
        entities = tuple(entity.name for entity in schema.entities if entity.per_candidate)
        if program is None or not entities:
            return None
        of_items = {source.name: source for source in sources if source.level is Level.ITEM}
        assert all(name.split(".")[0] in (*of_items, *entities) for name, _ in program.inputs)
        table = self.table(program.outputs)
        with self._lock:
            self._tables.append((frozenset(source.rows_of for source in of_items.values()), table))
        return CachedItems(self, table, entities)

    def table(self, columns: Sequence[tuple[str, str]]) -> ItemTable:
        """Room for rows of these columns (name, type)."""
        return ItemTable(self._memory, columns)

    def changed(self, source: str, keys: Sequence[Key | bytes]) -> None:
        """These rows of a source are others now."""
        if source in self.sources:
            self._memory.changed(source, keys)

    def drop(self, sources: Collection[str] | None = None) -> None:
        """Forgets what was made of any row of these sources; None: everything."""
        with self._lock:
            self._drops += 1
            for read, table in self._tables:
                if sources is None or not read.isdisjoint(sources):
                    table.drop()

    def stats(self) -> CacheStats:
        counts = self._memory.stats()
        num_bytes = counts.pop("bytes")
        age_s = counts.pop("hit_age_ns") / max(1, counts["hits"]) / 1e9
        return CacheStats(**counts, num_bytes=num_bytes, drops=self._drops, mean_hit_age_s=age_s)


class CachedItems:
    """One program's items in the cache. Thread safe."""

    def __init__(self, cache: ItemCache, table: ItemTable, entities: tuple[str, ...]) -> None:
        self._cache = cache
        self._table = table
        self._entities = entities

    def parts(self, server: PartingModelServer, made: Collection[str]) -> KeptParts:
        """What versions of a model make of these items, of their columns `made`."""
        return KeptParts(server, self._table, self._cache.table, made)

    def find(self, keys: Mapping[str, Keys], parts: VersionParts | None = None) -> KnownItems | None:
        """What is known of a call's distinct items, and which version's parts of them are wanted; None while the cache
        is not to be trusted."""
        if not self._cache.trusted:
            return None
        columns = [keys[name] for name in self._entities]
        together = columns[0] if len(columns) == 1 else Keys.together(columns)
        now_ns = self._cache.now_ns()
        lookup = self._table.find(together, now_ns)
        missing = lookup.missing
        wanted = keys
        if len(missing) < len(together):
            wanted = {**keys, **{name: keys[name].take(missing) for name in self._entities}}
        of_call = None if parts is None else CallParts(parts, lookup)
        return KnownItems(lookup, missing, wanted, now_ns, self._cache.ttl_ns, of_call)


@dataclass(slots=True)
class KnownItems:
    """A call's items: those that are there, and the `missing` ones, which have to be made. `keys`: the call's, per
    candidate those of the missing items alone. `parts`: what a model makes of them. `store_down`: the store did not
    answer for one of these."""

    lookup: ItemLookup
    missing: npt.NDArray[np.int64]
    keys: Mapping[str, Keys]
    now_ns: int
    ttl_ns: int
    parts: CallParts | None = None
    store_down: bool = False
    gathered: Batch | None = None

    def made_of(self, source: Source, keys: Keys, lengths: Sequence[int] | None) -> None:
        """The rows that will be read for the missing items; to be said before they are."""
        self.lookup.made_of(source.rows_of, keys, lengths)

    @property
    def in_place_of(self) -> frozenset[str]:
        """The results in whose place parts are read."""
        return frozenset() if self.parts is None else self.parts.version.in_place_of

    def gather(self, items: npt.NDArray[np.int64]) -> Batch:
        """The results of the items at these places, all of which are there or were added; the same places each time.
        Without those in whose place parts are read."""
        if self.gathered is None:
            columns = None if self.parts is None else self.parts.version.columns
            self.gathered = self.lookup.rows(items, columns)
        return self.gathered

    def gather_all(self, items: npt.NDArray[np.int64]) -> None:
        """The same and the parts, of items all of which are there."""
        self.gather(items)
        if self.parts is not None:
            self.parts.gather_if_known(items)

    def add(self, made: Batch, statuses: npt.NDArray[np.uint8]) -> None:
        """The missing items' results: kept, unless they were made of defaults while the store was down."""
        ttl_ns = 0 if self.store_down else self.ttl_ns
        until, missing_until = self.now_ns + ttl_ns, self.now_ns + ttl_ns // MISSING_SHARE
        self.lookup.add(made, statuses, self.now_ns, until, missing_until)
