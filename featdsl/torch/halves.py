"""Parts of a model's graph as models of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node
from torch.fx.graph import _PyTreeCodeGen, _PyTreeInfo
from torch.utils import _pytree as pytree

from featdsl.torch.levels import Level
from featdsl.torch.saved_model import SavedModel


def outputs_of(model: SavedModel, module: GraphModule) -> Mapping[str, Node]:
    """What a graph of the model gives, by output."""
    output = next(node for node in module.graph.nodes if node.op == "output")
    spec = module._out_spec
    assert spec is not None, "an exported graph has one"
    given: Any = pytree.tree_unflatten(pytree.tree_leaves(output.args[0]), spec)
    outputs: Mapping[str, Any] = model.named((given,) if isinstance(given, Node) else given)
    return outputs


def half(
    model: SavedModel,
    module: GraphModule,
    known: Mapping[Node, Level],
    outputs: Mapping[str, Node],
    given: Mapping[str, Node],
) -> SavedModel:
    """What makes `outputs` of a model's inputs and of values that are `given` by name."""
    graph = Graph()
    made: dict[Node, Node] = {}
    inputs: dict[str, tuple[torch.dtype, tuple[int | None, ...]]] = {}
    wanted = needed(outputs.values(), given.values())

    def take(name: str, node: Node) -> None:
        made[node] = graph.placeholder(name)
        made[node].meta = dict(node.meta)

    for node in known:
        if node.op == "placeholder" and node in wanted:
            take(str(node.target), node)
            inputs[str(node.target)] = model.inputs[str(node.target)]
    for name, node in given.items():
        if node in wanted:
            take(name, node)
            value = node.meta["val"]
            rows = None if known[node] is Level.ROWS else 1
            inputs[name] = (value.dtype, (rows, *map(int, value.shape[1:])))
    by_candidate = next((one for one in made.values() if inputs[str(one.target)][1][0] is None), None)
    for node in known:
        if node in wanted and node not in made:
            size = by_candidate is not None and _is_size(node)
            given_to = dict.fromkeys(node.all_input_nodes, by_candidate) if size else made
            made[node] = graph.node_copy(node, given_to.__getitem__)
    graph.output(tuple(made[node] for node in outputs.values()))
    specs = [
        pytree.tree_flatten(one)[1] for one in (((), dict.fromkeys(inputs, 0)), dict.fromkeys(outputs, 0))
    ]
    graph.set_codegen(_PyTreeCodeGen(_PyTreeInfo(list(inputs), *specs)))
    graph.lint()
    return replace(model, inputs=inputs, outputs=tuple(outputs), module=GraphModule(module, graph))


def needed(wanted: Iterable[Node], given: Collection[Node] = ()) -> set[Node]:
    """What `wanted` is made of, down to inputs and to what is given."""
    found: set[Node] = set()
    waiting = list(wanted)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            if node not in given and not _is_size(node):
                waiting += node.all_input_nodes
    return found


def _is_size(node: Node) -> bool:
    """Whether it asks for the number of candidates, which any input has that is per candidate."""
    return node.target is torch.ops.aten.sym_size.int
