"""A writer's Avro schema, as the plan by which `engine.RowReader` decodes its rows.

Fields are matched by name (or by an alias that the writer gives); what the reader lacks is skipped. The byte
format is described in `engine/row_codec.h`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from featdsl.errors import InputError
from featdsl.program import Field, Sequence
from featdsl.types import FLOAT_KINDS, Kind, Type
from store.avro_schema import PRIMITIVES, full_name

_MAGIC = b"FEATROW1"
_DAY = 86_400_000_000
_DEEPEST = 200

_SCALES = {
    "timestamp-millis": (1_000, 1),
    "local-timestamp-millis": (1_000, 1),
    "timestamp-nanos": (1, 1_000),
    "local-timestamp-nanos": (1, 1_000),
    "date": (_DAY, 1),
}
"""Factor and divisor that make microseconds of a logical type; of all others the number is microseconds."""


class Op(IntEnum):
    """As `DecodePlan::Op`."""

    NULL = 0
    BOOLEAN = 1
    INTEGER = 2
    FLOAT32 = 3
    FLOAT64 = 4
    BYTES = 5
    FIXED = 6
    ENUM = 7
    UNION = 8
    ARRAY = 9
    MAP = 10
    RECORD = 11
    REFUSE = 12


_PARTS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "array": ("items", (str, list, dict)),
    "map": ("values", (str, list, dict)),
    "record": ("fields", list),
    "error": ("fields", list),
    "enum": ("symbols", list),
    "fixed": ("size", int),
}
"""What a complex type must have, and as what."""

_PRIMITIVE_NODES = {
    "null": Op.NULL,
    "boolean": Op.BOOLEAN,
    "float": Op.FLOAT32,
    "double": Op.FLOAT64,
    "bytes": Op.BYTES,
    "string": Op.BYTES,
}

Wanted = Mapping[str, Any]
"""What a record's members fill, by name: a Field, a Sequence or a Type."""


class SchemaError(InputError):
    """A writer schema that is none, or that the fields cannot be read from."""


