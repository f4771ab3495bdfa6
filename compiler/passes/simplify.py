"""Simplify: takes away what changes no bit of any value.

Each rule looks at one node whose arguments are simple already, and gives what stands for it, or None. A rule
may give a type that is less nullable, never another one.
"""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir import Graph, Module, Node
from compiler.passes.fold import constant
from compiler.passes.rewrite import copy, rewrite
from featdsl.operators.declare import OPERATORS

Rule = Callable[[Graph, Node], Node | None]

CASTS = frozenset({"bool", "int32", "int64", "float32", "float64", "string"})


def simplify(module: Module) -> Module:
    return rewrite(module, _simplify_node)


def _simplify_node(graph: Graph, node: Node, args: tuple[Node, ...]) -> Node:
    copied = copy(graph, node, args)
    for rule in RULES.get(node.op, ()):
        found = rule(graph, copied)
        if found is not None and found.type.optional(False) == node.type.optional(False):
            return found
    return copied


def never_null(node: Node) -> bool:
    """Whether neither the value nor, an element at any depth is null."""
    return not any(node.type.inside(depth).nullable for depth in range(node.type.depth + 1))


def cast_to_same_type(graph: Graph, node: Node) -> Node | None:
    (value,) = node.args
    return value if value.type == node.type else None


def not_of_not(graph: Graph, node: Node) -> Node | None:
    (value,) = node.args
    return value.args[0] if value.op == "not" and not (node.drops_null or value.drops_null) else None


def coalesce_of_never_null(graph: Graph, node: Node) -> Node | None:
    value, other = node.args
    if never_null(value) and (not node.mapped or node.mapped[0]):
        return value
    return other if not node.mapped and _is_constant(value, None) else None


def is_null_of_never_null(graph: Graph, node: Node) -> Node | None:
    return constant(graph, node, False) if not node.mapped and never_null(node.args[0]) else None


def if_is_decided(graph: Graph, node: Node) -> Node | None:
    condition, then, otherwise = node.args
    if node.mapped:
        return None
    if then is otherwise:
        return then
    if condition.op == "const":
        return then if condition.attribute("value") else otherwise
    return None


def and_is_decided(graph: Graph, node: Node) -> Node | None:
    return _decided(graph, node, neutral=True)


def or_is_decided(graph: Graph, node: Node) -> Node | None:
    return _decided(graph, node, neutral=False)


def each_of_list(graph: Graph, node: Node) -> Node | None:
    """It says how a list is taken, and is that list."""
    return node.args[0]


def hash_of_id(graph: Graph, node: Node) -> Node | None:
    """`hash(id)` is the id."""
    signature = OPERATORS[node.op].signatures[node.overload]
    return node.args[0] if len(signature.parameters) == 1 else None


RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(CASTS, (cast_to_same_type,)),
    "not": (not_of_not,),
    "coalesce": (coalesce_of_never_null,),
    "is_null": (is_null_of_never_null,),
    "if": (if_is_decided,),
    "and": (and_is_decided,),
    "or": (or_is_decided,),
    "each": (each_of_list,),
    "hash": (hash_of_id,),
}


def _decided(graph: Graph, node: Node, *, neutral: bool) -> Node | None:
    left, right = node.args
    if node.mapped:
        return None
    if left is right or _is_constant(right, neutral):
        return left
    if _is_constant(left, neutral):
        return right
    if _is_constant(left, not neutral) or _is_constant(right, not neutral):
        return constant(graph, node, not neutral)
    return None


def _is_constant(node: Node, value: bool | None) -> bool:
    return node.op == "const" and node.attribute("value") is value
