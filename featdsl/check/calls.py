"""A call of an operator: from typed arguments to a typed node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from featdsl.check.complaints import Complaints
from featdsl.check.levels import Levels
from featdsl.check.nodes import ELEMENT, Alignment, Nodes, aligned_as, exact, whole
from featdsl.check.overloads import (
    Binding,
    Match,
    bind,
    converted,
    default_constants,
    find,
)
from featdsl.check.values import Given, Value, VocabValue
from featdsl.levels import Level
from featdsl.operators.declare import NOT_CONSTANT, OPERATORS, Fault, Operator, Parameter, Signature, resolve
from featdsl.resources import Vocab
from featdsl.source_file import Span
from featdsl.syntax import inside_text
from featdsl.typed import Constant, Typed
from featdsl.types import INT64, INTEGER_KINDS, STRING, Kind, Type

EACH = "each"
"""The operator whose result is mapped over by the operator that takes it."""


class Calls:
    """Makes the nodes of operators. A method that gives None has reported why."""

    def __init__(self, nodes: Nodes, complaints: Complaints) -> None:
        self.nodes = nodes
        self.complaints = complaints

    def call(
        self,
        name: str,
        given: list[Given],
        span: Span,
        *,
        at: Span | None = None,
        symbol: str = "",
        fitted: bool = False,
    ) -> Typed | None:
        """The operator `name` on arguments. `at` is its own place in the text, `symbol` how it is
        written there if not by name. `fitted`: its constants were learned, and may be long lists."""
        operator = OPERATORS[name]
        at = at or span
        if name == EACH:
            return self._call(operator, given, span, at, symbol, fitted, 0)
        within = max((depth_within(one.value) for one in given), default=0)
        found = self._call(operator, [opened(one) for one in given], span, at, symbol, fitted, within)
        return None if found is None else self.nodes.element_of(found, within)

    def _call(
        self,
        operator: Operator,
        given: list[Given],
        span: Span,
        at: Span,
        symbol: str,
        fitted: bool,
        within: int,
    ) -> Typed | None:
        """See `call`; `within` so many lists stands the def that holds the call."""
        bindings = self._bind(operator, given)
        found = self._meant(operator, bindings)
        if found is None and operator.otherwise is not None:
            other = OPERATORS[operator.otherwise]
            meant = self._meant(other, self._bind(other, given))
            if meant is not None:
                return self._node(other, meant, span, at, fitted, within)
        if not bindings:
            self.complaints.arguments(operator, given, at, symbol)
            return None
        if found is None:
            self.complaints.mismatch(operator, bindings, self.nodes, at, symbol)
            return None
        return self._node(operator, found, span, at, fitted, within)

    def _meant(self, operator: Operator, bindings: list[Binding]) -> Match | None:
        """The first overload that fits with lists that are aligned; else, if any fits, the first."""
        first: Match | None = None
        for found in find(bindings, self.nodes):
            if _aligned(operator, found):
                return found
            first = first or found
        return first

    @staticmethod
    def _bind(operator: Operator, given: list[Given]) -> list[Binding]:
        for by_position in (False, True):
            bound = [bind(i, s, given, by_position) for i, s in enumerate(operator.signatures)]
            bindings = [b for b in bound if b is not None]
            if bindings:
                return bindings
        return []

    def _node(
        self, operator: Operator, found: Match, span: Span, at: Span, fitted: bool, within: int
    ) -> Typed | None:
        signature = found.binding.signature
        constants = default_constants(signature, found.constants)
        if not self._vocabs(found, constants):
            return None
        if operator.validate is not None:
            fault = operator.validate(constants)
            if fault is not None:
                self._bad_constant(fault, found, at)
                return None
        count = len(found.binding.values)
        places = count if operator.arity is None else operator.arity(constants)
        if places != count:
            wrong = f"`{operator.name}` has places for {places} values here, found {count}"
            self.complaints.error("E0207", wrong, at)
            return None
        shown_by = [("string", {})] * count if operator.shown_by is None else operator.shown_by(constants)
        if operator.canonical is not None:
            constants = operator.canonical(constants)
        for name, value in constants.items():
            if isinstance(value, tuple) and len(value) > 100_000 and not fitted:
                self.complaints.error("E0207", f"a constant list is too long: `{name}`", at)
                return None
        levels = Levels(within)
        args: list[Typed] = []
        mapped = found.mapped or (0,) * len(found.binding.values)
        nullable = marked_null = False
        for (parameter, given), depth, text in zip(found.binding.values, mapped, shown_by, strict=True):
            value = given.value
            assert isinstance(value, Typed)
            if not levels.add(value, depth):
                self._not_aligned(found, given)
                return None
            here = value.type.inside(depth)
            if parameter.pattern.follows:
                marked_null |= here.nullable
            elif here.nullable and not parameter.takes_null:
                # a single value beside lists becomes a list, and null the empty one
                nullable |= not (parameter.hashed and parameter.pattern.name == "list" and here.is_scalar)
            wanted = resolve(parameter.pattern, found.bindings, constants)
            arg = self._prepared(parameter, value, text, span)
            if arg is None:
                return None
            if parameter.hashed and parameter.pattern.name == "list" and here.is_scalar:
                arg = self.call("as_list", [Given(arg, given.span)], span)
            arg = None if arg is None else self.coerce(arg, wanted, depth, given.span)
            if arg is None:
                return None
            args.append(arg)
        nullable |= self._can_be_null(operator, signature, args, mapped)
        if signature.result.follows:
            nullable |= marked_null
        result = resolve(signature.result, found.bindings, constants).optional(nullable)
        if not self._belong_together(operator, found, args):
            return None
        alignment = None
        if result.is_listlike:
            alignment = self._alignment(operator, found, args, tuple(sorted(constants.items())))
        drops_null = False
        if found.mapped:
            drops_null = nullable and levels.drops_null
            result, alignment = levels.around(result, alignment)
        level = Level.CONSTANT
        for arg in args:
            level |= arg.level
        return self.nodes.make(
            operator.name, result, level, span, tuple(args), tuple(sorted(constants.items())),
            found.binding.overload, found.mapped, drops_null, alignment,
        )  # fmt: skip

    def _belong_together(self, operator: Operator, found: Match, args: list[Typed]) -> bool:
        """Whether the lists that the operator takes element by element are aligned; else it is reported."""
        lists = [(g, a) for p, g, a in _alignments(found, args) if p.name in operator.aligned]
        for given, alignment in lists[1:]:
            if alignment != lists[0][1]:
                self.complaints.not_aligned(lists[0][0], given)
                return False
        return True

    def _alignment(
        self,
        operator: Operator,
        found: Match,
        args: list[Typed],
        constants: tuple[tuple[str, Constant], ...],
    ) -> Alignment | None:
        """The alignment of what the operator gives for lists, if it follows from theirs."""
        signature = found.binding.signature
        alignments = _alignments(found, args)
        if operator.along is not None:
            alignment = next(a for p, _, a in alignments if p.name == operator.along)
            return alignment if alignment is None or operator.name == EACH else replace(alignment, inner=None)
        if operator.entries is not None:
            place = next(i for i, (p, _, _) in enumerate(alignments) if p.name == operator.entries)
            return Alignment(f"entries of #{self.nodes.number_of(args[place])}")
        if operator.places:
            return self._moved(operator, signature, alignments, args, constants)
        if signature.result.name == "T":
            return _shared([a for p, _, a in alignments if p.pattern.name == "T"])
        return None

    def _moved(
        self,
        operator: Operator,
        signature: Signature,
        alignments: list[tuple[Parameter, Given, Alignment | None]],
        args: list[Typed],
        constants: tuple[tuple[str, Constant], ...],
    ) -> Alignment | None:
        """The alignment of elements that were moved by their places: its name says how."""
        parts: list[str] = []
        inner: list[Alignment | None] = []
        keeps_null = False
        for (parameter, _, alignment), arg in zip(alignments, args, strict=True):
            if parameter.name not in operator.places:
                parts.append(f"#{self.nodes.number_of(arg)}")
                continue
            gone = parameter.pattern.depth - signature.result.depth
            if alignment is None or parameter.pattern.name not in ("list", "vector"):
                return None
            parts += alignment.names[: gone + 1]
            last = alignment.inside(gone)
            keeps_null |= last is not None and last.keeps_null
            inner.append(alignment.inside(gone + 1))
        name = f"{operator.name}{exact(constants)}({', '.join(parts)})"
        return Alignment(name, keeps_null, _shared(inner))

    def _can_be_null(
        self, operator: Operator, signature: Signature, args: list[Typed], mapped: tuple[int, ...]
    ) -> bool:
        """Whether the operator can give null on arguments that are not."""
        if not signature.result.nullable:
            return False
        if operator.never_null_when is None:
            return True
        known = tuple(
            NOT_CONSTANT if depth else self.nodes.value_of(arg)
            for arg, depth in zip(args, mapped, strict=True)
        )
        return not operator.never_null_when(known)

    def _vocabs(self, found: Match, constants: dict[str, Any]) -> bool:
        """Puts the vocab's entries in place of its name: integers where the first argument is one."""
        for name, value in constants.items():
            if isinstance(value, VocabValue):
                integers = found.binding.values[0][0].pattern.name == "int64"
                vocab: Vocab | None = value.vocab.integers(value.span) if integers else value.vocab.strings
                if vocab is None:
                    return False
                constants[name] = vocab
        return True

    def _bad_constant(self, fault: str | Fault, found: Match, at: Span) -> None:
        given = found.binding.constants
        if isinstance(fault, str):
            self.complaints.error("E0207", fault, given[0][1].span if len(given) == 1 else at)
            return
        span = next((g.span for parameter, g in given if parameter.name == fault.parameter), at)
        self.complaints.error("E0207", fault.message, inside_text(span, fault.start, fault.end))

    def _not_aligned(self, found: Match, given: Given) -> None:
        first = next(g for (_, g), depth in zip(found.binding.values, found.mapped, strict=True) if depth)
        self.complaints.not_aligned(first, given)

    def _prepared(
        self, parameter: Parameter, value: Typed, text: tuple[str, dict[str, Any]], span: Span
    ) -> Typed | None:
        """The argument as the parameter wants to see it; `text` is the call that makes a text of it."""
        if parameter.hashed:
            return self._hashed(value, span)
        operator, constants = text
        if parameter.shown and (value.type.innermost.kind not in (Kind.STRING, Kind.NOTHING) or constants):
            options = [
                Given(self.nodes.constant(option, STRING if isinstance(option, str) else INT64, span), span)
                for option in constants.values()
            ]
            return self.call(operator, [Given(value, value.span), *options], span)
        return value

    def _hashed(self, value: Typed, span: Span) -> Typed | None:
        if value.type.innermost.kind is Kind.ID:
            return value
        return self.call("hash", [Given(value, value.span)], span)

    def without_null(self, node: Typed, depth: int) -> Typed:
        """The list, so many lists deep, without the elements that are null; those that go along with others stay."""
        element, innermost = node.type.inside(depth), aligned_as(node)
        innermost = None if innermost is None else innermost.inside(depth - 1)
        if not element.nullable or (innermost is not None and innermost.keeps_null):
            return node
        levels = Levels()
        levels.add(node, depth)
        levels.levels[-1].alignment = Alignment("")
        null = self.nodes.constant(None, element, node.span)
        type, alignment = levels.around(element, None)
        return self.nodes.make(
            "coalesce", type, node.level, node.span, (node, null),
            mapped=(depth, 0), drops_null=True, alignment=alignment,
        )  # fmt: skip

    def coerce(self, node: Typed, wanted: Type, depth: int, span: Span) -> Typed | None:
        """The node in the type that it widens to, `depth` lists deep; nullness stays as it is."""
        given = node.type.inside(depth)
        if _same_values(given, wanted):
            return node
        if node.op == "const":
            value = converted(node.attributes[0][1], wanted.innermost)
            return self.nodes.constant(value, _retyped(node.type, wanted, depth), node.span)
        if given.kind is Kind.NOTHING:
            return node
        if given.innermost.kind in INTEGER_KINDS or _has_integers(given):
            return self.call("float64", [Given(node, span)], span)
        self.complaints.error(
            "E0503",
            f"integers inside cannot become floats here: `{node.type}`",
            span,
            label=f"expected `{wanted}`, found `{node.type}`",
            help="convert them where the map is made",
        )
        return None


