"""What an expression is, as a digest: down to the declarations of what it reads. Names that people gave to parts of it,
layout and comments do not count."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from featdsl.check.nodes import exact
from featdsl.operators.declare import OPERATORS
from featdsl.program import Field, Schema, Sequence
from featdsl.resources import Vocab, Zone
from featdsl.typed import Typed


class Identity:
    """Digests of typed expressions. `is_open` says which have no identity yet: they and what uses them have none."""

    def __init__(self, schema: Schema, is_open: Callable[[Typed], bool]) -> None:
        self._declared = declarations(schema)
        self._is_open = is_open
        self._known: dict[int, str | None] = {}
        self._kept: list[Typed] = []

    def of(self, expression: Typed) -> str | None:
        """The digest, or None for an expression with an open part. Deep chains are walked without recursion."""
        stack = [expression]
        while stack:
            node = stack[-1]
            if id(node) in self._known:
                stack.pop()
                continue
            missing = [a for a in node.args if id(a) not in self._known]
            if missing:
                stack += missing
                continue
            stack.pop()
            args = [self._known[id(a)] for a in node.args]
            known = not self._is_open(node) and None not in args
            self._known[id(node)] = self._digest(node, args) if known else None
            self._kept.append(node)
        return self._known[id(expression)]

    def _digest(self, node: Typed, args: list[str | None]) -> str:
        operator = OPERATORS.get(node.op)
        content = (
            node.op,
            operator.version if operator else 0,
            str(node.type),
            [(name, _value(value)) for name, value in node.attributes],
            node.mapped,
            node.drops_null,
            args,
            self._declared.get(str(node.attributes[0][1]), "") if node.op == "input" else "",
        )
        return digest(content)


def digest(content: Any) -> str:
    """32 hex digits of plain data."""
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def declarations(schema: Schema) -> Mapping[str, str]:
    """How each input is declared, by its name, without what is only for people."""
    found = {entity.name: f"{entity.type} {entity.per_candidate}" for entity in schema.entities}
    parts: list[tuple[str, str, tuple[Field | Sequence, ...]]] = [
        (s.name, f"{s.key} {s.key_type} {s.level.label} {s.rows_of} {s.per_element}", s.fields)
        for s in schema.sources
    ]
    parts += [("request", "", schema.request), ("candidate", "", schema.candidate)]
    for name, origin, fields in parts:
        for f in fields:
            if isinstance(f, Sequence):
                for member in f.fields:
                    found[f"{name}.{f.name}.{member.name}"] = f"{origin} {f.cap} {_field(member)}"
            else:
                found[f"{name}.{f.name}"] = f"{origin} {_field(f)}"
    return found


def _field(f: Field) -> str:
    return f"{f.type} {exact(f.default)} {f.cap} {f.required} {f.now}"


def _value(value: Any) -> Any:
    if isinstance(value, Vocab):
        return value.digest
    if isinstance(value, Zone):
        return (value.name, digest((value.starts, value.offsets)))
    return exact(value)
