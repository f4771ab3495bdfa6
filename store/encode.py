"""Rows as Avro single-object bytes, for the store.

Written as they are but for what no reader ever sees: null elements of lists and maps. So the defaults, caps
and nullness of whoever reads decide, not those of the load.
"""

from __future__ import annotations

import datetime
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from featdsl.errors import InputError
from featdsl.program import Field, Sequence, Source
from featdsl.types import FLOAT_KINDS, Kind, Type
from store.avro_schema import MARKER, fingerprint, source_schema

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

_Writer = Callable[[bytearray, Any], None]
"""Appends a value that is not None. Errors: `_Unfit`."""


class RowEncoder:
    """Encodes the rows of a source. `schema` is what `store.put_schema(encoder.fingerprint, encoder.schema)`
    must have stored before its rows are of use."""

    def __init__(self, source: Source) -> None:
        schema = source_schema(source)
        self.schema = json.dumps(schema)
        self.fingerprint = fingerprint(schema)
        self._header = MARKER + self.fingerprint
        self._fields = [(field.name, _field_writer(field)) for field in source.fields]
        self._name = source.name

    def encode(self, row: Mapping[str, Any]) -> bytes:
        """One row (a dict; what is absent is null) as Avro single-object bytes. A timestamp is int
        microseconds, a datetime (without a zone: UTC) or a date; text that is not UTF-8 may be bytes, and is
        written as null. Errors: `InputError` naming the field for a value that is not of its type or does
        not fit."""
        data = bytearray(self._header)
        for name, write in self._fields:
            try:
                write(data, row.get(name))
            except _Unfit as unfit:
                raise InputError(f"`{self._name}.{name}` {unfit}") from None
        return bytes(data)

    def encode_many(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        """Each row of `encode`."""
        return map(self.encode, rows)


class _Unfit(Exception):
    """A value that is not what was declared; its text follows the field's name."""


def _field_writer(field: Field | Sequence) -> _Writer:
    return _optional(_sequence(field) if isinstance(field, Sequence) else _writer(field.type))


def _optional(write: _Writer) -> _Writer:
    def write_optional(data: bytearray, value: Any) -> None:
        if value is None:
            data.append(0)
            return
        start = len(data)
        data.append(2)
        try:
            write(data, value)
        except _Nothing:
            del data[start:]
            data.append(0)

    return write_optional


class _Nothing(Exception):
    """The value reads as null."""


def _writer(type: Type) -> _Writer:
    if type.kind is Kind.MAP:
        return _map(type)
    if type.is_listlike:
        return _list(type)
    return _SCALARS[type.kind]


def _list(type: Type) -> _Writer:
    write = _writer(type.item)

    def write_list(data: bytearray, value: Any) -> None:
        parts = [_part(write, element) for element in _elements(value)]
        if type.size is not None:
            if len(parts) != type.size:
                raise _Unfit(f"has {len(parts)} elements instead of {type.size}")
            if None in parts:
                raise _Nothing
        _write_block(data, parts)

    return write_list


def _map(type: Type) -> _Writer:
    assert type.key is not None
    write_key, write_value = _writer(type.key), _writer(type.item)

    def write_map(data: bytearray, value: Any) -> None:
        entries = value.items() if isinstance(value, Mapping) else filter(None, _elements(value))
        parts = [(_part(write_key, key), _part(write_value, entry)) for key, entry in entries]
        _write_block(data, [key + entry for key, entry in parts if key is not None and entry is not None])

    return write_map


def _part(write: _Writer, value: Any) -> bytes | None:
    """The bytes of an element, None for a null one."""
    if value is None:
        return None
    part = bytearray()
    try:
        write(part, value)
    except _Nothing:
        return None
    return bytes(part)


def _sequence(sequence: Sequence) -> _Writer:
    members = [(member.name, _optional(_writer(member.type))) for member in sequence.fields]

    def write_sequence(data: bytearray, value: Any) -> None:
        parts = []
        for element in _structs(value, [name for name, _ in members]):
            part = bytearray()
            for name, write in members:
                try:
                    write(part, element.get(name))
                except _Unfit as unfit:
                    raise _Unfit(f"has a `{name}` that {unfit}") from None
            parts.append(bytes(part))
        _write_block(data, parts)

    return write_sequence


def _structs(value: Any, names: list[str]) -> list[Mapping[str, Any]]:
    """The elements of a sequence, from a list of structs (null ones go) or a struct of lists."""
    if isinstance(value, Mapping):
        lists = {name: _elements(value[name]) for name in names if value.get(name) is not None}
        lengths = {len(elements) for elements in lists.values()}
        if len(lengths) > 1:
            raise _Unfit(f"has lists of different lengths: {', '.join(map(str, sorted(lengths)))}")
        length = lengths.pop() if lengths else 0
        return [{name: elements[i] for name, elements in lists.items()} for i in range(length)]
    structs = [element for element in _elements(value) if element is not None]
    if not all(isinstance(element, Mapping) for element in structs):
        raise _Unfit("is not a list of structs")
    return structs


def _elements(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _Unfit(f"is not a list: {value!r:.80}")
    return list(value)


def _write_block(data: bytearray, parts: list[bytes | None] | list[bytes]) -> None:
    held = [part for part in parts if part is not None]
    if held:
        _write_integer(data, len(held))
        for part in held:
            data += part
    data.append(0)


def _write_integer(data: bytearray, value: int) -> None:
    rest = (value << 1) ^ (value >> 63)
    while rest >= 0x80:
        data.append(rest & 0x7F | 0x80)
        rest >>= 7
    data.append(rest)


def _write_bool(data: bytearray, value: Any) -> None:
    if not isinstance(value, bool):
        raise _Unfit(f"is not bool: {value!r:.80}")
    data.append(value)


def _integer_writer(kind: Kind) -> _Writer:
    limit = 1 << (31 if kind is Kind.INT32 else 63)

    def write(data: bytearray, value: Any) -> None:
        if kind is Kind.TIMESTAMP and isinstance(value, datetime.date):
            value = _microseconds(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise _Unfit(f"is not {kind.value}: {value!r:.80}")
        if not -limit <= value < limit:
            raise _Unfit(f"does not fit {kind.value}: {value}")
        _write_integer(data, value)

    return write


def _microseconds(value: datetime.date) -> int:
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.UTC)
    return (value - _EPOCH) // _MICROSECOND


def _float_writer(kind: Kind) -> _Writer:
    code = "<f" if kind is Kind.FLOAT32 else "<d"

    def write(data: bytearray, value: Any) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _Unfit(f"is not {kind.value}: {value!r:.80}")
        try:
            data += struct.pack(code, value)
        except OverflowError:
            raise _Nothing from None

    return write


def _write_text(data: bytearray, value: Any) -> None:
    if not isinstance(value, str | bytes):
        raise _Unfit(f"is not string: {value!r:.80}")
    try:
        text = value.encode() if isinstance(value, str) else value.decode().encode()
    except UnicodeError:
        raise _Nothing from None
    _write_integer(data, len(text))
    data += text


_SCALARS: dict[Kind, _Writer] = {
    Kind.BOOL: _write_bool,
    Kind.STRING: _write_text,
    **{kind: _integer_writer(kind) for kind in (Kind.INT32, Kind.INT64, Kind.TIMESTAMP, Kind.ID)},
    **{kind: _float_writer(kind) for kind in FLOAT_KINDS},
}
