"""Well-typed expressions, drawn from the operators' declarations.

An expression for a type is an input, a literal, or a call of an operator that gives the type, with arguments made the
same way; where an operator takes a scalar, it may be given a list and is mapped over it. The checker says what came
out; what it refuses (lists that are not aligned, say) is replaced by something plainer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from hypothesis import assume
from hypothesis import strategies as st

from featdsl.operators import OPERATORS
from featdsl.operators.declare import Operator, Parameter, Pattern, match
from featdsl.typed import Typed
from featdsl.types import (
    BOOL,
    FLOAT64,
    ID,
    INT64,
    SCALARS,
    STRING,
    TIMESTAMP,
    Kind,
    Type,
    list_of,
    map_of,
    vector_of,
)
from tests.conformance.programs import NARROW, literal
from tests.random_programs.constants import constants
from tests.random_programs.inputs import INPUTS
from tests.random_programs.scope import Scope
from tests.random_programs.spelling import spelled
from tests.random_programs.standard import Form, all_forms, forms
from tests.random_programs.values import POOLS

_ELEMENTS = (INT64, STRING, FLOAT64, BOOL, TIMESTAMP, ID, *SCALARS.values())
_KEYS = (STRING, INT64)
_DEPTHS = (0, 1, 1, 2, 2, 3, 3, 5)
_GROUPS = ("u.clicks.{}", "m.clicks.{}", "seen.{}_d")
"""Lists of every scalar type that are aligned with each other."""

_ZEROS = {Kind.BOOL: "false", Kind.STRING: '""', Kind.TIMESTAMP: "timestamp_seconds(0)", Kind.ID: 'hash("")'}


@dataclass(frozen=True)
class Expression:
    """`defs` are the lines that must stand before it: lets and defs."""

    text: str
    typed: Typed
    inputs: frozenset[str]
    defs: tuple[str, ...] = ()

    @property
    def type(self) -> Type:
        return self.typed.type


@dataclass(frozen=True)
class Overload:
    operator: Operator
    index: int

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.operator.signatures[self.index].arguments

    @property
    def result(self) -> Pattern:
        return self.operator.signatures[self.index].result


def overloads_of(operator: Operator) -> list[Overload]:
    return [Overload(operator, index) for index in range(len(operator.signatures))]


def all_overloads() -> list[Overload]:
    return [overload for operator in OPERATORS.values() for overload in overloads_of(operator)]


Callee = Overload | Form
"""What a program is drawn for."""


@cache
def all_callees() -> Mapping[str, Sequence[Sequence[Callee]]]:
    """By operator its overloads, and by def of the standard library its forms: each group gets its own programs."""
    operators = {name: [[one] for one in overloads_of(operator)] for name, operator in OPERATORS.items()}
    return {**operators, **{name: [made] for name, made in forms().items()}}


class Maker:
    """Makes the expressions of one program with draws of one example."""

    def __init__(self, draw: st.DrawFn, scope: Scope, prefix: str = "") -> None:
        """Names that it makes up begin with `prefix`."""
        self._draw = draw
        self._prefix = prefix
        self._scope = scope
        self._count = 0
        self._shared: list[Expression] = []

    # --- whole features ------------------------------------------------------------------------

    def feature(self, callee: Callee) -> Expression:
        """An expression in which the overload or the def is called, deep inside or outside."""
        depth = self._draw(st.sampled_from(_DEPTHS))
        made = self._called(callee, depth) or self._called(callee, 0)
        assume(made is not None)
        assert made is not None
        for _ in range(self._draw(st.sampled_from((0, 1, 2, 3)))):
            made = self._around(made)
        return made

    def again(self) -> Expression | None:
        """An expression around one that the program has already; None where there is none."""
        return self._around(self._draw(st.sampled_from(self._shared))) if self._shared else None

    def plain(self, callee: Callee) -> Expression:
        """A call of the overload or the def on inputs and constants, not mapped over lists."""
        if isinstance(callee, Form):
            made = self._standard(callee, 0, _GROUPS[0])
        else:
            made = self._call(callee, {}, 0, {}, exactly=True, mapped=False)
        assume(made is not None)
        assert made is not None
        return made

    def _called(self, callee: Callee, depth: int) -> Expression | None:
        if isinstance(callee, Overload):
            return self._call(callee, {}, depth, {}, exactly=True)
        group = self._draw(st.sampled_from((None, *_GROUPS)))
        return self._standard(callee, depth, group) or self._standard(callee, depth, _GROUPS[0])

    def _around(self, inner: Expression) -> Expression:
        """A call that has `inner` as an argument; `inner` itself if that is refused."""
        takers = _takers(inner.type.optional(False))
        if not takers:
            return inner
        overload, index = self._draw(st.sampled_from(takers))
        return self._call(overload, {}, 1, {index: inner}) or inner

    def not_null(self, made: Expression) -> Expression:
        """The expression with what takes the place of null."""
        if not made.type.nullable:
            return made
        zero = _zero(made.type)
        return made if zero is None else (self._spell(f"({{}} ?? {zero})", [made]) or made)

    def of(self, wanted: Type, depth: int) -> Expression:
        """An expression whose type is `wanted`, or widens to it; it may be null."""
        producers = _producers(wanted) if depth > 0 else []
        if not producers or self._draw(st.integers(0, 3)) == 0:
            return self._leaf(wanted)
        defs = _forms_of(wanted)
        if defs and self._draw(st.integers(0, 4)) == 4:
            return self._called(self._draw(st.sampled_from(defs)), depth - 1) or self._leaf(wanted)
        overload, bindings, mapped = self._draw(st.sampled_from(producers))
        return self._call(overload, dict(bindings), depth - 1, {}, mapped=mapped) or self._leaf(wanted)

    # --- leaves --------------------------------------------------------------------------------

    def _leaf(self, wanted: Type) -> Expression:
        again = [one for one in self._shared if one.type.optional(False) == wanted]
        if again and self._draw(st.booleans()):
            return self._draw(st.sampled_from(again))
        inputs = _inputs_of(wanted)
        plain = wanted.is_scalar and wanted.kind is not Kind.ID
        if plain and self._draw(st.integers(0, 4)) == 4:
            value = self._draw(st.sampled_from([*POOLS[wanted.kind], None]))
            text = literal(value, wanted)
            return self._known(
                text,
                frozenset(),
                [line for line in NARROW if line.split("(")[0].removeprefix("def ") in text],
            )
        if inputs:
            name = self._draw(st.sampled_from(inputs))
            return self._known(name, frozenset([name]))
        made = self._derived(wanted)
        assume(made is not None)
        assert made is not None
        return made

    def _derived(self, wanted: Type) -> Expression | None:
        """What no input holds: ids, vectors of any length, lists of lists."""
        if wanted.kind is Kind.ID:
            return self._spell("hash({})", [self._leaf(self._draw(st.sampled_from([STRING, INT64])))])
        if wanted.kind is Kind.VECTOR:
            return self._spell(f"pad({{}}, {wanted.size})", [self._leaf(list_of(wanted.item))])
        if wanted.is_listlike and wanted.item.is_scalar:
            return self._spell(
                "hash({})", [self._leaf(list_of(self._draw(st.sampled_from([STRING, INT64]))))]
            )
        return None

    def _known(self, text: str, inputs: frozenset[str], defs: Sequence[str] = ()) -> Expression:
        typed = self._scope.typed(text, defs)
        assert typed is not None, f"the checker refuses {text}"
        made = Expression(text, typed, inputs, tuple(defs))
        whole = self._whole(made)
        assert whole is not None
        return whole

    # --- calls ---------------------------------------------------------------------------------

    def _call(
        self,
        overload: Overload,
        bindings: dict[str, Type],
        depth: int,
        given: Mapping[int, Expression],
        *,
        exactly: bool = False,
        mapped: bool | None = None,
    ) -> Expression | None:
        """The operator on expressions of its types. `given` are arguments that stand already, by their number;
        `exactly`: it must be this overload that the checker finds; `mapped`: over lists or not."""
        parameters = self._parameters(overload, given)
        for number, expression in given.items():
            match(parameters[number].pattern, expression.type.optional(False), bindings)
        self._bind_holes(overload, bindings)
        scalars = [i for i, p in enumerate(parameters) if i not in given and _is_scalar(p, bindings)]
        over_lists = mapped if mapped is not None else self._draw(st.integers(0, 4)) == 4
        lists = self._lists(scalars, parameters, bindings, depth) if over_lists and scalars else {}
        arguments = [
            given.get(i) or lists.get(i) or self.of(self._wanted(p, bindings, exactly), depth)
            for i, p in enumerate(parameters)
        ]
        operator = overload.operator
        signature = operator.signatures[overload.index]
        known = self._draw(constants(operator, signature, len(parameters)))
        form = self._draw(st.integers(0, 5))
        text, defs = spelled(operator, signature, parameters, known, form, self._new("d"))
        made = self._spell(text, arguments, defs)
        if made is None or not exactly:
            return made
        found = made.typed
        if found.op == "coalesce" and operator.name != "coalesce":
            found = found.args[0]
        same = found.op == operator.name and found.overload == overload.index
        return made if same else None

    def _standard(self, form: Form, depth: int, group: str | None) -> Expression | None:
        """A call of a def. Its lists are aligned ones of the `group`, if there is one; else a scalar may be a list."""
        arguments = []
        for type in form.types:
            if group is None and type.is_scalar and self._draw(st.integers(0, 4)) == 4:
                arguments.append(self.of(list_of(type), depth))
            elif group is not None and type.kind is Kind.LIST and type.item.kind in POOLS:
                name = group.format(type.item.kind.value)
                arguments.append(self._known(name, frozenset([name])))
            else:
                arguments.append(self.of(type, depth))
        return self._spell(form.text, arguments)

    def _parameters(self, overload: Overload, given: Mapping[int, Expression]) -> list[Parameter]:
        """A parameter for each argument: a variadic one up to three times, optional ones or not."""
        found: list[Parameter] = []
        for parameter in overload.parameters:
            if parameter.variadic:
                found += [parameter] * max(
                    self._draw(st.integers(1, 3)), max(given, default=0) + 1 - len(found)
                )
            else:
                found.append(parameter)
        return found

    def _bind_holes(self, overload: Overload, bindings: dict[str, Type]) -> None:
        patterns = [p.pattern for p in overload.parameters] + [overload.result]
        for hole in ("S", "T"):
            if hole in bindings or not any(_mentions(p, hole) for p in patterns):
                continue
            if any(_is_key(p, hole) for p in patterns):
                choices: Sequence[Type] = _KEYS
            elif hole == "S" or any(_is_in_vector(p, hole) for p in patterns):
                choices = _ELEMENTS
            elif any(_is_inside(p, hole) for p in patterns):
                choices = (*_ELEMENTS, list_of(INT64), list_of(STRING))
            else:
                choices = (
                    *_ELEMENTS,
                    list_of(INT64),
                    list_of(STRING),
                    vector_of(FLOAT64, 3),
                    map_of(STRING, FLOAT64),
                )
            if any(_is_map_value(p, hole) for p in patterns):
                choices = (FLOAT64, INT64, STRING, list_of(INT64), list_of(STRING), map_of(STRING, FLOAT64))
            bindings[hole] = self._draw(st.sampled_from(choices))

    def _wanted(self, parameter: Parameter, bindings: Mapping[str, Type], exactly: bool) -> Type:
        """The type to give: the parameter's, or sometimes one that widens to it."""
        if parameter.hashed:
            element = self._draw(st.sampled_from(_ELEMENTS))
            lists = parameter.pattern.name == "list" and self._draw(st.booleans())
            return list_of(element) if lists else element
        wanted = _concrete(parameter.pattern, bindings)
        if exactly or not wanted.is_scalar or self._draw(st.integers(0, 5)):
            return wanted
        narrower = {Kind.INT64: ["int32"], Kind.FLOAT64: ["int64", "float32", "int32"]}.get(wanted.kind)
        return SCALARS[self._draw(st.sampled_from(narrower))] if narrower else wanted

    def _lists(
        self, scalars: list[int], parameters: list[Parameter], bindings: Mapping[str, Type], depth: int
    ) -> dict[int, Expression]:
        """Lists for some of the scalar parameters, aligned with each other."""
        first, *others = self._draw(st.permutations(scalars))
        types = {i: self._wanted(parameters[i], bindings, True) for i in scalars}
        if self._draw(st.booleans()) or types[first].kind is Kind.ID:
            return {first: self.of(list_of(types[first]), depth)}
        group = self._draw(st.sampled_from(_GROUPS))
        chosen = [first, *(i for i in others if types[i].kind is not Kind.ID and self._draw(st.booleans()))]
        names = {i: group.format(types[i].kind.value) for i in chosen if types[i].is_scalar}
        return {i: self._known(name, frozenset([name])) for i, name in names.items()}

    # --- putting together ----------------------------------------------------------------------

    def _spell(
        self, text: str, arguments: Sequence[Expression], defs: Sequence[str] = ()
    ) -> Expression | None:
        """`text` with the arguments at its `{}`; None if the checker refuses it. `defs` are its own."""
        names = [self._new("e") for _ in arguments]
        for name, argument in zip(names, arguments, strict=True):
            self._scope.bind(name, argument.typed)
        typed = self._scope.typed(text.format(*names), defs)
        if typed is None:
            return None
        before = tuple(dict.fromkeys([line for a in arguments for line in a.defs] + list(defs)))
        inputs = frozenset().union(*(a.inputs for a in arguments))
        made = self._whole(Expression(text.format(*(a.text for a in arguments)), typed, inputs, before))
        return None if made is None else self._maybe_let(made)

    def _whole(self, made: Expression) -> Expression | None:
        """The expression with something in place of its null elements; None where that cannot be."""
        if not made.type.is_listlike or not _has_null_elements(made.type.item, itself=True):
            return made
        zero = _zero(made.type.item)
        if zero is None or not made.type.item.is_scalar:
            return None
        text = f"({made.text} ?? {zero})"
        name = self._new("e")
        self._scope.bind(name, made.typed)
        typed = self._scope.typed(f"({name} ?? {zero})")
        return None if typed is None else Expression(text, typed, made.inputs, made.defs)

    def _maybe_let(self, made: Expression) -> Expression:
        """Sometimes under a name, or kept as it is, to be written once more."""
        turn = 0 if len(made.text) < 12 else self._draw(st.integers(0, 5))
        if turn == 4:
            self._shared.append(made)
        if turn < 5:
            return made
        name = self._new("v")
        let = Expression(name, made.typed, made.inputs, (*made.defs, f"let {name} = {made.text}"))
        self._shared.append(let)
        return let

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{self._prefix}{letter}{self._count}"


