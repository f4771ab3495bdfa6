"""What passes have in common: a walk that makes a new graph out of an old one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from compiler.ir import Graph, Module, Node, reachable

Rule = Callable[[Graph, Node, tuple[Node, ...]], Node]
"""(new graph, old node, its arguments in the new graph) -> the node that stands for it in the new graph."""


def rewrite(module: Module, rule: Rule) -> Module:
    """A new module in which each node that a root needs is what `rule` makes of it, arguments first. Roots
    are walked in the order of their names, so that the numbers of nodes do not depend on that of the file."""
    graph = Graph()
    new: dict[int, Node] = {}
    in_order = [module.roots[name].node for name in sorted(module.roots)]
    for node in reachable(in_order):
        new[node.id] = rule(graph, node, tuple(new[a.id] for a in node.args))
    roots = {name: replace(root, node=new[root.node.id]) for name, root in module.roots.items()}
    labels = {new[old].id: label for old, label in module.labels.items() if old in new}
    return Module(graph, roots, labels)


def copy(graph: Graph, node: Node, args: tuple[Node, ...]) -> Node:
    """The rule that changes nothing."""
    return graph.node(
        node.op, node.type, node.level, args, node.attributes, node.overload, node.mapped, node.drops_null
    )
