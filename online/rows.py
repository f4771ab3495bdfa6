"""From a call to the engine's inputs: the store's rows, round by round, and what the call itself brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compiler.arrow_types import arrow_type
from compiler.native.program import StagePrograms
from engine import Batch, EngineError, RowReader
from featdsl.program import Entity, Schema, Source
from featdsl.types import Type, list_of
from online.answers import MISSING, OK, STORE_DOWN, UNREADABLE
from online.budget import Budget
from online.errors import CallError, Reason
from online.fetch import FetchPlan, plan_fetch
from online.observe.record import RowCounts
from online.request import Call
from online.stages import Inputs
from online.store_link import StoreLink
from online.unreadable import UnreadableRows
from store.interface import Key, StoreUnavailable
from store.read import ReadRows, SourceReader

_STATUSES = np.array([OK, MISSING, UNREADABLE, UNREADABLE], np.uint8)
"""By the store's status of a row: ok, missing, does not decode, unknown schema."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What a program set reads: of the store, of `request` and `candidate`, and which keys it uses itself."""

    fetch: FetchPlan
    readers: Mapping[str, SourceReader]
    blocks: Mapping[str, RowReader]
    keys: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class FetchedRow:
    """For `Explain`: a source's key in this call (a list for one keyed by a list), its rows' statuses, and their
    bytes as they lie in the store."""

    source: str
    key: Any
    key_type: Type
    statuses: list[int]
    stored: list[bytes | None]