# --- which operator gives or takes a type ------------------------------------------------------


@cache
def _producers(wanted: Type) -> list[tuple[Overload, tuple[tuple[str, Type], ...], bool]]:
    """Overloads whose result is of the type, what their holes are then, and whether they are mapped over lists."""
    found = []
    for overload in all_overloads():
        bindings: dict[str, Type] = {}
        if _gives(overload.result, wanted, bindings):
            found.append((overload, tuple(bindings.items()), False))
        if wanted.kind is Kind.LIST and any(_is_scalar(p, {}) for p in overload.parameters):
            bindings = {}
            if _gives(overload.result, wanted.item, bindings):
                found.append((overload, tuple(bindings.items()), True))
    return found


def _gives(pattern: Pattern, wanted: Type, bindings: dict[str, Type]) -> bool:
    if pattern.name in ("S", "T"):
        if pattern.name == "S" and not wanted.is_scalar:
            return False
        return bindings.setdefault(pattern.name, wanted.optional(False)) == wanted.optional(False)
    if pattern.name in SCALARS:
        return SCALARS[pattern.name].kind is wanted.kind
    if pattern.name in ("list", "vector"):
        return wanted.kind is Kind.LIST and _gives(pattern.arguments[0], wanted.item, bindings)
    if pattern.name == "map" and wanted.kind is Kind.MAP and wanted.key is not None:
        return _gives(pattern.arguments[0], wanted.key, bindings) and _gives(
            pattern.arguments[1], wanted.item, bindings
        )
    return False


