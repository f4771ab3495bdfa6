"""Casts that no one wrote: a model input takes each element to the input's type.

A value that does not fit an integer type is that type's zero. float64 to float32 has no node: the root is
stored as float32, which rounds to nearest even and makes zero of what is not finite, and counts it.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir import Graph, Node
from featdsl.levels import Level
from featdsl.operators.declare import OPERATORS, match
from featdsl.types import FLOAT64, SCALARS, Kind, Type, vector_of

ZEROS: dict[Kind, bool | int | float] = {
    Kind.BOOL: False,
    Kind.INT32: 0,
    Kind.INT64: 0,
    Kind.FLOAT32: 0.0,
    Kind.FLOAT64: 0.0,
}

_HELD_ALIKE = {
    (Kind.INT32, Kind.INT64),
    (Kind.FLOAT32, Kind.FLOAT64),
    (Kind.FLOAT64, Kind.FLOAT32),
}


def cast(graph: Graph, value: Node, wanted: Type) -> Node:
    """`value` (a scalar, or a list or vector element by element) as the scalar type `wanted`, never null."""
    given = value.type.item if value.type.is_listlike else value.type
    if given.kind is wanted.kind or (given.kind, wanted.kind) in _HELD_ALIKE:
        return value
    converted = _convert(graph, value, given, wanted)
    inner = converted.type.item if converted.type.is_listlike else converted.type
    return _or_zero(graph, converted, wanted) if inner.nullable else converted


def cast_columns(graph: Graph, values: Sequence[Node], wanted: Type) -> Node:
    """Scalars side by side as a vector of `wanted` (of float64 where that is stored as float32)."""
    element = FLOAT64 if wanted.kind is Kind.FLOAT32 else wanted
    columns = tuple(cast(graph, value, wanted) for value in values)
    level = Level.CONSTANT
    for column in columns:
        level |= column.level
    return graph.node("list", vector_of(element, len(columns)), level, columns)


def _convert(graph: Graph, value: Node, given: Type, wanted: Type) -> Node:
    name = wanted.kind.value
    overload = _overload(name, given)
    result = SCALARS[name].optional(OPERATORS[name].signatures[overload].result.nullable)
    mapped = value.type.is_listlike
    return graph.node(
        name,
        _with_element(value.type, result) if mapped else result,
        value.level,
        (value,),
        overload=overload,
        mapped=(1,) if mapped else (),
    )


def _or_zero(graph: Graph, value: Node, wanted: Type) -> Node:
    mapped = value.type.is_listlike
    zero = graph.node("const", wanted, Level.CONSTANT, attributes=(("value", ZEROS[wanted.kind]),))
    return graph.node(
        "coalesce",
        _with_element(value.type, wanted) if mapped else wanted,
        value.level,
        (value, zero),
        mapped=(1, 0) if mapped else (),
    )


def _overload(name: str, given: Type) -> int:
    """The overload of a cast that takes `given` with the least widening (declared first among equals)."""
    signatures = OPERATORS[name].signatures
    fits = [i for i, s in enumerate(signatures) if match(s.arguments[0].pattern, given, {})]
    exact = [i for i in fits if signatures[i].arguments[0].pattern.name == given.kind.value]
    if not fits:
        raise ValueError(f"no cast from {given} to {name}")
    return (exact or fits)[0]


def _with_element(collection: Type, element: Type) -> Type:
    return Type(collection.kind, collection.nullable, element, size=collection.size)
