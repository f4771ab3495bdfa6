"""Defs: a call puts its arguments in place of the parameters, and costs nothing at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from featdsl.check.calls import Calls, depth_within, opened
from featdsl.check.complaints import Complaints, zero_of
from featdsl.check.nodes import Nodes
from featdsl.check.standard import is_standard
from featdsl.check.types import NO_LITERAL, DeclaredTypes, fitted, misfit
from featdsl.check.values import Given, Value, VocabValue
from featdsl.diagnostics import Note
from featdsl.levels import Level
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.typed import Typed
from featdsl.types import FLOAT64, INT64, Type, widens_to

MOST_INSTANCES = 20_000
"""Different uses of defs in a program."""


class Defs:
    """Inlines calls of defs. `parameters` are what the names of the def stand for that is being checked;
    `check` checks its body."""

    def __init__(
        self,
        check: Callable[[tree.Expr], Typed | None],
        nodes: Nodes,
        calls: Calls,
        types: DeclaredTypes,
        complaints: Complaints,
    ) -> None:
        self.parameters: dict[str, Value | None] = {}
        self._check = check
        self._nodes = nodes
        self._calls = calls
        self._types = types
        self._complaints = complaints
        self._instances: dict[tuple[Any, ...], Typed | None] = {}
        self._unfolded = False
        self._parameter_types: dict[int, Type | None] = {}

    def call(self, declared: tree.Def, given: list[Given], node: tree.Call) -> Typed | None:
        """The body with the arguments in place of the parameters; None where a mistake was reported."""
        bound = self._bind(declared, given, node)
        if bound is None:
            return None
        within = max((depth_within(one.value) for one in given), default=0)
        key = (
            declared.name.name,
            *(self._nodes.number_of(v) if isinstance(v, Typed) else v.vocab.name for v in bound.values()),
        )
        if key in self._instances:
            return self._given_back(self._instances[key], within)
        if len(self._instances) >= MOST_INSTANCES:
            if self._unfolded:
                return None
            self._unfolded = True
            self._complaints.error(
                "E0214",
                f"the defs unfold to more than {MOST_INSTANCES:_} expressions",
                node.span,
                help="defs that use each other many times grow exponentially: name parts with `let`",
            )
            return None
        return self._given_back(self._instance(declared, bound, node.function.span, key), within)

    def _given_back(self, found: Typed | None, within: int) -> Typed | None:
        """What a def makes, seen from where it is called: `within` so many lists that the caller is mapped over.
        The list of what a def makes of each element is a list like any: an `each` inside says nothing of it."""
        if found is None:
            return None
        depth = depth_within(found)
        if depth <= within:
            return found
        made = opened(Given(found, found.span)).value
        assert isinstance(made, Typed)
        return self._nodes.element_of(self._calls.without_null(made, depth), within)

    def _instance(
        self, declared: tree.Def, bound: Mapping[str, Value | None], span: Span | None, key: tuple[Any, ...]
    ) -> Typed | None:
        outer, self.parameters = self.parameters, dict(bound)
        self._complaints.callers.append((declared.name.name, span))
        try:
            found = self._check(declared.body)
        finally:
            self._complaints.callers.pop()
            self.parameters = outer
        self._instances[key] = found
        return found

    def _bind(self, declared: tree.Def, given: list[Given], node: tree.Call) -> dict[str, Value] | None:
        name = declared.name.name
        parameters = {p.name.name: p for p in declared.parameters}
        usage = f"write `{name}({', '.join(map(_shown, declared.parameters))})`"
        note = () if is_standard(declared.span) else (Note(f"`{name}` is declared here", declared.name.span),)
        bound: dict[str, Given] = {}
        positions = iter(parameters)
        for one in given:
            wanted = one.name.name if one.name is not None else next(positions, None)
            if wanted is None or wanted in bound or wanted not in parameters:
                place = one.name.span if one.name is not None else one.span
                code, message = "E0204", f"`{name}` takes {_count(len(parameters))}, found {len(given)}"
                if one.name is not None:
                    twice = wanted in bound
                    code = "E0205"
                    message = (
                        f"an argument is given twice: `{wanted}`"
                        if twice
                        else (f"`{name}` has no parameter of this name: `{wanted}`")
                    )
                self._complaints.error(code, message, place, notes=note, help=usage)
                return None
            bound[wanted] = one
        lacking = [n for n, p in parameters.items() if n not in bound and p.default is None]
        if lacking:
            missing = ", ".join(f"`{n}`" for n in lacking)
            self._complaints.error(
                "E0204", f"an argument is missing: {missing}", node.function.span, notes=note, help=usage
            )
            return None
        values: dict[str, Value] = {}
        for parameter in parameters.values():
            given_or_default = bound.get(parameter.name.name) or self._default(parameter)
            if given_or_default is None:
                return None
            value = self._as_declared(parameter, given_or_default)
            if value is None:
                return None
            values[parameter.name.name] = value
        return values

    def _default(self, parameter: tree.Parameter) -> Given | None:
        """The default of a parameter: a constant, in which the other parameters have no meaning."""
        assert parameter.default is not None
        outer, self.parameters = self.parameters, {}
        try:
            value = self._check(parameter.default)
        finally:
            self.parameters = outer
        if value is not None and value.level is not Level.CONSTANT:
            self._complaints.error(
                "E0403", f"a default is a constant: `{parameter.name.name}`", parameter.default.span
            )
            return None
        return None if value is None else Given(value, parameter.default.span)

    def _as_declared(self, parameter: tree.Parameter, given: Given) -> Value | None:
        """An argument in the type of a def's parameter, or what the def sees of it where it is mapped over it."""
        given = opened(given)
        value, depth = given.value, given.each
        if isinstance(value, Typed) and parameter.type is not None and _is_any_list(parameter.type):
            return self._each_list(parameter, value, depth, given.span)
        if parameter.type is None:
            return self._nodes.element_of(value, depth) if isinstance(value, Typed) else value
        wanted = self._declared_type(parameter.type)
        if wanted is None:
            return None
        note = Note(f"`{parameter.name.name}` is declared here", parameter.span)
        if isinstance(value, VocabValue):
            self._complaints.error(
                "E0203",
                "the argument type does not match",
                given.span,
                label=f"expected `{wanted}`, found `vocab`",
                notes=(note,),
                help="leave the parameter's type out",
            )
            return None
        deep = range(depth, value.type.depth + 1)
        depth = next((d for d in deep if widens_to(value.type.inside(d), wanted)), depth)
        found = value.type.inside(min(depth, value.type.depth))
        if value.op == "const" and value.type.is_scalar and wanted.is_scalar:
            fit = fitted(value.attributes[0][1], wanted)
            if fit is NO_LITERAL:
                misfit(value.attributes[0][1], wanted, given.span, self._complaints.diagnostics)
                return None
            return self._nodes.constant(fit, wanted.optional(fit is None), given.span)
        if depth > value.type.depth or not widens_to(found, wanted):
            help = ""
            element = value.type.innermost
            if widens_to(found.optional(False), wanted) or (
                element.nullable and widens_to(element.optional(False), wanted)
            ):
                zero = zero_of(element if wanted.is_scalar else found)
                help = f"add `?? {zero}`, or declare `{parameter.name.name}: {wanted.optional()}`"
            elif found.optional(False) in (INT64, FLOAT64) and wanted.is_scalar:
                help = f"cast it: `{wanted.kind.value}(x)`"
            self._complaints.error(
                "E0203",
                "the argument type does not match",
                given.span,
                label=f"expected `{wanted}`, found `{found}`",
                notes=(note,),
                help=help,
            )
            return None
        fitting = self._calls.coerce(value, wanted, depth, given.span)
        return None if fitting is None else self._nodes.element_of(fitting, depth)

    def _each_list(self, parameter: tree.Parameter, value: Typed, depth: int, span: Span) -> Typed | None:
        """What the def sees of a list where a list of anything is wanted: of a list of lists each list of it."""
        if value.type.depth > depth:
            return self._nodes.element_of(value, value.type.depth - 1)
        self._complaints.error(
            "E0203",
            "the argument type does not match",
            span,
            label=f"expected a list, found `{value.type.inside(min(depth, value.type.depth))}`",
            notes=()
            if is_standard(parameter.span)
            else (Note(f"`{parameter.name.name}` is declared here", parameter.span),),
        )
        return None

    def _declared_type(self, written: tree.TypeName) -> Type | None:
        """The type of a parameter; its mistakes are reported once, where it is declared."""
        key = id(written)
        if key not in self._parameter_types:
            self._parameter_types[key] = self._types.read(written)
        return self._parameter_types[key]

    def unused(self, declared: tree.Def) -> None:
        """Checks a def that nothing uses: with arguments of its declared types, where it has them."""
        bound: dict[str, Value | None] = {}
        for parameter in declared.parameters:
            untyped = parameter.type is None or _is_any_list(parameter.type)
            found = None if untyped or parameter.type is None else self._declared_type(parameter.type)
            name = parameter.name.name
            bound[name] = None
            if found is not None:
                bound[name] = self._nodes.make(
                    "input", found, Level.REQUEST, parameter.span, attributes=(("name", f"({name})"),)
                )
        self._instance(declared, bound, None, (declared.name.name, None))


def _is_any_list(written: tree.TypeName) -> bool:
    """Whether a parameter's type is `list` alone."""
    return written.name == "list" and not written.arguments and written.size is None


def _shown(parameter: tree.Parameter) -> str:
    """A parameter in the usage of its def; one with a default is named."""
    return parameter.name.name if parameter.default is None else f"{parameter.name.name}: …"


def _count(n: int) -> str:
    return "no argument" if n == 0 else f"{n} argument{'' if n == 1 else 's'}"
