"""Fold: computes what depends on constants alone, once, with the operators' references."""

from __future__ import annotations

from typing import Any

from compiler.ir import Graph, Module, Node
from compiler.passes.rewrite import copy, rewrite
from featdsl.levels import Level
from featdsl.operators import OPERATORS
from featdsl.operators.evaluate import apply
from featdsl.typed import Constant
from featdsl.types import Kind

LARGEST = 100_000
"""A list of more elements is left to the run: a program file is no place for it."""


def fold(module: Module) -> Module:
    return rewrite(module, _fold_node)


def constant(graph: Graph, like: Node, value: Constant) -> Node:
    """A constant of the type of `like`."""
    type = like.type.optional(like.type.nullable and value is None)
    return graph.node("const", type, Level.CONSTANT, attributes=(("value", value),))


def _fold_node(graph: Graph, node: Node, args: tuple[Node, ...]) -> Node:
    foldable = args and all(arg.op == "const" for arg in args) and node.type.kind is not Kind.MAP
    if not foldable:
        return copy(graph, node, args)
    values = [arg.attribute("value") for arg in args]
    if node.op == "list":
        return constant(graph, node, tuple(values))
    if _requested_size(node) > LARGEST:
        return copy(graph, node, args)
    attributes = dict(node.attributes)
    result = _frozen(
        apply(OPERATORS[node.op], node.overload, values, attributes, node.mapped, node.drops_null)
    )
    if isinstance(result, tuple) and len(result) > LARGEST:
        return copy(graph, node, args)
    return constant(graph, node, result)


def _requested_size(node: Node) -> int:
    return node.type.size or 0


def _frozen(value: Any) -> Any:
    return tuple(_frozen(element) for element in value) if isinstance(value, list | tuple) else value
