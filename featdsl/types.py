"""The types of the language: what a value is, apart from the level it is computed at.

A type is written the same way everywhere (source text, bundle, engine program, error messages):
`list<string>?`, `vector<float32, 8>`, `map<string, float64>`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class Kind(enum.Enum):
    BOOL = "bool"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"
    TIMESTAMP = "timestamp"
    ID = "id"
    LIST = "list"
    VECTOR = "vector"
    MAP = "map"
    NOTHING = "nothing"
    """The type of `null` (as `nothing?`) and of the elements of `[]`; it widens to every type."""

    # Enum's own hash goes through Python code; types are hashed millions of times.
    __hash__ = object.__hash__


INTEGER_KINDS = frozenset({Kind.INT32, Kind.INT64})
FLOAT_KINDS = frozenset({Kind.FLOAT32, Kind.FLOAT64})
NUMERIC_KINDS = INTEGER_KINDS | FLOAT_KINDS
SCALAR_KINDS = NUMERIC_KINDS | {Kind.BOOL, Kind.STRING, Kind.TIMESTAMP, Kind.ID}
COLLECTION_KINDS = frozenset({Kind.LIST, Kind.VECTOR, Kind.MAP})


@dataclass(frozen=True, slots=True)
class Type:
    """One type.

    `element` is a list's or vector's element, or a map's value; `key` a map's key; `size` a
    vector's length. `nullable` says that the value itself may be null. An element is nullable
    only inside an expression, on a list that is aligned with others (see language rule 10).
    """

    kind: Kind
    nullable: bool = False
    element: Type | None = None
    key: Type | None = None
    size: int | None = None

    def __str__(self) -> str:
        mark = "?" if self.nullable else ""
        if self.kind is Kind.LIST:
            return f"list<{self.element}>{mark}"
        if self.kind is Kind.VECTOR:
            return f"vector<{self.element}, {self.size}>{mark}"
        if self.kind is Kind.MAP:
            return f"map<{self.key}, {self.element}>{mark}"
        return f"{self.kind.value}{mark}"

    @property
    def is_scalar(self) -> bool:
        return self.kind in SCALAR_KINDS or self.kind is Kind.NOTHING

    @property
    def is_listlike(self) -> bool:
        """A list or a vector: what a scalar operator maps over."""
        return self.kind is Kind.LIST or self.kind is Kind.VECTOR

    @property
    def item(self) -> Type:
        """The element type of a list, vector or map."""
        if self.element is None:
            raise TypeError(f"{self} has no elements")
        return self.element

    @property
    def depth(self) -> int:
        """How many lists and vectors stand around the innermost type."""
        depth, inner = 0, self
        while inner.is_listlike:
            depth, inner = depth + 1, inner.item
        return depth

    def inside(self, depth: int) -> Type:
        """The type of the elements, `depth` lists deep."""
        inner = self
        for _ in range(depth):
            inner = inner.item
        return inner

    @property
    def innermost(self) -> Type:
        """The type of the elements of a list, at any depth; the type itself if it is no list."""
        return self.inside(self.depth)

    def optional(self, nullable: bool = True) -> Type:
        """The same type, nullable or not."""
        return self if self.nullable is nullable else replace(self, nullable=nullable)


BOOL = Type(Kind.BOOL)
INT32 = Type(Kind.INT32)
INT64 = Type(Kind.INT64)
FLOAT32 = Type(Kind.FLOAT32)
FLOAT64 = Type(Kind.FLOAT64)
STRING = Type(Kind.STRING)
TIMESTAMP = Type(Kind.TIMESTAMP)
ID = Type(Kind.ID)
NULL = Type(Kind.NOTHING, nullable=True)

SCALARS: dict[str, Type] = {
    t.kind.value: t for t in (BOOL, INT32, INT64, FLOAT32, FLOAT64, STRING, TIMESTAMP, ID)
}


def list_of(element: Type) -> Type:
    return Type(Kind.LIST, element=element)


def vector_of(element: Type, size: int) -> Type:
    return Type(Kind.VECTOR, element=element, size=size)


def map_of(key: Type, value: Type) -> Type:
    return Type(Kind.MAP, key=key, element=value)


def parse_type(text: str) -> Type:
    """The type that `str(type)` wrote. Errors: `ValueError` on anything else."""
    parsed, rest = _parse(text.replace(" ", ""))
    if rest:
        raise ValueError(f"not a type: {text!r}")
    return parsed


def _parse(text: str) -> tuple[Type, str]:
    end = 0
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    name, rest = text[:end], text[end:]
    if name in SCALARS:
        parsed = SCALARS[name]
    elif name == "nothing":
        parsed = Type(Kind.NOTHING)
    elif name == "list":
        element, rest = _parse(_skip(rest, "<"))
        parsed, rest = list_of(element), _skip(rest, ">")
    elif name == "vector":
        element, rest = _parse(_skip(rest, "<"))
        digits, rest = _skip(rest, ",").split(">", 1)
        parsed = vector_of(element, int(digits))
    elif name == "map":
        key, rest = _parse(_skip(rest, "<"))
        value, rest = _parse(_skip(rest, ","))
        parsed, rest = map_of(key, value), _skip(rest, ">")
    else:
        raise ValueError(f"not a type: {text!r}")
    if rest.startswith("?"):
        return parsed.optional(), rest[1:]
    return parsed, rest


def _skip(text: str, mark: str) -> str:
    if not text.startswith(mark):
        raise ValueError(f"expected {mark!r} at {text!r}")
    return text[1:]


def widens_to(given: Type, wanted: Type) -> bool:
    """Whether `given` becomes `wanted` by itself: int32 -> int64 -> float64, float32 -> float64,
    T -> T?, vector -> list, and element by element. Never from nullable to not nullable."""
    if given.nullable and not wanted.nullable:
        return False
    if given.kind is Kind.NOTHING:
        return True
    if given.kind is wanted.kind:
        if given.is_scalar:
            return True
        if given.kind is Kind.VECTOR and given.size != wanted.size:
            return False
        if given.kind is Kind.MAP and given.key != wanted.key:
            return False
        return widens_to(given.item, wanted.item)
    if given.kind is Kind.VECTOR and wanted.kind is Kind.LIST:
        return widens_to(given.item, wanted.item)
    if wanted.kind is Kind.FLOAT64:
        return given.kind in NUMERIC_KINDS
    return wanted.kind is Kind.INT64 and given.kind is Kind.INT32


def common_type(a: Type, b: Type) -> Type | None:
    """The narrowest type that both widen to, or None. int64 beside float32 gives float64."""
    nullable = a.nullable or b.nullable
    if a.kind is Kind.NOTHING:
        return b.optional(nullable)
    if b.kind is Kind.NOTHING:
        return a.optional(nullable)
    if a.kind in NUMERIC_KINDS and b.kind in NUMERIC_KINDS:
        if a.kind is b.kind:
            return a.optional(nullable)
        both_integer = a.kind in INTEGER_KINDS and b.kind in INTEGER_KINDS
        return (INT64 if both_integer else FLOAT64).optional(nullable)
    if a.is_listlike and b.is_listlike:
        element = common_type(a.item, b.item)
        if element is None:
            return None
        if a.kind is b.kind is Kind.VECTOR and a.size == b.size:
            return Type(Kind.VECTOR, nullable, element, size=a.size)
        return Type(Kind.LIST, nullable, element)
    if a.kind is not b.kind:
        return None
    if a.kind is Kind.MAP:
        return a.optional(nullable) if a.key == b.key and a.element == b.element else None
    return a.optional(nullable)
