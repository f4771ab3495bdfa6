"""Which declared inputs a program reads, and which fields have to be read for that."""

from __future__ import annotations

from collections.abc import Iterable

from compiler.ir import Node, reachable
from featdsl.program import Field, Schema, Sequence, Source


def inputs_read(roots: Iterable[Node]) -> frozenset[str]:
    """The names of the inputs that the roots depend on (`user`, `movie.genres`, `output.like`)."""
    return frozenset(str(node.attribute("name")) for node in reachable(roots) if node.op == "input")


def with_keys(schema: Schema, inputs: Iterable[str]) -> frozenset[str]:
    """The inputs, and those that hold the keys of the sources they come from, hop by hop."""
    found = set(inputs)
    waiting = {name.split(".")[0] for name in found if "." in name}
    done: set[str] = set()
    sources = {source.name: source for source in schema.sources}
    while waiting:
        name = waiting.pop()
        done.add(name)
        if name in sources:
            found.add(sources[name].key)
            waiting |= {sources[name].key.split(".")[0]} - done
    return frozenset(found)


def needed_fields(
    prefix: str, fields: Iterable[Field | Sequence], inputs: frozenset[str]
) -> tuple[Field | Sequence, ...]:
    """The fields of a source (or `request`, `candidate`) among `inputs`. Of a sequence all fields are needed
    if one is: a null in any of them drops its position from all."""
    return tuple(field for field in fields if any(name in inputs for name in names_of(prefix, field)))


def names_of(prefix: str, field: Field | Sequence) -> tuple[str, ...]:
    """The inputs that a field holds."""
    if isinstance(field, Sequence):
        return tuple(f"{prefix}.{field.name}.{member.name}" for member in field.fields)
    return (f"{prefix}.{field.name}",)


def in_reading_order(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Each source after the one that holds its key."""
    waiting = {source.name: source for source in sources}
    ordered: list[Source] = []
    while waiting:
        ready = [s for s in waiting.values() if s.key.split(".")[0] not in waiting]
        ordered += ready or waiting.values()
        waiting = {} if not ready else {n: s for n, s in waiting.items() if s not in ready}
    return tuple(ordered)
