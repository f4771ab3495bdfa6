"""Calls of the standard library's defs with places to fill: those of its cases, with the arguments taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from featdsl.check.standard import standard_defs
from featdsl.diagnostics import Diagnostics
from featdsl.source_file import SourceFile
from featdsl.syntax import parse, tree
from featdsl.types import Kind, Type, list_of
from tests.conformance.cases import Case
from tests.conformance.programs import substitute
from tests.conformance.suite import cases_of
from tests.random_programs.inputs import INPUTS
from tests.random_programs.scope import Scope


@dataclass(frozen=True)
class Form:
    """A call of a def: `text` has `{}` where an argument of one of the `types` goes. What must be a constant (a zone,
    say) is as in the case; what the case leaves out has its default."""

    name: str
    text: str
    types: tuple[Type, ...]
    result: Type


@cache
def forms() -> Mapping[str, Sequence[Form]]:
    """By def. A def whose cases make no form has none."""
    scope = Scope()
    found: dict[str, dict[Form, None]] = {name: {} for name in standard_defs()}
    for case in cases_of("std"):
        if case.operator in found and not case.vocabs:
            found[case.operator] |= dict.fromkeys(_forms(case, scope))
    return {name: tuple(made) for name, made in found.items()}


def all_forms() -> list[Form]:
    return [form for made in forms().values() for form in made]


def _forms(case: Case, scope: Scope) -> Iterator[Form]:
    """The case's call, with as many arguments taken out as the checker lets be no constants; one, or none."""
    places = {variable.name: _place(variable.type) for variable in case.variables}
    if None in places.values():
        return
    text = substitute(case.expression, {name: place or "" for name, place in places.items()})
    source = SourceFile("x.feat", f"let x = {text}")
    body = parse(source, Diagnostics()).declarations[0]
    assert isinstance(body, tree.Let)
    call = body.body
    if not isinstance(call, tree.Call) or call.function.name != case.operator:
        return
    if any(argument.piped for argument in call.arguments):
        return
    given = [source.text[one.value.span.start : one.value.span.end] for one in call.arguments]
    types = [_general(scope, argument) for argument in given]
    free = [i for i, type in enumerate(types) if type is not None]
    names = [f"{one.name.name}: " if one.name else "" for one in call.arguments]
    for count in range(len(free), 0, -1):
        for chosen in combinations(free, count):
            wanted = tuple(one for i in chosen if (one := types[i]) is not None)
            spelled = [
                name + ("{}" if i in chosen else argument.replace("{", "{{").replace("}", "}}"))
                for i, (name, argument) in enumerate(zip(names, given, strict=True))
            ]
            form = f"{call.function.name}({', '.join(spelled)})"
            typed = scope.typed(form.format(*(_place(type) for type in wanted)))
            if typed is not None:
                yield Form(case.operator, form, wanted, typed.type)
                return


def _general(scope: Scope, argument: str) -> Type | None:
    """The type to give for an argument: a list for a literal list; None where no input has it."""
    typed = scope.typed(argument)
    if typed is None:
        return None
    wanted = typed.type.optional(False)
    if wanted.kind is Kind.VECTOR and argument.startswith("["):
        wanted = list_of(wanted.item)
    return wanted if _place(wanted) is not None else None


@cache
def _place(type: Type) -> str | None:
    """An input of the type: of a list one that is aligned with those of other types."""
    wanted = type.optional(False)
    found = [name for name, one in INPUTS.items() if one.type.optional(False) == wanted]
    return next((name for name in found if name.startswith("u.clicks.")), found[0] if found else None)
