"""Ways to write the same call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from featdsl.operators.declare import REQUIRED, Operator, Parameter, Signature
from featdsl.types import FLOAT64, INT64, STRING, Type
from tests.conformance.programs import literal

_RESERVED = ("and", "or", "not", "if", "in")
PIPE, NAMED, DEF = 3, 4, 5


def spelled(
    operator: Operator,
    signature: Signature,
    parameters: Sequence[Parameter],
    constants: Mapping[str, Any],
    form: int,
    name: str,
) -> tuple[str, tuple[str, ...]]:
    """The call with `{}` for each argument, and what must be declared for it. `form` picks the way, `name` is one
    that is free."""
    places = ["{}"] * len(parameters)
    if operator.symbol is not None and (form < PIPE or operator.name in _RESERVED):
        return _symbol(operator.symbol, places), ()
    if form == NAMED and not any(p.variadic for p in parameters):
        return f"{operator.name}({_arguments(signature, parameters, constants, places, named=True)})", ()
    if form == PIPE and not signature.parameters[0].constant:
        rest = _arguments(signature, parameters, constants, ["", *places[1:]])
        return f"({{}} |> {operator.name}({rest.removeprefix(', ')}))", ()
    if form == DEF:
        names = [f"x{i}" for i in range(len(parameters))]
        body = f"{operator.name}({_arguments(signature, parameters, constants, names)})".format()
        return f"{name}({', '.join(places)})", (f"def {name}({', '.join(names)}) = {body}",)
    return f"{operator.name}({_arguments(signature, parameters, constants, places)})", ()


def _arguments(
    signature: Signature,
    parameters: Sequence[Parameter],
    constants: Mapping[str, Any],
    places: Sequence[str],
    *,
    named: bool = False,
) -> str:
    """Values and constants in the order of the signature; constants with a default by name, at the end."""
    parts: list[str] = []
    last: list[str] = []
    given = iter(places)
    for parameter in signature.parameters:
        if not parameter.constant:
            values = [next(given) for p in parameters if p is parameter]
            parts += [f"{parameter.name}: {value}" if named else value for value in values]
        elif parameter.name in constants:
            text = _constant(constants[parameter.name], parameter)
            by_name = named or parameter.default is not REQUIRED
            (last if by_name else parts).append(f"{parameter.name}: {text}" if by_name else text)
    return ", ".join([*parts, *last])


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
