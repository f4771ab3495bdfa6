"""From a call to the engine's inputs: the store's rows, round by round, and what the call itself brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from compiler.native.program import StagePrograms
from engine import EngineError, Keys, RowReader, RowReading, StoredRows
from featdsl.levels import Level
from featdsl.program import Entity, Schema, Source
from online.answers import MISSING, OK, STORE_DOWN, UNREADABLE
from online.budget import Budget
from online.errors import CallError, Reason
from online.fetch import FetchPlan, plan_fetch
from online.item_cache import CachedItems, ItemCache
from online.item_parts import VersionParts
from online.observe.record import RowCounts
from online.request import Call
from online.row_cache import FoundRows, RowCache
from online.stages import Inputs
from online.store_link import StoreLink
from online.unreadable import UnreadableRows
from store.interface import Key, StoreUnavailable
from store.read import ReadRows, SourceReader

_STATUSES = np.array([OK, MISSING, UNREADABLE, UNREADABLE], np.uint8)
"""By the store's status of a row: ok, missing, does not decode, unknown schema."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What a program set reads: of the store, of `request` and `candidate`, and which keys it uses itself.
    `items`: where its items are kept, if they are; `kept`: the sources whose rows are, by name."""

    fetch: FetchPlan
    without_items: FetchPlan
    readers: Mapping[str, SourceReader]
    blocks: Mapping[str, RowReader]
    keys: tuple[Entity, ...]
    items: CachedItems | None
    kept: frozenset[str]


@dataclass(frozen=True, slots=True)
class FetchedRows:
    """For `Explain`: a source's keys in this call, its rows' statuses, and their bytes as they lie in the store, one
    a key."""

    source: Source
    keys: Keys
    statuses: npt.NDArray[np.uint8]
    stored: Sequence[bytes | None]


@dataclass(slots=True)
class Read:
    """What was read for a call. `request_status`: the worst of the rows that are the request's. `rows`: for `Explain`
    alone."""

    inputs: Inputs
    request_status: int = OK
    rows: list[FetchedRows] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Keys:
    """A source's keys, a row each, null where there is none. `lengths`: for a source keyed by a list, how
    many of them belong to each row. `distinct`: those to ask for; `which` of them each key is, -1 for null, None
    where they are the keys as they stand."""

    keys: Keys
    lengths: list[int] | None
    distinct: Keys
    which: npt.NDArray[np.int64] | None

    @classmethod
    def of(cls, keys: Keys, lengths: list[int] | None = None) -> _Keys:
        found = keys.distinct()
        if found is None:
            return cls(keys, lengths, keys, None)
        first, which = found
        return cls(keys, lengths, keys.take(first), which)

    def spread(self, rows: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """The rows of the distinct keys, for each key."""
        if self.which is None:
            return rows
        if isinstance(rows, StoredRows):
            return rows.take(self.which)
        return [None if place < 0 else rows[place] for place in self.which.tolist()]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A source in a round: its keys, what is known of its rows already, and what may read them as they come in."""

    source: Source
    reader: SourceReader
    keys: _Keys
    known: FoundRows | None
    begun: RowReading | None

    @property
    def wanted(self) -> tuple[str, Sequence[Key]]:
        return self.source.rows_of, self.keys.distinct if self.known is None else self.known.missing

    def read(self, rows: Sequence[bytes | None]) -> ReadRows:
        """Rows of all keys. Errors: `StoreUnavailable`."""
        if self.keys.lengths is None:
            return self.reader.read(rows, self.begun)
        return self.reader.read_lists(rows, self.keys.lengths, self.begun)


