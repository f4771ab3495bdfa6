"""Place: gives each node the lowest level at which it can be computed, now that its arguments are final."""

from __future__ import annotations

from compiler.ir import Graph, Module, Node
from compiler.passes.rewrite import rewrite
from featdsl.levels import Level


def place(module: Module) -> Module:
    return rewrite(module, _at_lowest_level)


def _at_lowest_level(graph: Graph, node: Node, args: tuple[Node, ...]) -> Node:
    level = node.level if node.op == "input" else Level.CONSTANT
    for arg in args:
        level |= arg.level
    return graph.node(
        node.op, node.type, level, args, node.attributes, node.overload, node.mapped, node.drops_null
    )
