"""A model's graph with its products in bfloat16: eight bits of a mantissa, half the bytes, and instructions of its own
in newer processors. All else (sums over rows, norms, tables, activations) stays in float32."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from featdsl.torch.graph import copy_of, is_parameter, parameter

_PRODUCTS: dict[Any, tuple[int, tuple[int, ...]]] = {
    torch.ops.aten.linear.default: (0, (1, 2)),
    torch.ops.aten.matmul.default: (0, (1,)),
    torch.ops.aten.mm.default: (0, (1,)),
    torch.ops.aten.addmm.default: (1, (0, 2)),
}
"""Of each product: which argument is the model's data, and which are parameters."""


def with_bfloat16_products(module: GraphModule) -> tuple[GraphModule, int]:
    """The same graph with its products of data and float32 parameters in bfloat16, and how many these are. The
    parameters are converted once, here."""
    made, _ = copy_of(module)
    narrowed: dict[str, str] = {}
    count = 0
    for node in list(made.graph.nodes):
        data, parameters = _PRODUCTS.get(node.target, (0, ()))
        given = [node.args[i] for i in parameters if i < len(node.args) and node.args[i] is not None]
        if not given or not all(_is_float32(made, one) for one in given):
            continue
        count += 1
        with made.graph.inserting_before(node):
            node.update_arg(data, _to(made, node.args[data], torch.bfloat16))
            for i in parameters:
                if i < len(node.args) and node.args[i] is not None:
                    node.update_arg(i, made.graph.get_attr(_narrow(made, node.args[i], narrowed)))
        with made.graph.inserting_after(node):
            wide = _to(made, node, torch.float32)
        node.replace_all_uses_with(wide, delete_user_cb=lambda user, wide=wide: user is not wide)
    made.graph.eliminate_dead_code()
    made.recompile()
    return made, count


def _to(module: GraphModule, node: Any, dtype: torch.dtype) -> Node:
    return module.graph.call_function(torch.ops.aten.to.dtype, (node, dtype))


def _is_float32(module: GraphModule, node: Any) -> bool:
    held = parameter(module, node) if is_parameter(node) else None
    return isinstance(held, torch.Tensor) and held.dtype is torch.float32


def _narrow(module: GraphModule, node: Node, narrowed: dict[str, str]) -> str:
    name = str(node.target)
    if name not in narrowed:
        narrowed[name] = f"bfloat16_{len(narrowed)}"
        module.register_buffer(narrowed[name], parameter(module, node).detach().to(torch.bfloat16))
    return narrowed[name]