def decode_plan(schema: str, fields: Iterable[Field | Sequence]) -> bytes:
    """The plan for rows of a writer schema (Avro JSON), read as these fields.

    Errors: `SchemaError` (an InputError) for JSON that is no Avro schema, or a field of a type that does not
    become the declared one.
    """
    try:
        parsed = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"the writer schema is not JSON: {error}") from error
    planner = _Planner()
    root = planner.reserve()
    planner.names.collect(parsed, "", 0)
    record = planner.names.resolve(parsed, "")
    if not isinstance(record.schema, dict) or record.schema.get("type") not in ("record", "error"):
        raise SchemaError("the writer schema is not a record")
    planner.fill_record(root, record, {item.name: item for item in fields}, 0)
    return _MAGIC + struct.pack("<I", len(planner.nodes)) + b"".join(planner.nodes)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A schema, its namespace, and the logical type that stands around it."""

    schema: Any
    namespace: str
    logical: str = ""

    def inner(self, schema: Any) -> _Placed:
        return _Placed(schema, self.namespace)


@dataclass(slots=True)
class _Names:
    """The named types of a schema."""

    known: dict[str, _Placed] = field(default_factory=dict)

    def collect(self, schema: Any, namespace: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise SchemaError("the writer schema nests too deep")
        if isinstance(schema, list):
            for branch in schema:
                self.collect(branch, namespace, depth + 1)
            return
        if not isinstance(schema, dict):
            return
        if isinstance(schema.get("name"), str) and schema.get("type") in ("record", "error", "enum", "fixed"):
            name = full_name(schema["name"], schema.get("namespace") or namespace)
            namespace = name.rpartition(".")[0]
            self.known[name] = _Placed(schema, namespace, str(schema.get("logicalType", "")))
        for inner in (schema.get("type"), schema.get("items"), schema.get("values")):
            self.collect(inner, namespace, depth + 1)
        members = schema.get("fields")
        for member in members if isinstance(members, list) else ():
            if isinstance(member, dict):
                self.collect(member.get("type"), namespace, depth + 1)

    def resolve(self, schema: Any, namespace: str) -> _Placed:
        """Follows names and `{"type": …}` around a type to the type itself."""
        logical = ""
        for _ in range(_DEEPEST):
            if isinstance(schema, list):
                return _Placed(schema, namespace, logical)
            if isinstance(schema, str):
                if schema in PRIMITIVES:
                    return _Placed(schema, namespace, logical)
                named = self.known.get(full_name(schema, namespace)) or self.known.get(schema)
                if named is None:
                    raise SchemaError(f"the writer schema names a type that it does not define: {schema}")
                return named
            if not isinstance(schema, dict) or "type" not in schema:
                raise SchemaError(f"the writer schema has what is no type: {json.dumps(schema)[:80]}")
            logical = logical or str(schema.get("logicalType", ""))
            kind = schema["type"]
            if isinstance(kind, str) and kind in _PARTS:
                part, expected = _PARTS[kind]
                if not isinstance(schema.get(part), expected):
                    raise SchemaError(f"the writer schema has a {kind} without {part}")
                if kind in ("array", "map"):
                    return _Placed(schema, namespace, logical)
                if not isinstance(schema.get("name"), str):
                    raise SchemaError(f"the writer schema has a {kind} without name")
                return self.known[full_name(schema["name"], schema.get("namespace") or namespace)]
            schema = kind
        raise SchemaError("the writer schema nests too deep")


@dataclass(slots=True)
class _Planner:
    names: _Names = field(default_factory=_Names)
    nodes: list[bytes] = field(default_factory=list)
    skipped: dict[int, int] = field(default_factory=dict)
    """Nodes that skip a named type, by the identity of its schema: schemas may recurse."""

    def reserve(self) -> int:
        self.nodes.append(b"")
        return len(self.nodes) - 1

    def add(self, node: bytes) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    # --- what is wanted ---

    def fill_record(self, index: int, record: _Placed, wanted: Wanted, depth: int) -> None:
        members = []
        taken: set[str] = set()
        names = {member["name"] for member in _members(record.schema)}
        for member in _members(record.schema):
            target = _target(member, wanted, names - taken)
            schema = record.inner(member["type"])
            if target is None or target in taken:
                members.append((self.skip(schema, depth + 1), ""))
            else:
                taken.add(target)
                members.append((self.want(schema, wanted[target], depth + 1), target))
        packed = b"".join(struct.pack("<I", node) + _text(name) for node, name in members)
        self.nodes[index] = struct.pack("<BI", Op.RECORD, len(members)) + packed

    def want(self, placed: _Placed, wanted: Any, depth: int) -> int:
        """A node that gives values of the schema to what is wanted there."""
        try:
            return self._want(self._entered(placed, depth), wanted, depth)
        except _Incompatible as found:
            raise SchemaError(
                f"the store holds {found} for `{_name(wanted)}`, which is declared {_declared(wanted)}",
                help="load the rows again with `feat load`",
            ) from None

    def _want(self, placed: _Placed, wanted: Any, depth: int) -> int:
        if isinstance(placed.schema, list):
            return self._union(placed, wanted, depth)
        if placed.schema == "null":
            return self.add(struct.pack("<B", Op.NULL))
        if isinstance(wanted, Sequence):
            return self._sequence(placed, wanted, depth)
        if isinstance(wanted, _ElementsOf):
            return self.add(struct.pack("<BI", Op.ARRAY, self._inner(_items(placed), wanted.member, depth)))
        type = wanted.type if isinstance(wanted, Field) else wanted
        if type.kind is Kind.MAP:
            return self._map(placed, type, depth)
        if type.is_listlike:
            return self.add(struct.pack("<BI", Op.ARRAY, self._inner(_items(placed), type.item, depth)))
        return self._scalar(placed, type)

    def _inner(self, placed: _Placed, wanted: Any, depth: int) -> int:
        return self._want(self._entered(placed, depth + 1), wanted, depth + 1)

    def _entered(self, placed: _Placed, depth: int) -> _Placed:
        if depth > _DEEPEST:
            raise SchemaError("the writer schema nests too deep")
        resolved = self.names.resolve(placed.schema, placed.namespace)
        return replace(resolved, logical=resolved.logical or placed.logical)

    def _union(self, placed: _Placed, wanted: Any, depth: int) -> int:
        nodes: list[int] = []
        refused: _Incompatible | None = None
        taken = 0
        for branch in placed.schema:
            resolved = self._entered(placed.inner(branch), depth + 1)
            try:
                nodes.append(self._want(resolved, wanted, depth + 1))
                taken += resolved.schema != "null"
            except _Incompatible as found:
                refused = refused or found
                nodes.append(self.add(struct.pack("<B", Op.REFUSE)))
        if refused is not None and not taken:
            raise refused
        return self.add(struct.pack(f"<BI{len(nodes)}I", Op.UNION, len(nodes), *nodes))

    def _sequence(self, placed: _Placed, sequence: Sequence, depth: int) -> int:
        members = {member.name: member for member in sequence.fields}
        if _kind(placed) == "array":
            return self.add(struct.pack("<BI", Op.ARRAY, self._records(_items(placed), members, depth + 1)))
        lists = {name: _ElementsOf(member) for name, member in members.items()}
        return self._records(placed, lists, depth)

    def _records(self, placed: _Placed, wanted: Wanted, depth: int) -> int:
        resolved = self._entered(placed, depth)
        if isinstance(resolved.schema, list):
            nodes = [self._records(resolved.inner(branch), wanted, depth + 1) for branch in resolved.schema]
            return self.add(struct.pack(f"<BI{len(nodes)}I", Op.UNION, len(nodes), *nodes))
        if resolved.schema == "null":
            return self.add(struct.pack("<B", Op.NULL))
        if _kind(resolved) not in ("record", "error"):
            raise _Incompatible(resolved)
        index = self.reserve()
        self.fill_record(index, resolved, wanted, depth)
        return index

    def _map(self, placed: _Placed, type: Type, depth: int) -> int:
        assert type.key is not None
        if _kind(placed) == "map" and type.key.kind is Kind.STRING:
            values = placed.inner(placed.schema["values"])
            return self.add(struct.pack("<BI", Op.MAP, self._inner(values, type.item, depth)))
        entry = {"key": type.key, "value": type.item}
        return self.add(struct.pack("<BI", Op.ARRAY, self._records(_items(placed), entry, depth + 1)))

    def _scalar(self, placed: _Placed, type: Type) -> int:
        kind = _kind(placed)
        if not _becomes(kind, placed.logical, type.kind):
            raise _Incompatible(placed)
        if kind == "enum":
            return self._enum(placed)
        if kind in ("int", "long"):
            scale = _SCALES.get(placed.logical, (1, 1)) if type.kind is Kind.TIMESTAMP else (1, 1)
            return self.add(struct.pack("<Bqq", Op.INTEGER, *scale))
        return self.add(struct.pack("<B", _PRIMITIVE_NODES[kind]))

    def _enum(self, placed: _Placed) -> int:
        symbols = placed.schema.get("symbols", [])
        return self.add(struct.pack("<BI", Op.ENUM, len(symbols)) + b"".join(_text(str(s)) for s in symbols))

    # --- what is not ---

    def skip(self, placed: _Placed, depth: int) -> int:
        """A node that passes over values of the schema."""
        placed = self._entered(placed, depth)
        schema = placed.schema
        if isinstance(schema, list):
            nodes = [self.skip(placed.inner(branch), depth + 1) for branch in schema]
            return self.add(struct.pack(f"<BI{len(nodes)}I", Op.UNION, len(nodes), *nodes))
        kind = _kind(placed)
        if kind in ("int", "long"):
            return self.add(struct.pack("<Bqq", Op.INTEGER, 1, 1))
        if kind in _PRIMITIVE_NODES:
            return self.add(struct.pack("<B", _PRIMITIVE_NODES[kind]))
        if kind == "enum":
            return self._enum(placed)
        if kind == "fixed":
            return self.add(struct.pack("<BI", Op.FIXED, _size(schema["size"])))
        if kind in ("array", "map"):
            items = placed.inner(schema["items" if kind == "array" else "values"])
            return self.add(struct.pack("<BI", Op[kind.upper()], self.skip(items, depth + 1)))
        known = self.skipped.get(id(schema))
        if known is None:
            known = self.skipped[id(schema)] = self.reserve()
            self.fill_record(known, placed, {}, depth)
        return known


class _Incompatible(Exception):
    """A writer's type that does not become what is wanted; its text is the type."""

    def __init__(self, placed: _Placed) -> None:
        super().__init__(placed.logical or _kind(placed))