def opened(given: Given) -> Given:
    """The argument without the `each` around it, nor the def that is mapped over it."""
    value, depth = given.value, given.each
    while isinstance(value, Typed) and value.op in (EACH, ELEMENT):
        value, depth = value.args[0], depth + 1
    return Given(value, given.span, given.name, depth)


def depth_within(value: Value) -> int:
    """Of how many lists the def that an argument stands in is mapped over the argument."""
    while isinstance(value, Typed) and value.op == EACH:
        value = value.args[0]
    return whole(value)[1] if isinstance(value, Typed) else 0


def _aligned(operator: Operator, found: Match) -> bool:
    """Whether the lists that go element by element are aligned: those mapped over, and those the operator takes so."""
    if not found.mapped and not operator.aligned:
        return True
    levels, first = Levels(), True
    beside: Alignment | None = None
    for (parameter, given), depth in zip(
        found.binding.values, found.mapped or (0,) * len(found.binding.values), strict=True
    ):
        assert isinstance(given.value, Typed)
        if not levels.add(given.value, depth):
            return False
        if parameter.name in operator.aligned:
            alignment = aligned_as(given.value)
            here = None if alignment is None else alignment.inside(depth)
            if not first and here != beside:
                return False
            beside, first = here, False
    return True


def _alignments(found: Match, args: list[Typed]) -> list[tuple[Parameter, Given, Alignment | None]]:
    """Each argument as the operator sees it: its parameter, and the alignment of the list it is there."""
    depths = found.mapped or (0,) * len(args)
    seen: list[tuple[Parameter, Given, Alignment | None]] = []
    for (parameter, given), arg, depth in zip(found.binding.values, args, depths, strict=True):
        alignment = aligned_as(arg)
        seen.append((parameter, given, None if alignment is None else alignment.inside(depth)))
    return seen


