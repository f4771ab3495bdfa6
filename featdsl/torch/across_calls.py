"""A model's graph for the candidates of several calls at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node
from torch.utils import _pytree as pytree

from featdsl.torch.bfloat16 import with_bfloat16_products
from featdsl.torch.graph import with_parameters
from featdsl.torch.levels import BY_ROW, Level, Shapes, levels

CALL_OF_ROW = "call_of_row__"


class AcrossCalls:
    """Runs several calls as one: what is per request has a row a call, and is brought to a call's candidates where
    the graph first needs it there."""

    def __init__(self, module: GraphModule, inputs: Shapes, *, bfloat16: bool = False) -> None:
        """`bfloat16`: of products. Errors: `NotByRow` for a graph whose answers for a candidate may depend on the
        others of its call."""
        self._names = list(inputs)
        spec = module._out_spec
        assert spec is not None, "an exported graph has one"
        self.out_spec = spec
        self.module = GraphModule(module, _graph(module, inputs))
        if bfloat16:
            self.module, _ = with_bfloat16_products(self.module)

    def __call__(self, tensors: Mapping[str, torch.Tensor], call_of_row: torch.Tensor) -> Any:
        """What the model answers. `call_of_row[i]` is the call of candidate i."""
        flat = self.module(**{name: tensors[name] for name in self._names}, **{CALL_OF_ROW: call_of_row})
        return pytree.tree_unflatten(flat, self.out_spec)

    def with_parameters(self, parameters: Mapping[str, torch.Tensor]) -> AcrossCalls:
        """The same with other parameters; not where products are in bfloat16, which has copies of its own."""
        made = copy.copy(self)
        made.module = with_parameters(self.module, parameters)
        return made

    def joined(
        self, calls: Sequence[Mapping[str, torch.Tensor]], rows: Sequence[int]
    ) -> dict[str, torch.Tensor]:
        """The tensors of calls with so many candidates each, beside each other, and each candidate's call."""
        if len(calls) == 1:
            call_of_row = torch.zeros(rows[0], dtype=torch.int64)
            return {**{name: calls[0][name] for name in self._names}, CALL_OF_ROW: call_of_row}
        joined = {name: torch.cat([call[name] for call in calls]) for name in self._names}
        call_of_row = torch.repeat_interleave(torch.arange(len(calls)), torch.tensor(rows))
        return {**joined, CALL_OF_ROW: call_of_row}


def _graph(module: GraphModule, inputs: Shapes) -> Graph:
    known = levels(module, inputs)
    graph = Graph()
    made: dict[Node, Node] = {}
    brought: dict[Node, Node] = {}
    for node in module.graph.nodes:
        if node.op == "placeholder":
            made[node] = graph.placeholder(str(node.target))
    call_of_row = graph.placeholder(CALL_OF_ROW)

    def by_candidate(given: Node) -> Node:
        if known[given] is not Level.REQUEST:
            return made[given]
        if given not in brought:
            brought[given] = graph.call_function(
                torch.ops.aten.index_select.default, (made[given], 0, call_of_row)
            )
        return brought[given]

    for node in module.graph.nodes:
        if node.op == "placeholder" or str(node.target).startswith(("aten._assert", "aten.sym_constrain")):
            continue
        if node.op == "output":
            flat = pytree.tree_leaves(node.args[0])
            graph.output(tuple(made[leaf] for leaf in flat))
        elif known[node] is Level.ROWS:
            made[node] = graph.node_copy(node, by_candidate)
        else:
            made[node] = graph.node_copy(node, made.__getitem__)
            if known[node] in BY_ROW:
                _free_of_one_row(made[node])
    graph.lint()
    return graph


def _free_of_one_row(node: Node) -> None:
    """A shape that was written for one request holds for any number of them."""
    if str(node.target) in ("aten.view.default", "aten.reshape.default", "aten.expand.default"):
        sizes = list(node.args[1])  # type: ignore[arg-type]
        if sizes[0] == 1 and -1 not in sizes:
            node.args = (node.args[0], [-1, *sizes[1:]], *node.args[2:])
