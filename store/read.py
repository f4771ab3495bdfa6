"""Reading the rows of one source: the engine's `RowReader`, set up from the source's declaration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Sequence as Rows
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engine._engine import Batch, EngineError, RowReader, RowReading
from featdsl.program import Field, Sequence, Source
from store.decode_plan import SchemaError, decode_plan

OK, MISSING, UNDECODABLE, UNKNOWN_SCHEMA = range(4)
"""The statuses of `ReadRows`."""


def wanted_fields(
    prefix: str, fields: Rows[Field | Sequence], wanted: Collection[str] | None
) -> tuple[Field | Sequence, ...]:
    """The fields of a struct that give one of the `wanted` inputs (`profile.clicks.at`), all if None. A
    sequence is taken whole: a null in one of its lists drops the position from all."""
    return tuple(field for field in fields if wanted is None or _is_wanted(prefix, field, wanted))


def row_reader(
    prefix: str, fields: Rows[Field | Sequence], defaults: Mapping[str, Any] | None = None
) -> RowReader:
    """A reader of the fields of a struct: a source's, `request`'s or `candidate`'s. `defaults` gives inputs a
    default in place of the declared one (`request.at`: the call's time, int microseconds)."""
    given = defaults or {}
    flat = [(field, "") for field in fields if isinstance(field, Field)]
    flat += [
        (member, field.name) for field in fields if isinstance(field, Sequence) for member in field.fields
    ]
    specs = [
        (field.name, str(field.type), given.get(f"{prefix}.{field.name}", field.default), field.cap, sequence)
        for field, sequence in flat
    ]
    return RowReader(
        prefix, specs, [(field.name, field.cap) for field in fields if isinstance(field, Sequence)]
    )


def _is_wanted(prefix: str, field: Field | Sequence, wanted: Collection[str]) -> bool:
    name = f"{prefix}.{field.name}"
    if isinstance(field, Sequence):
        return any(f"{name}.{member.name}" in wanted for member in field.fields)
    return name in wanted


class ReadRows(NamedTuple):
    """`batch` has a row a key (for a source keyed by a list: a row of lists a list of keys); `statuses` one a
    stored row: OK, MISSING, UNDECODABLE or UNKNOWN_SCHEMA. All but OK read as a missing row. `counts`: of each."""

    batch: Batch
    statuses: npt.NDArray[np.uint8]
    counts: tuple[int, int, int, int]


class SchemaSource(Protocol):
    """Where writer schemas lie: a `Store`, or what stands for one."""

    def schema(self, fingerprint: bytes) -> str | None: ...


class SourceReader:
    """Reads a source's stored rows, learning writer schemas from the store as they turn up. Thread safe."""

    def __init__(self, source: Source, store: SchemaSource, wanted: Collection[str] | None = None) -> None:
        """`wanted`: the input names that are needed, all if None."""
        self._store = store
        self._fields = wanted_fields(source.name, source.fields, wanted)
        self._reader = row_reader(source.name, self._fields)
        self._refused: dict[bytes, str] = {}

    def begin(self, count: int) -> RowReading:
        """What may read so many rows for `read` or `read_lists` while they come in."""
        return self._reader.begin(count)

    def read(self, rows: Rows[bytes | None], begun: RowReading | None = None) -> ReadRows:
        """Stored rows, as `Store.several` gives them, one a row of the batch."""
        batch, statuses, unknown, counts = self._reader.read_avro(rows, begun)
        if unknown and self._learn(unknown):
            batch, statuses, _, counts = self._reader.read_avro(rows)
        return ReadRows(batch, statuses, counts)

    def read_lists(
        self, rows: Rows[bytes | None], lengths: Rows[int], begun: RowReading | None = None
    ) -> ReadRows:
        """For a source keyed by a list: the rows of all keys in a row, `lengths` of them making each row."""
        batch, statuses, unknown, counts = self._reader.read_avro_lists(rows, lengths, begun)
        if unknown and self._learn(unknown):
            batch, statuses, _, counts = self._reader.read_avro_lists(rows, lengths)
        return ReadRows(batch, statuses, counts)

    @property
    def refused(self) -> Mapping[bytes, str]:
        """Fingerprints of schemas that the source cannot be read from, and why (status UNKNOWN_SCHEMA)."""
        return self._refused

    @property
    def invalid_text_total(self) -> int:
        """How many texts were not UTF-8 and read as null."""
        return self._reader.invalid_text_total

    def _learn(self, unknown: Rows[bytes]) -> bool:
        """Whether any schema was new: the rows are to be read again."""
        learned = False
        for fingerprint in unknown:
            if fingerprint in self._refused:
                continue
            schema = self._store.schema(fingerprint)
            if schema is None:
                continue
            try:
                self._reader.add_schema(fingerprint, decode_plan(schema, self._fields))
                learned = True
            except SchemaError as error:
                self._refused[fingerprint] = error.message
            except EngineError as error:
                self._refused[fingerprint] = str(error)
        return learned
