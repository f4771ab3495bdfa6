"""What passes over a model's graph have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_aggregate


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


def add_call(module: GraphModule, target: Any, *args: Any, **kwargs: Any) -> Node:
    """A new operator, which knows its own shape as those of the exporter do."""
    node = module.graph.call_function(target, args, kwargs)
    seen = torch.fx.map_arg((args, kwargs), lambda given: given.meta["val"])
    node.meta["val"] = target(*seen[0], **seen[1])
    return node


def with_parameters(module: GraphModule, parameters: Mapping[str, torch.Tensor]) -> GraphModule:
    """The same graph with other parameters, of the same shapes; it takes those that it has. Its code is not generated
    anew, so this costs what a list of the parameters costs."""
    made: GraphModule = _of_its_own(module, "", parameters)
    return made


def _of_its_own(module: Any, path: str, parameters: Mapping[str, torch.Tensor]) -> Any:
    """A module of the same class with what is there for it in the place of its own parameters."""

    def taken(name: str, tensor: Any) -> Any:
        given = parameters.get(path + name)
        if tensor is None or given is None:
            return tensor
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        return torch.nn.Parameter(given, requires_grad=False) if is_parameter else given

    made = object.__new__(type(module))
    made.__dict__.update(
        module.__dict__,
        _parameters={name: taken(name, tensor) for name, tensor in module._parameters.items()},
        _buffers={name: taken(name, tensor) for name, tensor in module._buffers.items()},
        _modules={
            name: child and _of_its_own(child, f"{path}{name}.", parameters)
            for name, child in module._modules.items()
        },
    )
    return made


def moved(module: GraphModule, device: torch.device) -> GraphModule:
    """The same graph on a device, with parameters of its own there."""
    made, _ = copy_of(module)
    held = {str(node.target) for node in made.graph.nodes if is_parameter(node)}
    for target in held:
        path, _, name = target.rpartition(".")
        holder = made.get_submodule(path)
        tensor = getattr(holder, name)
        delattr(holder, name)
        holder.register_buffer(name, tensor.detach().to(device))
    for node in made.graph.nodes:
        node.args = map_aggregate(node.args, lambda one: device if isinstance(one, torch.device) else one)
        node.kwargs = map_aggregate(node.kwargs, lambda one: device if isinstance(one, torch.device) else one)
    made.recompile()
    return made
