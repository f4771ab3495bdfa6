"""What passes over a model's graph have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node


def copy_of(module: GraphModule) -> tuple[GraphModule, dict[Node, Node]]:
    """A module with a graph of its own and the same parameters, and where each node has gone."""
    graph = Graph()
    gone: dict[Node, Node] = {}
    for node in module.graph.nodes:
        gone[node] = graph.node_copy(node, gone.__getitem__)
    graph.set_codegen(module.graph._codegen)  # takes and returns what the other does
    return GraphModule(module, graph), gone


def is_parameter(node: Any) -> bool:
    return isinstance(node, Node) and node.op == "get_attr"


def parameter(module: torch.nn.Module, node: Node) -> Any:
    """What a `get_attr` gets."""
    held: Any = module
    for part in str(node.target).split("."):
        held = getattr(held, part)
    return held
