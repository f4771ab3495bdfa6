"""Share: `a + b` and `b + a` become one node, where the order of the operands cannot matter.

Equal nodes are one object anyway: a graph makes each only once.
"""

from __future__ import annotations

from compiler.ir import Graph, Module, Node
from compiler.passes.rewrite import copy, rewrite
from featdsl.operators import OPERATORS

COMMUTATIVE = frozenset({"add", "multiply", "equal", "not_equal", "and", "or"})


def share(module: Module) -> Module:
    return rewrite(module, _share_node)


def _share_node(graph: Graph, node: Node, args: tuple[Node, ...]) -> Node:
    if node.op in COMMUTATIVE and _same_parameters(node):
        turned = graph.find(
            node.op,
            node.type,
            args[::-1],
            node.attributes,
            node.overload,
            node.mapped[::-1],
            node.drops_null,
        )
        if turned is not None:
            return turned
    return copy(graph, node, args)


def _same_parameters(node: Node) -> bool:
    first, second = OPERATORS[node.op].signatures[node.overload].arguments
    return first.pattern == second.pattern
