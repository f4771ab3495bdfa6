"""Typed nodes, each made once: equal expressions are one object, so the same list is aligned with itself
and an argument that a def uses twice is not computed twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from featdsl.levels import Level
from featdsl.operators.declare import NOT_CONSTANT
from featdsl.operators.evaluate import apply
from featdsl.resources import Vocab, Zone
from featdsl.source_file import Span
from featdsl.typed import Constant, Typed
from featdsl.types import Kind, Type

ELEMENT = "element"
"""The op of what a def sees of an argument that it is mapped over: an element, in place of the list, whose type it
keeps. Only the def's body holds it."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Lists with equal alignments have equally many elements, row by row, that belong together.

    `keeps_null`: an element that becomes null is not dropped, since other lists go along with it
    (a sequence, a source keyed by a list, a vector).
    """

    name: str
    keeps_null: bool = field(default=False, compare=False)
    inner: Alignment | None = field(default=None, compare=False)
    """Of a list of lists: how the inner lists go along with those of another that is aligned with it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all levels, outermost first."""
        return (self.name, *(() if self.inner is None else self.inner.names))

    def inside(self, depth: int) -> Alignment | None:
        """The alignment of the elements, `depth` lists deep."""
        found: Alignment | None = self
        for _ in range(depth):
            found = None if found is None else found.inner
        return found


class Nodes:
    """Makes nodes and computes constants. `number_of` identifies a node among all."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Typed] = {}
        self._numbers: dict[int, int] = {}
        self._values: dict[int, Any] = {}

    def make(
        self,
        op: str,
        type: Type,
        level: Level,
        span: Span,
        args: tuple[Typed, ...] = (),
        attributes: tuple[tuple[str, Constant], ...] = (),
        overload: int = 0,
        mapped: tuple[int, ...] = (),
        drops_null: bool = False,
        alignment: Alignment | None = None,
    ) -> Typed:
        """The node; a list without an alignment gets one of its own, at each level."""
        numbers = self._numbers
        key = (
            op, type, tuple([numbers[id(a)] for a in args]),
            exact(attributes) if attributes else (), overload, mapped, drops_null,
        )  # fmt: skip
        found = self._known.get(key)
        if found is None:
            number = len(self._known)
            if type.is_listlike:
                alignment = _complete(alignment, type, f"list {number}")
            found = Typed(op, type, level, span, args, attributes, overload, mapped, drops_null, alignment)
            self._known[key] = found
            numbers[id(found)] = number
        return found

    def number_of(self, node: Typed) -> int:
        return self._numbers[id(node)]

    def constant(self, value: Constant, type: Type, span: Span) -> Typed:
        return self.make("const", type, Level.CONSTANT, span, attributes=(("value", value),))

    def element_of(self, node: Typed, depth: int) -> Typed:
        """What a def that is mapped over a list, so many lists deep, sees of it."""
        for _ in range(depth):
            node = self.make(ELEMENT, node.type, node.level, node.span, (node,), alignment=aligned_as(node))
        return node

    def value_of(self, node: Typed) -> Any:
        """The value of a constant expression, lists as tuples; NOT_CONSTANT for any other."""
        if node.level is not Level.CONSTANT:
            return NOT_CONSTANT
        stack = [node]
        while stack:
            top = stack[-1]
            if id(top) in self._values:
                stack.pop()
                continue
            missing = [a for a in top.args if id(a) not in self._values]
            if missing:
                stack += missing
                continue
            self._values[id(top)] = self._evaluate(top)
            stack.pop()
        return self._values[id(node)]

    def _evaluate(self, node: Typed) -> Any:
        if node.op == "const":
            return node.attributes[0][1]
        if node.op == ELEMENT:
            return self._values[id(node.args[0])]
        arguments = [self._values[id(a)] for a in node.args]
        if any(a is NOT_CONSTANT for a in arguments):
            return NOT_CONSTANT
        arguments = [_thawed(a) for a in arguments]
        if node.op == "list":
            return _frozen(arguments)
        try:
            return _frozen(
                apply(node.op, node.overload, arguments, dict(node.attributes), node.mapped, node.drops_null)
            )
        except (ArithmeticError, ValueError, TypeError, MemoryError):
            return NOT_CONSTANT


def aligned_as(node: Typed) -> Alignment | None:
    """How a list goes along with others."""
    return node.alignment if isinstance(node.alignment, Alignment) else None


def whole(node: Typed) -> tuple[Typed, int]:
    """The list that an `element_of` is of, and how many lists deep that is; any other node as it is."""
    depth = 0
    while node.op == ELEMENT:
        node, depth = node.args[0], depth + 1
    return node, depth


def _complete(alignment: Alignment | None, type: Type, own: str) -> Alignment:
    """The alignment with what is missing: a vector goes along with all of its size, a list with itself."""
    if alignment is None:
        vector = type.kind is Kind.VECTOR
        alignment = Alignment(f"vector {type.size}" if vector else own, keeps_null=vector)
    if not type.item.is_listlike:
        return alignment
    inner = _complete(alignment.inner, type.item, own + " inside")
    return alignment if inner is alignment.inner else replace(alignment, inner=inner)


def _thawed(value: Any) -> Any:
    return [_thawed(v) for v in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, (list, tuple)) else value


def exact(value: Any) -> Any:
    """A dictionary key that tells apart what `==` does not: 1, 1.0 and True, 0.0 and -0.0."""
    if isinstance(value, tuple):
        return tuple([exact(v) for v in value])
    if isinstance(value, float):
        return ("float", value.hex())
    if isinstance(value, (Vocab, Zone)):
        return value
    return (value.__class__.__name__, value)
