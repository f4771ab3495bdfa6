"""Where what a mistake is about comes from: the notes of diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from featdsl.check.complaints import has_zero, zero_of
from featdsl.check.schema import Input, Members
from featdsl.diagnostics import Note
from featdsl.levels import Level
from featdsl.operators import OPERATORS
from featdsl.typed import Typed
from featdsl.types import Kind, Type


class Causes:
    """Finds the input or operator that makes a value what it is. `roots` is what is read."""

    def __init__(self, roots: Mapping[str, Input | Members]) -> None:
        self._roots = roots
        self._inputs: dict[str, Input] = {}

    def saw(self, found: Input) -> None:
        """Remembers an input that an expression reads."""
        self._inputs[found.name] = found

    def of_null(self, node: Typed) -> tuple[Note, ...]:
        """The note that says what makes a value null: a field, or an operator that can give it."""
        node = _source_of_null(node)
        if node.op == "input":
            name = str(node.attributes[0][1])
            return (Note(f"`{name}` may be null", self._inputs[name].span),) if name in self._inputs else ()
        if node.op == "const":
            return ()
        operator = OPERATORS.get(node.op)
        shown = operator.symbol if operator is not None and operator.symbol else node.op
        reason = "may give null: the divisor may be zero" if shown in ("/", "//", "%") else "may give null"
        return (Note(f"`{shown}` {reason}", node.span),)

    def never_null(self, node: Typed) -> str:
        """The help that says how a value comes to be never null."""
        if has_zero(node.type):
            return f"add `?? {zero_of(node.type)}`"
        if node.type.kind is Kind.ID:
            return "fold it: `hash(…, 1_000_000)` is 0 where there is nothing"
        source = _source_of_null(node)
        if source.op == "input" and has_zero(source.type):
            name = source.attributes[0][1]
            return f"say what stands for null where it is read: `({name} ?? {zero_of(source.type)})`"
        return "add `??` and what stands for null where it comes up"

    def of_level(self, node: Typed, wanted: Level) -> tuple[Note, ...]:
        """The note that says what is read at a level beyond `wanted`."""
        while node.op != "input":
            node = next(a for a in node.args if a.level & ~wanted)
        name = str(node.attributes[0][1])
        kinds = {Level.ITEM: "once an item", Level.PAIR: "once a candidate", Level.AFTER: "after the model"}
        found = self._inputs.get(name)
        return (Note(f"`{name}` is read {kinds.get(node.level, '')}", found.span if found else None),)

    def declared_at(self, node: Typed) -> Note | None:
        if node.op != "input":
            return None
        found = self._inputs.get(str(node.attributes[0][1]))
        return (
            None if found is None else Note(f"`{found.name.rpartition('.')[2]}` is declared here", found.span)
        )

    def alternative(self, node: Typed, fits: Callable[[Type], bool]) -> str | None:
        """Another field of the source of a field, of a type that fits."""
        if node.op != "input":
            return None
        path = str(node.attributes[0][1]).split(".")
        members = self._roots.get(path[0])
        if not isinstance(members, Members):
            return None
        for found in members.inputs.values():
            if not isinstance(found, Input) or found.type.is_scalar or found.name == ".".join(path):
                continue
            if fits(found.type):
                return found.name
        return None


def _source_of_null(node: Typed) -> Typed:
    """The input or operator whose null a value's null is."""
    while node.op not in ("const", "input", "list"):
        signature = OPERATORS[node.op].signatures[node.overload]
        following = None
        for i, arg in enumerate(node.args):
            parameter = signature.parameter_of(i)
            mapped = bool(node.mapped) and node.mapped[i] > 0
            spreads = mapped or parameter.pattern.follows or not parameter.takes_null
            if spreads and (arg.type.nullable or (arg.type.is_listlike and arg.type.item.nullable)):
                following = arg
                break
        if following is None:
            break
        node = following
    return node