@dataclass(frozen=True, slots=True)
class _ElementsOf:
    """Wanted: a list of values for a member of a sequence."""

    member: Field


def _name(wanted: Any) -> str:
    return str(getattr(getattr(wanted, "member", wanted), "name", "an entry of a map"))


def _declared(wanted: Any) -> str:
    if isinstance(wanted, Sequence):
        return "a sequence"
    if isinstance(wanted, _ElementsOf):
        return f"{wanted.member.type} in a sequence"
    return str(wanted.type if isinstance(wanted, Field) else wanted)


def _items(placed: _Placed) -> _Placed:
    if _kind(placed) != "array":
        raise _Incompatible(placed)
    return placed.inner(placed.schema["items"])


def _size(size: int) -> int:
    if not 0 <= size < 1 << 31:
        raise SchemaError(f"the writer schema has a fixed of an impossible size: {size}")
    return size


def _kind(placed: _Placed) -> str:
    return str(placed.schema["type"]) if isinstance(placed.schema, dict) else str(placed.schema)


def _becomes(kind: str, logical: str, wanted: Kind) -> bool:
    """Whether a writer's scalar becomes the declared one (a number that does not fit makes the row bad)."""
    if wanted is Kind.BOOL:
        return kind == "boolean"
    if wanted is Kind.STRING:
        return kind in ("string", "enum") or (kind == "bytes" and logical != "decimal")
    if wanted in FLOAT_KINDS and kind in ("float", "double"):
        return True
    return kind in ("int", "long")


def _members(schema: Any) -> list[dict[str, Any]]:
    members = schema.get("fields")
    if not isinstance(members, list):
        raise SchemaError("the writer schema has a record without fields")
    for member in members:
        if not isinstance(member, dict) or not isinstance(member.get("name"), str) or "type" not in member:
            raise SchemaError("the writer schema has a field without name or type")
    return members


def _target(member: Mapping[str, Any], wanted: Wanted, names: set[str]) -> str | None:
    if member["name"] in wanted:
        return str(member["name"])
    aliases = member.get("aliases")
    for alias in aliases if isinstance(aliases, list) else ():
        if alias in wanted and alias not in names:
            return str(alias)
    return None


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return struct.pack("<I", len(data)) + data
