"""A call of an operator: from typed arguments to a typed node."""

from __future__ import annotations

from typing import Any

from featdsl.check.complaints import Complaints
from featdsl.check.nodes import Alignment, Nodes
from featdsl.check.overloads import (
    Binding,
    Match,
    bind,
    converted,
    default_constants,
    find,
)
from featdsl.check.values import Given, VocabValue
from featdsl.levels import Level
from featdsl.operators.declare import NOT_CONSTANT, OPERATORS, Operator, Signature, resolve
from featdsl.resources import Vocab
from featdsl.source_file import Span
from featdsl.typed import Typed
from featdsl.types import INTEGER_KINDS, Kind, Type, list_of, vector_of


class Calls:
    """Makes the nodes of operators. A method that gives None has reported why."""

    def __init__(self, nodes: Nodes, complaints: Complaints) -> None:
        self.nodes = nodes
        self.complaints = complaints

    def call(
        self, name: str, given: list[Given], span: Span, *, at: Span | None = None, symbol: str = ""
    ) -> Typed | None:
        """The operator `name` on arguments. `at` is its own place in the text, `symbol` how it is
        written there if not by name."""
        operator = OPERATORS[name]
        at = at or span
        bindings = self._bind(operator, given)
        if not bindings:
            self.complaints.arguments(operator, given, at, symbol)
            return None
        found = find(bindings, self.nodes)
        if found is None:
            self.complaints.mismatch(operator, bindings, self.nodes, at, symbol)
            return None
        return self._node(operator, found, span, at)

    @staticmethod
    def _bind(operator: Operator, given: list[Given]) -> list[Binding]:
        for by_position in (False, True):
            bound = [bind(i, s, given, by_position) for i, s in enumerate(operator.signatures)]
            bindings = [b for b in bound if b is not None]
            if bindings:
                return bindings
        return []

    def _node(self, operator: Operator, found: Match, span: Span, at: Span) -> Typed | None:
        signature = found.binding.signature
        constants = default_constants(signature, found.constants)
        if not self._vocabs(found, constants):
            return None
        if operator.validate is not None:
            wrong = operator.validate(constants)
            if wrong is not None:
                places = [g.span for _, g in found.binding.constants]
                self.complaints.error("E0207", wrong, places[0] if len(places) == 1 else at)
                return None
        if operator.canonical is not None:
            constants = operator.canonical(constants)
        for name, value in constants.items():
            if isinstance(value, tuple) and len(value) > 100_000:
                self.complaints.error("E0207", f"a constant list is too long: `{name}`", at)
                return None
        alignment: Alignment | None = None
        args: list[Typed] = []
        nullable = list_nullable = False
        marked_null = False
        mapped_types: list[Type] = []
        for (parameter, given), peel in zip(found.binding.values, found.peeled, strict=True):
            value = given.value
            assert isinstance(value, Typed)
            here = value.type
            if peel:
                if not self._aligned(alignment, value, found, given):
                    return None
                alignment = _joined(alignment, value)
                list_nullable |= here.nullable
                mapped_types.append(here)
                here = here.item
            if parameter.pattern.follows:
                marked_null |= here.nullable
            elif here.nullable and not parameter.takes_null:
                # a single value beside lists becomes a list, and null the empty one
                nullable |= not (
                    parameter.hashed and parameter.pattern.name == "list" and value.type.is_scalar
                )
            wanted = resolve(parameter.pattern, found.bindings, constants)
            arg = self._hashed(value, span) if parameter.hashed else value
            if arg is None:
                return None
            if parameter.hashed and parameter.pattern.name == "list" and arg.type.is_scalar:
                arg = self.call("as_list", [Given(arg, given.span)], span)
            arg = None if arg is None else self.coerce(arg, wanted, peel, given.span)
            if arg is None:
                return None
            args.append(arg)
        nullable |= self._can_be_null(operator, signature, args, found.peeled)
        if signature.result.follows:
            nullable |= marked_null
        result = resolve(signature.result, found.bindings, constants).optional(nullable)
        return self._result(
            operator, found, span, args, constants, result, alignment, list_nullable, mapped_types
        )

    def _result(
        self,
        operator: Operator,
        found: Match,
        span: Span,
        args: list[Typed],
        constants: dict[str, Any],
        result: Type,
        alignment: Alignment | None,
        list_nullable: bool,
        mapped_types: list[Type],
    ) -> Typed:
        level = Level.CONSTANT
        for arg in args:
            level |= arg.level
        drops_null = False
        mapped: tuple[bool, ...] = ()
        if mapped_types:
            assert alignment is not None
            mapped = found.peeled
            drops_null = result.nullable and not alignment.keeps_null
            if drops_null:
                result, alignment = result.optional(False), None
            if all(t.kind is Kind.VECTOR for t in mapped_types):
                size = mapped_types[0].size
                assert size is not None
                result = vector_of(result, size).optional(list_nullable)
            else:
                result = list_of(result).optional(list_nullable)
        elif result.is_listlike and found.binding.signature.result.name == "T":
            alignment = _shared(args)
        attributes = tuple(sorted(constants.items()))
        return self.nodes.make(
            operator.name, result, level, span, tuple(args), attributes,
            found.binding.overload, mapped, drops_null, alignment,
        )  # fmt: skip

    def _can_be_null(
        self, operator: Operator, signature: Signature, args: list[Typed], peeled: tuple[bool, ...]
    ) -> bool:
        """Whether the operator can give null on arguments that are not."""
        if not signature.result.nullable:
            return False
        if operator.never_null_when is None:
            return True
        known = tuple(
            NOT_CONSTANT if peel else self.nodes.value_of(arg) for arg, peel in zip(args, peeled, strict=True)
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

    def _aligned(self, alignment: Alignment | None, value: Typed, found: Match, given: Given) -> bool:
        if alignment is None or alignment == value.alignment:
            return True
        first = next(g for (_, g), peel in zip(found.binding.values, found.peeled, strict=True) if peel)
        self.complaints.not_aligned(first, given)
        return False

    def _hashed(self, value: Typed, span: Span) -> Typed | None:
        element = value.type.item if value.type.is_listlike else value.type
        return value if element.kind is Kind.ID else self.call("hash", [Given(value, value.span)], span)

    def coerce(self, node: Typed, wanted: Type, peel: bool, span: Span) -> Typed | None:
        """The node in the type it widens to; nullness stays as it is."""
        given = node.type.item if peel else node.type
        if _same_values(given, wanted):
            return node
        if node.op == "const":
            value = node.attributes[0][1]
            return self.nodes.constant(converted(value, wanted), _retyped(node.type, wanted, peel), node.span)
        if given.kind is Kind.NOTHING:
            return node
        if given.is_scalar:
            return self.call("float64", [Given(node, span)], span)
        if given.is_listlike and wanted.is_listlike and not peel and given.item.is_scalar:
            return self.call("float64", [Given(node, span)], span)
        self.complaints.error(
            "E0503",
            f"integers inside cannot become floats here: `{node.type}`",
            span,
            label=f"expected `{wanted}`, found `{node.type}`",
            help="convert them where the list is made",
        )
        return None


def _same_values(given: Type, wanted: Type) -> bool:
    """Whether a value of one type is held in the engine as one of the other."""
    if given.kind is Kind.NOTHING:
        return wanted.kind is Kind.NOTHING
    if given.is_listlike and wanted.is_listlike:
        return _same_values(given.item, wanted.item)
    if given.kind is Kind.MAP and wanted.kind is Kind.MAP:
        return _same_values(given.item, wanted.item)
    return not (given.kind in INTEGER_KINDS and wanted.kind in (Kind.FLOAT32, Kind.FLOAT64))


def _retyped(given: Type, wanted: Type, peel: bool) -> Type:
    """The type of a constant that was converted."""
    if peel:
        return Type(given.kind, given.nullable, wanted.optional(given.item.nullable), size=given.size)
    if given.kind is Kind.NOTHING:
        return wanted.optional()
    if given.is_listlike and wanted.is_listlike:
        return Type(given.kind, given.nullable, wanted.item, size=given.size)
    return wanted.optional(given.nullable)


def _joined(alignment: Alignment | None, value: Typed) -> Alignment:
    """The alignment of a list made from lists: one that keeps nulls wins."""
    found = value.alignment
    assert isinstance(found, Alignment)
    keeps = found.keeps_null or value.type.item.nullable
    return Alignment(found.name, keeps or (alignment is not None and alignment.keeps_null))


def _shared(args: list[Typed]) -> Alignment | None:
    """The alignment that all lists among the arguments have."""
    found = {a.alignment for a in args if a.type.is_listlike}
    only = found.pop() if len(found) == 1 else None
    return only if isinstance(only, Alignment) else None