def _has_integers(given: Type) -> bool:
    """Whether it is a map whose values, or theirs, are integers."""
    value = given
    for _ in range(2):
        value = value.item if value.kind is Kind.MAP else value
    return given.kind is Kind.MAP and value.kind in INTEGER_KINDS


def _same_values(given: Type, wanted: Type) -> bool:
    """Whether a value of one type is held in the engine as one of the other."""
    if given.kind is Kind.NOTHING:
        return wanted.kind is Kind.NOTHING
    if given.is_listlike and wanted.is_listlike:
        return _same_values(given.item, wanted.item)
    if given.kind is Kind.MAP and wanted.kind is Kind.MAP:
        return _same_values(given.item, wanted.item)
    return not (given.kind in INTEGER_KINDS and wanted.kind in (Kind.FLOAT32, Kind.FLOAT64))


def _retyped(given: Type, wanted: Type, depth: int) -> Type:
    """The type of a constant that was converted, `depth` lists deep."""
    if depth:
        return Type(given.kind, given.nullable, _retyped(given.item, wanted, depth - 1), size=given.size)
    if given.kind is Kind.NOTHING:
        return wanted.optional()
    if given.is_listlike and wanted.is_listlike:
        return Type(given.kind, given.nullable, wanted.item, size=given.size)
    return wanted.optional(given.nullable)


def _shared(alignments: list[Alignment | None]) -> Alignment | None:
    """The alignment that all of these are."""
    first = alignments[0] if alignments else None
    if first is None or any(a is None or a.names != first.names for a in alignments):
        return None
    return first
