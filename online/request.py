"""Calls as they come in: checked against the program's schema, with what is wrong named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.message import DecodeError

from compiler.arrow_types import arrow_type
from engine import Keys, request_keys
from featdsl.program import Entity, Field, Schema
from featdsl.types import Kind
from online.columns import BadValue, column_of, row_of
from online.errors import CallError, Reason, did_you_mean
from online.proto.scorer_pb2 import ExplainRequest, ScoreRequest, Value, Values
from online.proto.scorer_pb2 import Keys as KeysMessage

_NO_FIELDS = pa.record_batch([], names=[])


@dataclass(frozen=True, slots=True)
class Asked:
    """A message, but for its keys, and these by entity; None where an entity is named and none given."""

    message: ScoreRequest | ExplainRequest
    keys: Mapping[str, Keys | None]

    @classmethod
    def of(cls, kind: Any, data: bytes) -> Asked:
        """Errors: `CallError` for bytes that are no such message."""
        try:
            found = request_keys(data, kind.KEYS_FIELD_NUMBER)
            if found is not None:
                keys, rest = found
                return cls(kind.FromString(rest), keys)
            message = kind.FromString(data)
        except DecodeError as error:
            raise CallError(
                Reason.MALFORMED_REQUEST, f"the request's bytes are no {kind.DESCRIPTOR.full_name}"
            ) from error
        return cls(message, {name: _keys_in(given) for name, given in message.keys.items()})


def _keys_in(given: KeysMessage) -> Keys | None:
    case = given.WhichOneof("of")
    return None if case is None else Keys(list(getattr(given, case).values))


@dataclass(frozen=True, slots=True)
class Call:
    """One call, checked. `keys` holds one key for an entity per request, else one a *distinct* item;
    `item_rows[i]` is the distinct item of candidate i. `request` has one row, `candidate` one a
    candidate; both hold every field that is declared, null where the call has none."""

    keys: Mapping[str, Keys]
    num_candidates: int
    item_rows: npt.NDArray[np.int64]
    num_items: int
    request: pa.RecordBatch
    candidate: pa.RecordBatch

    @property
    def items_repeat(self) -> bool:
        return self.num_items != self.num_candidates


class CallReader:
    """Reads `ScoreRequest` and `ExplainRequest` for one program; nothing else about a call is looked at
    later. Thread safe."""

    def __init__(self, schema: Schema, max_items: int) -> None:
        self._entities = {entity.name: entity for entity in schema.entities}
        self._request = {field.name: field for field in schema.request}
        self._candidate = {field.name: field for field in schema.candidate}
        self._max_items = max_items

    def read(self, asked: Asked, now_micros: int) -> Call:
        """The call. `now_micros` is what a `= now` field reads as. Errors: `CallError`."""
        message, keys = asked.message, self._keys(asked.keys)
        size = self._num_candidates(keys, message.candidate)
        if size > self._max_items:
            raise CallError(
                Reason.TOO_MANY_ITEMS,
                f"the call has more than {self._max_items} candidates: {size}",
                help="split the call, or raise `--max-items` on the server",
                metadata={"limit": str(self._max_items), "given": str(size)},
            )
        self._one_key_each(keys, size)
        many = {name: keys[name] for name, entity in self._entities.items() if entity.per_candidate}
        distinct, item_rows, num_items = _distinct(many, size)
        return Call(
            {**keys, **distinct},
            size,
            item_rows,
            num_items,
            self._read_request(message.request, now_micros),
            self._read_candidate(message.candidate, size),
        )

    def _keys(self, given: Mapping[str, Keys | None]) -> dict[str, Keys]:
        for name in given:
            if name not in self._entities:
                raise CallError(
                    Reason.UNKNOWN_ENTITY,
                    f"the program has no such entity: {name}",
                    help=did_you_mean(name, self._entities),
                    metadata={"entity": name},
                )
        return {name: _keys_of(entity, given) for name, entity in self._entities.items()}

    def _num_candidates(self, keys: Mapping[str, Keys], columns: Mapping[str, Values]) -> int:
        for name, entity in self._entities.items():
            if entity.per_candidate:
                return len(keys[name])
        for column in columns.values():
            case = column.WhichOneof("of")
            return len(column.present) if case is None else len(getattr(column, case).values)
        return 1

    def _one_key_each(self, keys: Mapping[str, Keys], size: int) -> None:
        for name, entity in self._entities.items():
            wanted, each = (size, "candidate") if entity.per_candidate else (1, "request")
            if len(keys[name]) != wanted:
                raise CallError(
                    Reason.BAD_KEY_COUNT,
                    f"the entity `{name}` takes one key per {each}: {len(keys[name])} for {wanted}",
                    metadata={"entity": name},
                )

    def _read_request(self, given: Mapping[str, Value], now_micros: int) -> pa.RecordBatch:
        _known(given, self._request, "request")
        if not self._request:
            return _NO_FIELDS
        arrays = []
        for name, field in self._request.items():
            value = given.get(name)
            null = value is None or value.WhichOneof("of") == "null_value"
            if null and field.now:
                arrays.append(pa.array([now_micros], arrow_type(field.type)))
            elif null and field.required:
                _missing("request", field)
            elif value is None:
                arrays.append(pa.nulls(1, arrow_type(field.type)))
            else:
                try:
                    arrays.append(row_of(value, field.type))
                except BadValue as bad:
                    _bad_type("request", field, bad)
        return pa.record_batch(arrays, names=list(self._request))

    def _read_candidate(self, given: Mapping[str, Values], size: int) -> pa.RecordBatch:
        _known(given, self._candidate, "candidate")
        if not self._candidate:
            return _NO_FIELDS
        arrays = []
        for name, field in self._candidate.items():
            if name not in given:
                if field.required and size:
                    _missing("candidate", field)
                arrays.append(pa.nulls(size, arrow_type(field.type)))
                continue
            try:
                column = column_of(given[name], field.type)
            except BadValue as bad:
                _bad_type("candidate", field, bad)
            if len(column) != size:
                raise CallError(
                    Reason.BAD_COLUMN_LENGTH,
                    f"the candidate column `{name}` has {len(column)} values for {size} candidates",
                    metadata={"field": name},
                )
            if field.required and column.null_count:
                _missing("candidate", field)
            arrays.append(column)
        return pa.record_batch(arrays, names=list(self._candidate))


def _keys_of(entity: Entity, given: Mapping[str, Keys | None]) -> Keys:
    keys = given.get(entity.name)
    if keys is None:
        if entity.per_candidate and entity.name in given:
            return Keys(())
        raise CallError(
            Reason.MISSING_KEY,
            f"the call has no key for the entity: {entity.name}",
            metadata={"entity": entity.name},
        )
    if keys.are_texts is (entity.type.kind is not Kind.STRING) and len(keys):
        raise CallError(
            Reason.BAD_KEY_TYPE,
            f"the keys of the entity `{entity.name}` are {entity.type}, "
            f"given {'strings' if keys.are_texts else 'integers'}",
            metadata={"entity": entity.name, "type": str(entity.type)},
        )
    if entity.type.kind is Kind.INT32 and not keys.fit_int32:
        raise CallError(
            Reason.BAD_KEY_TYPE,
            f"a key of the entity `{entity.name}` does not fit int32",
            metadata={"entity": entity.name, "type": "int32"},
        )
    return keys


def _distinct(keys: Mapping[str, Keys], size: int) -> tuple[Mapping[str, Keys], npt.NDArray[np.int64], int]:
    """The distinct items, in order of appearance, and which of them each candidate is."""
    if not keys:
        return {}, np.zeros(size, np.int64), 1
    columns = list(keys.values())
    found = (columns[0] if len(columns) == 1 else Keys.together(columns)).distinct()
    if found is None:
        return keys, np.arange(size), size
    first, which = found
    return {name: given.take(first) for name, given in keys.items()}, which, len(first)


def _known(given: Iterable[str], fields: Mapping[str, Field], block: str) -> None:
    for name in given:
        if name not in fields:
            raise CallError(
                Reason.UNKNOWN_FIELD,
                f"the program has no such {block} field: {name}",
                help=did_you_mean(name, fields),
                metadata={"block": block, "field": name},
            )


def _missing(block: str, field: Field) -> NoReturn:
    raise CallError(
        Reason.MISSING_FIELD,
        f"the {block} field has no default and must be in the call: {field.name}",
        metadata={"block": block, "field": field.name},
    )


def _bad_type(block: str, field: Field, bad: BadValue) -> NoReturn:
    raise CallError(
        Reason.BAD_FIELD_TYPE,
        f"the {block} field `{field.name}` is {field.type}, {bad}",
        metadata={"block": block, "field": field.name, "type": str(field.type)},
    )