@cache
def _forms_of(wanted: Type) -> list[Form]:
    """Calls of defs whose result is of the type."""
    return [form for form in all_forms() if form.result.optional(False) == wanted.optional(False)]


@cache
def _takers(given: Type) -> list[tuple[Overload, int]]:
    """Overloads, and the number of the argument where the type can stand."""
    found = []
    for overload in all_overloads():
        for number, parameter in enumerate(overload.parameters):
            as_element = given.is_listlike and match(parameter.pattern, given.item, {})
            if not parameter.hashed and (match(parameter.pattern, given, {}) or as_element):
                found.append((overload, number))
    return found


@cache
def _inputs_of(wanted: Type) -> list[str]:
    return [name for name, one in INPUTS.items() if one.type.optional(False) == wanted.optional(False)]


def _concrete(pattern: Pattern, bindings: Mapping[str, Type]) -> Type:
    """A type that stands at the pattern."""
    if pattern.name in ("S", "T"):
        return bindings[pattern.name].optional(False)
    if pattern.name in SCALARS:
        return SCALARS[pattern.name]
    inner = [_concrete(p, bindings) for p in pattern.arguments[: 2 if pattern.name == "map" else 1]]
    if pattern.name == "list":
        return list_of(inner[0])
    return map_of(inner[0], inner[1]) if pattern.name == "map" else vector_of(inner[0], 3)


