"""Which overload of an operator a call means: binding arguments to parameters, matching their types,
first as they are and then mapped over lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from featdsl.check.nodes import Nodes
from featdsl.check.values import Given, VocabValue
from featdsl.check.zones import zone
from featdsl.operators.declare import NOT_CONSTANT, REQUIRED, Parameter, Pattern, Signature, match
from featdsl.resources import Zone
from featdsl.typed import Typed
from featdsl.types import FLOAT_KINDS, ID, INT64, INTEGER_KINDS, NULL, STRING, Kind, Type, list_of

CANNOT: Any = object()

DEEPEST = 16
"""Over so many levels of lists an operator is mapped."""


@dataclass(slots=True)
class Binding:
    """A call's arguments at the parameters of one signature. `constants` holds what was given; the
    defaults come later."""

    overload: int
    signature: Signature
    values: list[tuple[Parameter, Given]]
    constants: list[tuple[Parameter, Given]]


@dataclass(slots=True)
class Match:
    """An overload that fits, `mapped` saying how many lists deep it is mapped over each argument."""

    binding: Binding
    mapped: tuple[int, ...]
    bindings: dict[str, Type]
    constants: dict[str, Any]


def bind(overload: int, signature: Signature, given: list[Given], by_position: bool) -> Binding | None:
    """Arguments to parameters; None where their number or names do not fit. Constants with a default
    are taken by position only if `by_position`."""
    values: dict[str, list[Given]] = {}
    constants: list[tuple[Parameter, Given]] = []
    parameters = signature.parameters
    position = 0
    for one in given:
        if one.name is not None:
            parameter = next((p for p in parameters if p.name == one.name.name), None)
            if parameter is None or parameter.variadic:
                return None
        else:
            while position < len(parameters) and (
                (
                    parameters[position].constant
                    and parameters[position].default is not REQUIRED
                    and not by_position
                )
                or (parameters[position].name in values and not parameters[position].variadic)
            ):
                position += 1
            if position >= len(parameters):
                return None
            parameter = parameters[position]
            if not parameter.variadic:
                position += 1
        if parameter.name in values and not parameter.variadic:
            return None
        values.setdefault(parameter.name, []).append(one)
    arguments: list[tuple[Parameter, Given]] = []
    for parameter in parameters:
        found = values.get(parameter.name)
        if found is None:
            if parameter.default is REQUIRED:
                return None
        elif parameter.constant:
            constants.append((parameter, found[0]))
        else:
            arguments += [(parameter, one) for one in found]
    return Binding(overload, signature, arguments, constants)


def find(bindings: list[Binding], nodes: Nodes) -> Iterator[Match]:
    """The overloads that fit as the arguments are; then, mapped over as few levels of lists as possible, those with
    arguments mapped over that do not fit as they are, then with all lists mapped over. The first is meant, unless
    its lists are not aligned."""
    constants: list[dict[str, Any] | None] = [fit_constants(b, nodes) for b in bindings]
    usable = [(b, c) for b, c in zip(bindings, constants, strict=True) if c is not None]
    for binding, fitted in usable:
        found = _match(binding, fitted, _whole)
        if found is not None:
            yield found
    given = [g.value.type for b in bindings[:1] for _, g in b.values if isinstance(g.value, Typed)]
    for limit in range(1, min(max((t.depth for t in given), default=0), DEEPEST) + 1):
        for choose in (_needed, _all):
            for binding, fitted in usable:
                found = _match(binding, fitted, choose, limit)
                if found is not None:
                    yield found


def _match(binding: Binding, constants: dict[str, Any], choose: Choose, limit: int = 0) -> Match | None:
    bindings: dict[str, Type] = {}
    mapped: list[int] = []
    for parameter, given in binding.values:
        if not isinstance(given.value, Typed):
            return None
        depth = choose(parameter, given, limit)
        if depth is None:
            return None
        seen = seen_type(parameter, given.value.type.inside(depth))
        if not match(parameter.pattern, seen, bindings):
            return None
        mapped.append(depth)
    if any(mapped) and _keeps_a_list(binding, mapped):
        return None
    known = bindings | {name: _something(bindings.get(name, NULL)) for name in ("S", "T")}
    return Match(binding, tuple(mapped) if any(mapped) else (), known, constants)


Choose = Callable[[Parameter, Given, int], "int | None"]
"""How many lists deep an operator is mapped over an argument, of at most the limit; None if it fits at no depth."""


def _whole(parameter: Parameter, given: Given, limit: int) -> int | None:
    return given.each if _fits_at(parameter, given, given.each) else None


def _needed(parameter: Parameter, given: Given, limit: int) -> int | None:
    depths = range(given.each, max(limit, given.each) + 1)
    return next((depth for depth in depths if _fits_at(parameter, given, depth)), None)


def _all(parameter: Parameter, given: Given, limit: int) -> int | None:
    if isinstance(given.value, Typed) and _is_empty_literal(given.value.type):
        limit = given.each
    depths = range(max(limit, given.each), given.each - 1, -1)
    return next((depth for depth in depths if _fits_at(parameter, given, depth)), None)


def _fits_at(parameter: Parameter, given: Given, depth: int) -> bool:
    """Whether an argument fits its parameter when it is mapped over so deep, whatever the others are."""
    assert isinstance(given.value, Typed)
    if depth > given.value.type.depth:
        return False
    inside = given.value.type.inside(depth)
    return not has_null_elements(inside) and match(parameter.pattern, seen_type(parameter, inside), {})


def _keeps_a_list(binding: Binding, mapped: list[int]) -> bool:
    """Whether a list would stand whole beside each element of another, though it could go along with it:
    the branches of an `if` whose condition is a list."""
    patterns = [parameter.pattern for parameter, _ in binding.values]
    if any(inner.name == "T" for pattern in patterns for inner in pattern.arguments):
        return False
    deepest = max(mapped)
    return any(
        pattern.name == "T"
        and isinstance(given.value, Typed)
        and depth < min(given.value.type.depth, deepest)
        and not _is_empty_literal(given.value.type)
        for (_, given), pattern, depth in zip(binding.values, patterns, mapped, strict=True)
    )


def _is_empty_literal(given: Type) -> bool:
    """Whether it is the type of `[]`."""
    return given.is_listlike and given.item.kind is Kind.NOTHING


def _something(bound: Type) -> Type:
    """An element or value of which only null was seen is an int64, so that it has some type."""
    if bound.kind is Kind.NOTHING:
        return INT64
    if bound.is_listlike and bound.item.kind is Kind.NOTHING:
        return list_of(INT64)
    return bound


def seen_type(parameter: Parameter, given: Type) -> Type:
    """The type that an argument has at a parameter: ids where the parameter hashes, texts where it shows."""
    if parameter.shown:
        return _shown_type(given)
    if not parameter.hashed:
        return given
    if given.is_scalar:
        # a single value beside lists counts as a list of one
        return list_of(ID) if parameter.pattern.name == "list" else ID.optional(given.nullable)
    if given.is_listlike and given.item.is_scalar:
        return list_of(ID.optional(given.item.nullable)).optional(given.nullable)
    return given


_SHOWN = (Kind.BOOL, *INTEGER_KINDS, *FLOAT_KINDS, Kind.ID)


def _shown_type(given: Type) -> Type:
    if given.is_listlike:
        return replace(given, element=_shown_type(given.item))
    return STRING.optional(given.nullable) if given.kind in _SHOWN else given


def has_null_elements(given: Type) -> bool:
    """Whether a null may be among the elements of a list, at any depth."""
    return given.is_listlike and (given.item.nullable or has_null_elements(given.item))


def fit_constants(binding: Binding, nodes: Nodes) -> dict[str, Any] | None:
    """The values of the const parameters that were given, or None if one does not fit."""
    fitted: dict[str, Any] = {}
    for parameter, given in binding.constants:
        value = fit_constant(parameter, given, binding.signature, nodes)
        if value is CANNOT:
            return None
        fitted[parameter.name] = value
    return fitted


def fit_constant(parameter: Parameter, given: Given, signature: Signature, nodes: Nodes) -> Any:
    """The value of a constant argument in its parameter's type; CANNOT if it is no constant or does
    not fit."""
    pattern = parameter.pattern
    if isinstance(given.value, VocabValue):
        return given.value if pattern.name == "vocab" else CANNOT
    if pattern.name == "vocab":
        return CANNOT
    value = nodes.value_of(given.value)
    if value is NOT_CONSTANT:
        return CANNOT
    if pattern.name == "zone":
        found = zone(value) if isinstance(value, str) else None
        return CANNOT if found is None else found
    if value is None:
        return None if pattern.nullable else CANNOT
    seen = given.value.type
    if not match(pattern, seen.optional(False), {}):
        # a literal takes the type that is declared where it stands
        if not (seen.kind in INTEGER_KINDS and pattern.name in ("int32", "float32")) and not (
            seen.kind in FLOAT_KINDS and pattern.name == "float32"
        ):
            return CANNOT
        if pattern.name == "int32" and not -(1 << 31) <= value < 1 << 31:
            return CANNOT
    return converted(value, pattern)


def converted(value: Any, pattern: Pattern | Type) -> Any:
    """A constant as a value of a type it widens to."""
    if isinstance(value, tuple):
        inner: Pattern | Type | None = pattern.element if isinstance(pattern, Type) else None
        if isinstance(pattern, Pattern) and pattern.arguments:
            inner = pattern.arguments[0]
        return tuple([converted(v, inner or pattern) for v in value])
    name = pattern.name if isinstance(pattern, Pattern) else pattern.kind.value
    if name in ("float64", "float32") and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def default_constants(signature: Signature, given: dict[str, Any]) -> dict[str, Any]:
    """All const parameters with their values, defaults filled in."""
    found = dict(given)
    for parameter in signature.parameters:
        if parameter.constant and parameter.name not in found:
            value = parameter.default
            if parameter.pattern.name == "zone" and isinstance(value, str):
                value = zone(value) or Zone(value, (0,), (0,))
            else:
                value = converted(value, parameter.pattern)
            found[parameter.name] = value
    return found


def failing_arguments(binding: Binding) -> list[tuple[Parameter, Given]]:
    """The arguments of values that do not fit their parameter at any depth, whatever the others are."""
    failing = []
    for parameter, given in binding.values:
        if isinstance(given.value, Typed):
            depths = range(given.each, given.value.type.depth + 1)
            insides = [seen_type(parameter, given.value.type.inside(depth)) for depth in depths]
            if any(match(parameter.pattern, inside, {}) for inside in insides):
                continue
        failing.append((parameter, given))
    return failing
