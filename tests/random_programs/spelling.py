"""Ways to write the same call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from featdsl.operators.declare import Operator, Parameter
from featdsl.types import FLOAT64, INT64, STRING, Type
from tests.conformance.programs import literal

_RESERVED = ("and", "or", "not", "if", "in")
PIPE, NAMED, DEF = 3, 4, 5


def spelled(
    operator: Operator, parameters: Sequence[Parameter], constants: Mapping[str, Any], form: int, name: str
) -> tuple[str, tuple[str, ...]]:
    """The call with `{}` for each argument, and what must be declared for it. `form` picks the way, `name` is one
    that is free."""
    count = len(parameters)
    places = ["{}"] * count
    if operator.symbol is not None and (form < PIPE or operator.name in _RESERVED):
        return _symbol(operator.symbol, places), ()
    declared = {p.name: p for signature in operator.signatures for p in signature.parameters}
    # a constant that comes before all values is written there
    first = operator.signatures[0].parameters[0].name
    before = [_constant(value, declared[name]) for name, value in constants.items() if name == first]
    known = [
        f"{name}: {_constant(value, declared[name])}" for name, value in constants.items() if name != first
    ]
    call = f"{operator.name}({', '.join([*before, *places, *known])})"
    if form == PIPE and not before:
        return f"({{}} |> {operator.name}({', '.join([*places[1:], *known])}))", ()
    if form == NAMED and not before and not any(p.variadic for p in parameters):
        return f"{operator.name}({', '.join([*(f'{p.name}: {{}}' for p in parameters), *known])})", ()
    if form == DEF:
        names = [f"x{i}" for i in range(count)]
        body = f"{operator.name}({', '.join([*before, *names, *known])})".replace("{{", "{").replace(
            "}}", "}"
        )
        return f"{name}({', '.join(places)})", (f"def {name}({', '.join(names)}) = {body}",)
    return call, ()


def _symbol(symbol: str, places: Sequence[str]) -> str:
    if symbol == "if":
        return "(if {} then {} else {})"
    if symbol.startswith("unary "):
        return f"(-{places[0]})"
    return f"({symbol} {places[0]})" if len(places) == 1 else f"({places[0]} {symbol} {places[1]})"


def _constant(value: Any, parameter: Parameter | None) -> str:
    if parameter is not None and parameter.pattern.name == "vocab":
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_constant(v, None) for v in value)}]"
    text = literal(value, _type(value))
    return text.replace("{", "{{").replace("}", "}}")


def _type(value: Any) -> Type:
    return STRING if isinstance(value, str) else FLOAT64 if isinstance(value, float) else INT64