def _is_scalar(parameter: Parameter, bindings: Mapping[str, Type]) -> bool:
    name = parameter.pattern.name
    return name in SCALARS or name == "S" or (name == "T" and name in bindings and bindings[name].is_scalar)


def _mentions(pattern: Pattern, hole: str) -> bool:
    return pattern.name == hole or _is_inside(pattern, hole)


def _is_inside(pattern: Pattern, hole: str) -> bool:
    return any(_mentions(p, hole) for p in pattern.arguments)


def _is_in_vector(pattern: Pattern, hole: str) -> bool:
    if pattern.name == "vector":
        return _mentions(pattern, hole)
    return any(_is_in_vector(p, hole) for p in pattern.arguments)


def _is_key(pattern: Pattern, hole: str) -> bool:
    if pattern.name == "map" and pattern.arguments[0].name == hole:
        return True
    return any(_is_key(p, hole) for p in pattern.arguments)


def _is_map_value(pattern: Pattern, hole: str) -> bool:
    if pattern.name == "map" and pattern.arguments[1].name == hole:
        return True
    return any(_is_map_value(p, hole) for p in pattern.arguments)


def _has_null_elements(type: Type, *, itself: bool) -> bool:
    if itself and type.nullable:
        return True
    return type.is_listlike and _has_null_elements(type.item, itself=True)


def _zero(type: Type) -> str | None:
    """A literal of the type; None where there is none."""
    if type.is_listlike:
        return "[]" if type.kind is Kind.LIST and type.item.is_scalar else None
    if not type.is_scalar:
        return None
    return _ZEROS.get(type.kind, "0.0" if type.kind in (Kind.FLOAT32, Kind.FLOAT64) else "0")
