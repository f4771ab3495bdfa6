"""How an operator becomes a Spark expression.

Each family's module has a `ROWS` table for operators that are one piece of SQL, and functions marked
`@lowering` for the others.

Null rule: the text of a `ROWS` entry must itself spread null. The body that a `@lowering` function gives is
computed on arguments that are not null where the operator does not take null: it is guarded here.
Names of lambda variables end in `_`; `e_`, `i_`, `e1_`, `i1_`… belong to the mapping over lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.ir import Node
from compiler.spark.sql import literal
from featdsl.operators.declare import OPERATORS, Signature
from featdsl.typed import Constant
from featdsl.types import FLOAT_KINDS, Type


@dataclass(frozen=True, slots=True)
class Call:
    """An operator on SQL texts. Mapped over lists, `args`, `types` and `result` are those of one element.
    `never_nan[i]` says that the float `args[i]` cannot be NaN."""

    args: tuple[str, ...]
    types: tuple[Type, ...]
    result: Type
    attributes: Mapping[str, Any]
    never_nan: tuple[bool, ...]
    signature: Signature

    def is_float(self, index: int = 0) -> bool:
        return self.types[index].kind in FLOAT_KINDS

    def may_be_nan(self, index: int) -> bool:
        return self.is_float(index) and not self.never_nan[index]

    def constant(self, name: str, value: Constant) -> str:
        """A part of the const parameter `name` (an element, if that is a list) as a literal of its type."""
        from featdsl.operators.declare import resolve

        pattern = next(p for p in self.signature.parameters if p.name == name).pattern
        pattern = pattern.arguments[0] if pattern.arguments else pattern
        return literal(value, resolve(pattern, {}, {}))


Lowering = Callable[[Call], str]

LOWERINGS: dict[str, str | Lowering] = {}
"""By operator; filled by the family modules."""


def rows(table: Mapping[str, str]) -> None:
    """Adds operators whose SQL is a template of `{0}`, `{1}`…"""
    LOWERINGS.update(table)


def lowering(*names: str) -> Callable[[Lowering], Lowering]:
    def register(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return register


def spell(node: Node, args: tuple[str, ...]) -> str:
    """The SQL of a node (neither `const` nor `input`), given the SQL of its arguments."""
    if node.op == "list":
        return f"array({', '.join(args)})"
    if not any(node.mapped):
        return _apply(node, args, tuple(a.type for a in node.args), node.type)
    return _over_lists(node, args, tuple(a.type for a in node.args), node.type, node.mapped, 0)


def _over_lists(
    node: Node,
    args: tuple[str, ...],
    types: tuple[Type, ...],
    result: Type,
    depths: tuple[int, ...],
    level: int,
) -> str:
    """The node on lists, `depths` deep each; `level` lists stand around it."""
    if not any(depths):
        return _apply(node, args, types, result)
    element, place = ("e_", "i_") if level == 0 else (f"e{level}_", f"i{level}_")
    lists = [i for i, depth in enumerate(depths) if depth]
    elements = list(args)
    for i in lists:
        elements[i] = f"get({args[i]}, {place})"
    elements[lists[0]] = element
    inside = tuple(t.item if depth else t for t, depth in zip(types, depths, strict=True))
    inner = tuple(max(depth - 1, 0) for depth in depths)
    body = _over_lists(node, tuple(elements), inside, result.item, inner, level + 1)
    variables = element if len(lists) == 1 else f"({element}, {place})"
    made = f"transform({args[lists[0]]}, {variables} -> {body})"
    if node.drops_null and not any(inner):
        made = f"filter({made}, v_ -> v_ is not null)"
    return _guarded([args[i] for i in lists[1:] if types[i].nullable], made)


def _apply(node: Node, args: tuple[str, ...], types: tuple[Type, ...], result: Type) -> str:
    rule = LOWERINGS[node.op]
    if isinstance(rule, str):
        return f"({rule.format(*args)})"
    signature = OPERATORS[node.op].signatures[node.overload]
    never_nan = tuple(_never_nan(a) for a in node.args)
    body = rule(Call(args, types, result, dict(node.attributes), never_nan, signature))
    nullable = [
        arg
        for i, (arg, type) in enumerate(zip(args, types, strict=True))
        if type.nullable and not signature.parameter_of(i).takes_null
    ]
    return _guarded(nullable, f"({body})")


def _guarded(nullable: list[str], body: str) -> str:
    if not nullable:
        return body
    condition = " or ".join(f"{arg} is null" for arg in dict.fromkeys(nullable))
    return f"if({condition}, null, {body})"


def _never_nan(node: Node) -> bool:
    """Inputs are never NaN (they read as null), and neither are integers as floats."""
    if node.op == "const":
        value = node.attribute("value")
        return not isinstance(value, float) or value == value
    return node.op == "input" or (node.op in ("float64", "float32") and _from_integer(node))


def _from_integer(node: Node) -> bool:
    return node.args[0].type.innermost.kind not in FLOAT_KINDS