class RowSource:
    """Reads the inputs of calls. `defaults_when_down`: goes on with missing rows when the store does not
    answer, and says so in the statuses. Thread safe."""

    def __init__(
        self,
        schema: Schema,
        store: StoreLink,
        *,
        defaults_when_down: bool,
        cache: ItemCache | None = None,
        kept_rows: RowCache | None = None,
    ) -> None:
        self._schema = schema
        self._store = store
        self._defaults_when_down = defaults_when_down
        self._per_candidate = {entity.name: entity.per_candidate for entity in schema.entities}
        self._cache = cache
        self._kept_rows = kept_rows
        self.unreadable = UnreadableRows()

    def plan(self, programs: StagePrograms, *, cached: bool = False) -> ReadPlan:
        """What to read for a program set. `cached`: what its items give is kept, if there is a cache, and so are rows
        that requests lead to."""
        wanted = programs.inputs_and_keys
        fetch = plan_fetch(self._schema, wanted)
        cache = self._cache if cached else None
        return ReadPlan(
            fetch,
            fetch.without_items(),
            {source.name: SourceReader(source, self._store, wanted) for source in fetch.sources},
            {name: programs.reader_of(name) for name in ("request", "candidate") if programs.fields_of(name)},
            tuple(entity for entity in self._schema.entities if entity.name in programs.inputs),
            None if cache is None else cache.items_of(self._schema, programs.item, fetch.sources),
            self._led_to(fetch.sources) if cached and self._kept_rows is not None else frozenset(),
        )

    def _led_to(self, sources: Sequence[Source]) -> frozenset[str]:
        """The sources per request whose keys callers do not give."""
        return frozenset(
            source.name
            for source in sources
            if source.level is not Level.ITEM and source.key not in self._per_candidate
        )

    def read(self, plan: ReadPlan, call: Call, budget: Budget, parts: VersionParts | None = None) -> Read:
        """Everything that the stages before the model read. `parts`: what the model reads of items in place of their
        inputs. Errors: `CallError`."""
        known = None if plan.items is None else plan.items.find(call.keys, parts)
        keys = call.keys if known is None else known.keys
        size = call.num_items if known is None else len(known.missing)
        statuses = np.zeros(size, np.uint8)  # all OK
        inputs = Inputs(call.num_items, call.num_candidates, call.item_rows, statuses, known)
        read = Read(inputs)
        for entity in plan.keys:
            level = "item" if entity.per_candidate else "request"
            inputs.add(level, keys[entity.name].column(entity.name, str(entity.type)))
        try:
            if "request" in plan.blocks:
                inputs.add("request", plan.blocks["request"].read_arrow(call.request))
            if "candidate" in plan.blocks:
                inputs.add("pair", plan.blocks["candidate"].read_arrow(call.candidate))
        except EngineError as error:
            raise CallError(Reason.BAD_FIELD_TYPE, str(error)) from error
        meanwhile = None if known is None or size else partial(known.gather_all, call.item_rows)
        for sources in plan.fetch.rounds if size else plan.without_items.rounds:
            with budget.stage("fetch"):
                asked = [self._ask(plan, source, keys, inputs) for source in sources]
                rows = self._fetch(asked, meanwhile, budget)
                meanwhile = None
            with budget.stage("decode"):
                for one, found in zip(asked, rows, strict=True):
                    budget.record.rows.append(self._decode(one, found, read))
        return read

    def _ask(self, plan: ReadPlan, source: Source, given: Mapping[str, Keys], inputs: Inputs) -> _Asked:
        """The item cache learns of keys before they are asked for: so it misses no change."""
        if source.key not in given:
            keys = _Keys.of(*Keys.of_column(inputs.holding(source.key), source.key))
        elif self._are_distinct(source.key):
            keys = _Keys(given[source.key], None, given[source.key], None)
        else:
            keys = _Keys.of(given[source.key])
        if inputs.known is not None and source.level is Level.ITEM:
            inputs.known.made_of(source, keys.keys, keys.lengths)
        known, reader = None, plan.readers[source.name]
        if self._kept_rows is not None and source.name in plan.kept:
            known = self._kept_rows.find(source.rows_of, keys.distinct)
        as_they_come = keys.which is None and known is None
        return _Asked(source, reader, keys, known, reader.begin(len(keys.keys)) if as_they_come else None)

    def _are_distinct(self, entity: str) -> bool:
        """Whether a call's keys of an entity are, each of them: those of the only one per candidate."""
        return not self._per_candidate[entity] or sum(self._per_candidate.values()) == 1

    def _fetch(
        self, asked: Sequence[_Asked], meanwhile: Callable[[], object] | None, budget: Budget
    ) -> list[Sequence[bytes | None] | None]:
        """By source the rows of its distinct keys; None where the store is down."""
        wanted = [one.wanted for one in asked]
        count = sum(len(keys) for _, keys in wanted)
        rows: list[Sequence[bytes | None]] = [[] for _ in wanted]
        try:
            if count:
                readings = [one.begun for one in asked]
                with budget.store_trip(count):
                    rows = self._store.several(wanted, budget.left(), readings, meanwhile)
        except StoreUnavailable as down:
            if budget.left() > 0:  # else the stage says it
                self._unless_defaults(down)
            return [
                None if keys or one.known is None else one.known.rows
                for one, (_, keys) in zip(asked, wanted, strict=True)
            ]
        return [
            came if one.known is None else one.known.with_missing(came)
            for one, came in zip(asked, rows, strict=True)
        ]

    def _decode(self, asked: _Asked, rows: Sequence[bytes | None] | None, read: Read) -> RowCounts:
        """Adds a source's rows to what was read."""
        source, keys = asked.source, asked.keys.keys
        size, down = len(keys), rows is None
        stored = [None] * size if rows is None else asked.keys.spread(rows)
        try:
            decoded = asked.read(stored)
        except StoreUnavailable as gone:
            self._unless_defaults(gone)
            decoded, down = asked.read([None] * size), True
        ok, missing, undecodable, unknown = decoded.counts
        if down:
            statuses = np.full(size, STORE_DOWN, np.uint8)
            counts = RowCounts(source.name, 0, 0, 0, size)
        else:
            statuses = decoded.statuses if ok == size else _STATUSES[decoded.statuses]
            counts = RowCounts(source.name, ok, missing, undecodable + unknown, 0)
        if counts.unreadable:
            self.unreadable.note(source.name, keys, statuses, asked.reader.refused.values())
        inputs = read.inputs
        inputs.add(source.level.label, decoded.batch)
        read.rows.append(FetchedRows(source, keys, statuses, stored))
        if inputs.known is not None and down and source.level is Level.ITEM:
            inputs.known.store_down = True
        if ok == size and not down:
            return counts
        if self._per_candidate.get(source.key):
            np.maximum(inputs.statuses, statuses, out=inputs.statuses)
        elif source.key in self._per_candidate:
            read.request_status = max(read.request_status, int(statuses[0]))
        return counts

    def _unless_defaults(self, down: StoreUnavailable) -> None:
        if not self._defaults_when_down:
            raise CallError(Reason.STORE_DOWN, down.message, help=down.help) from down
