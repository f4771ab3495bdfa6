"""Avro schemas: the one a source is written with, the canonical form of any, and its fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from featdsl.program import Field, Sequence, Source
from featdsl.types import Kind, Type

MARKER = b"\xc3\x01"
"""How a single-object encoding begins; then the fingerprint (8 bytes, little-endian), then the body."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_EMPTY = 0xC15D213AA4D7A795
_SCALARS = {
    Kind.BOOL: "boolean",
    Kind.INT32: "int",
    Kind.INT64: "long",
    Kind.ID: "long",
    Kind.FLOAT32: "float",
    Kind.FLOAT64: "double",
    Kind.STRING: "string",
}


def source_schema(source: Source) -> dict[str, Any]:
    """The writer schema of a source's rows: a record named as the source. Every field may be null; a sequence
    is an array of records; a map with integer keys an array of key and value; a timestamp is
    timestamp-micros."""
    return {"type": "record", "name": source.rows_of, "fields": _fields(source.rows_of, source.fields)}


def _fields(name: str, fields: Iterable[Field | Sequence]) -> list[dict[str, Any]]:
    declared = []
    for field in fields:
        if isinstance(field, Sequence):
            record = f"{name}_{field.name}"
            items = {"type": "record", "name": record, "fields": _fields(record, field.fields)}
            written: Any = {"type": "array", "items": items}
        else:
            written = _type(f"{name}_{field.name}", field.type)
        declared.append({"name": field.name, "type": ["null", written], "default": None})
    return declared


def _type(name: str, type: Type) -> Any:
    if type.kind is Kind.TIMESTAMP:
        return {"type": "long", "logicalType": "timestamp-micros"}
    if type.is_listlike:
        return {"type": "array", "items": _type(f"{name}_item", type.item)}
    if type.kind is Kind.MAP:
        assert type.key is not None
        values = _type(f"{name}_value", type.item)
        if type.key.kind is Kind.STRING:
            return {"type": "map", "values": values}
        fields = [{"name": "key", "type": "long"}, {"name": "value", "type": values}]
        return {"type": "array", "items": {"type": "record", "name": f"{name}_entry", "fields": fields}}
    return _SCALARS[type.kind]


def canonical_form(schema: Any) -> str:
    """Avro's Parsing Canonical Form of a schema (as JSON data)."""
    return json.dumps(_canonical(schema, ""), separators=(",", ":"), ensure_ascii=False)


def _canonical(schema: Any, namespace: str) -> Any:
    if isinstance(schema, str):
        return schema if schema in PRIMITIVES else full_name(schema, namespace)
    if isinstance(schema, list):
        return [_canonical(branch, namespace) for branch in schema]
    kind = schema["type"]
    if not isinstance(kind, str) or kind not in ("record", "error", "enum", "fixed", "array", "map"):
        return _canonical(kind, namespace)
    form: dict[str, Any] = {}
    if "name" in schema:
        name = full_name(schema["name"], schema.get("namespace", namespace))
        namespace = name.rpartition(".")[0]
        form["name"] = name
    form["type"] = kind
    if "fields" in schema:
        form["fields"] = [
            {"name": field["name"], "type": _canonical(field["type"], namespace)}
            for field in schema["fields"]
        ]
    for key in ("symbols", "items", "values", "size"):
        if key in schema:
            value = schema[key]
            form[key] = _canonical(value, namespace) if key in ("items", "values") else value
    if "size" in form:
        form["size"] = int(form["size"])
    return form


def full_name(name: str, namespace: str) -> str:
    """A name with its namespace, unless it has one itself."""
    return name if "." in name or not namespace else f"{namespace}.{name}"


def fingerprint(schema: Any) -> bytes:
    """The CRC-64-AVRO fingerprint of a schema, as it stands in a row: 8 bytes, little-endian."""
    value = _EMPTY
    for byte in canonical_form(schema).encode():
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(8, "little")


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_EMPTY if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def written_with(row: bytes | None) -> str:
    """The fingerprint, in hex, of the schema that a stored row says it was written with; "" where it says
    none."""
    return row[2:10].hex() if row is not None and row[:2] == MARKER and len(row) >= 10 else ""
