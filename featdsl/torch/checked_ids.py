"""A graph that says itself which candidates have an id outside of a table.

On a processor such an id is an error of its own call. On a device it would end all that the process does there, so the
graph looks first: the id is replaced by the nearest row, and an output more tells the candidates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from featdsl.torch.graph import add_call, copy_of
from featdsl.torch.levels import BY_ROW, Shapes, levels

_ATEN: Any = torch.ops.aten


def with_checked_ids(module: GraphModule, inputs: Shapes) -> GraphModule:
    """The graph with an output more, the last: whether a candidate, or its request, has such an id. It can be run as
    `AcrossCalls` alone. Errors: `NotByRow`."""
    known = levels(module, inputs)
    made, gone = copy_of(module)
    by_row = {gone[node] for node, level in known.items() if level in BY_ROW}
    outside: list[Node] = []
    for node in list(made.graph.nodes):
        if node.target is _ATEN.embedding.default and node.args[1] in by_row:
            weight, ids = node.args[:2]
            with made.graph.inserting_before(node):
                inside = add_call(made, _ATEN.clamp.default, ids, 0, int(weight.meta["val"].shape[0]) - 1)
                outside.append(_any_of_row(made, add_call(made, _ATEN.ne.Tensor, ids, inside)))
            node.update_arg(1, inside)
    output = next(node for node in made.graph.nodes if node.op == "output")
    leaves = pytree.tree_leaves(output.args[0])
    with made.graph.inserting_before(output):
        total = add_call(made, _ATEN.zeros_like.default, leaves[0], dtype=torch.bool)
        for one in outside:
            total = add_call(made, _ATEN.logical_or.default, total, one)
    output.args = ((*leaves, total),)
    return made


def _any_of_row(module: GraphModule, flags: Node) -> Node:
    rank = len(flags.meta["val"].shape)
    if rank > 2:
        flags = add_call(module, _ATEN.flatten.using_ints, flags, 1, -1)
    return add_call(module, _ATEN.any.dim, flags, 1) if rank > 1 else flags