@dataclass(slots=True)
class Read:
    """`statuses`: the worst of each distinct item's own rows, hops apart."""

    inputs: Inputs
    statuses: npt.NDArray[np.uint8]
    request_status: int = OK
    rows: list[FetchedRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Keys:
    """A source's keys, a row each, null where there is none. `lengths`: for a source keyed by a list, how
    many of them belong to each row."""

    keys: list[Key | None]
    lengths: list[int] | None

    def distinct(self) -> list[Key]:
        return [key for key in dict.fromkeys(self.keys) if key is not None]

    def spread(self, rows: Mapping[Key, bytes | None]) -> list[bytes | None]:
        return [None if key is None else rows[key] for key in self.keys]


class RowSource:
    """Reads the inputs of calls. `defaults_when_down`: goes on with missing rows when the store does not
    answer, and says so in the statuses. Thread safe."""

    def __init__(self, schema: Schema, store: StoreLink, *, defaults_when_down: bool) -> None:
        self._schema = schema
        self._store = store
        self._defaults_when_down = defaults_when_down
        self.unreadable = UnreadableRows()

    def plan(self, programs: StagePrograms) -> ReadPlan:
        """What to read for a program set."""
        wanted = programs.inputs_and_keys
        fetch = plan_fetch(self._schema, wanted)
        return ReadPlan(
            fetch,
            {source.name: SourceReader(source, self._store, wanted) for source in fetch.sources},
            {name: programs.reader_of(name) for name in ("request", "candidate") if programs.fields_of(name)},
            tuple(entity for entity in self._schema.entities if entity.name in programs.inputs),
        )

    def read(self, plan: ReadPlan, call: Call, budget: Budget) -> Read:
        """Everything that the stages before the model read. Errors: `CallError`."""
        item_rows = call.item_rows if call.items_repeat else None
        inputs = Inputs(call.num_items, call.num_candidates, item_rows)
        read = Read(inputs, np.full(call.num_items, OK, np.uint8))
        for entity in plan.keys:
            inputs.add("item" if entity.per_candidate else "request", _key_batch(entity, call))
        try:
            if "request" in plan.blocks:
                inputs.add("request", plan.blocks["request"].read_arrow(call.request))
            if "candidate" in plan.blocks:
                inputs.add("pair", plan.blocks["candidate"].read_arrow(call.candidate))
        except EngineError as error:
            raise CallError(Reason.BAD_FIELD_TYPE, str(error)) from error
        for sources in plan.fetch.rounds:
            with budget.stage("fetch"):
                keys = [self._keys(source, call, inputs) for source in sources]
                rows = self._fetch(sources, keys, budget)
            with budget.stage("decode"):
                for source, source_keys, found in zip(sources, keys, rows, strict=True):
                    statuses = self._decode(source, plan.readers[source.name], source_keys, found, read)
                    budget.record.rows.append(RowCounts(source.name, *_counts(statuses)))
        return read

    def _keys(self, source: Source, call: Call, inputs: Inputs) -> _Keys:
        if source.key in call.keys:
            return _Keys(list(call.keys[source.key]), None)
        values = inputs.values(source.key)
        if not source.per_element:
            return _Keys(values, None)
        return _Keys([key for keys in values for key in keys], [len(keys) for keys in values])

    def _fetch(
        self, sources: Sequence[Source], keys: Sequence[_Keys], budget: Budget
    ) -> list[dict[Key, bytes | None] | None]:
        """By source the rows by key; None where the store is down."""
        wanted = [(source.rows_of, k.distinct()) for source, k in zip(sources, keys, strict=True)]
        try:
            with budget.store_trip(sum(len(asked) for _, asked in wanted)):
                found = self._store.several(wanted)
        except StoreUnavailable as down:
            self._unless_defaults(down)
            return [None] * len(sources)
        return [dict(zip(asked, rows, strict=True)) for (_, asked), rows in zip(wanted, found, strict=True)]

    def _decode(
        self,
        source: Source,
        reader: SourceReader,
        keys: _Keys,
        rows: dict[Key, bytes | None] | None,
        read: Read,
    ) -> npt.NDArray[np.uint8]:
        """Adds a source's rows to what was read. Returns their statuses."""
        missing: list[bytes | None] = [None] * len(keys.keys)
        down = rows is None
        stored = missing if rows is None else keys.spread(rows)
        try:
            decoded = _read(reader, stored, keys.lengths)
        except StoreUnavailable as gone:
            self._unless_defaults(gone)
            decoded, down = _read(reader, missing, keys.lengths), True
        statuses = np.full(len(missing), STORE_DOWN, np.uint8) if down else _STATUSES[decoded.statuses]
        self.unreadable.note(source.name, keys.keys, statuses, list(reader.refused.values()))
        read.inputs.add(source.level.label, decoded.batch)
        key, key_type = (
            (keys.keys, list_of(source.key_type))
            if source.per_element
            else (
                keys.keys[0],
                source.key_type,
            )
        )
        read.rows.append(FetchedRow(source.name, key, key_type, statuses.tolist(), stored))
        if any(source.key == entity.name for entity in self._schema.entities):
            if self._schema.entity(source.key).per_candidate:
                np.maximum(read.statuses, statuses, out=read.statuses)
            else:
                read.request_status = max(read.request_status, int(statuses[0]))
        return statuses

    def _unless_defaults(self, down: StoreUnavailable) -> None:
        if not self._defaults_when_down:
            raise CallError(Reason.STORE_DOWN, down.message, help=down.help) from down


def _read(reader: SourceReader, rows: list[bytes | None], lengths: list[int] | None) -> ReadRows:
    return reader.read(rows) if lengths is None else reader.read_lists(rows, lengths)


def _counts(statuses: npt.NDArray[np.uint8]) -> list[int]:
    """How many there are of each status."""
    if not statuses.any():
        return [len(statuses), 0, 0, 0]
    counts: list[int] = np.bincount(statuses, minlength=4).tolist()
    return counts


def _key_batch(entity: Entity, call: Call) -> Batch:
    keys = pa.array(call.keys[entity.name], arrow_type(entity.type))
    return Batch.from_arrow(
        pa.RecordBatch.from_arrays([keys], [entity.name]), [(entity.name, str(entity.type))]
    )
