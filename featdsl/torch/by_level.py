"""A model's graph with its first products split by level: the request's part is computed once a call.

Where a product reads inputs of both levels beside each other, `linear(cat([rows, request brought to the rows]))`, it is
the sum of a product of the rows and one of the request alone, which has one row. Sums are taken in another order, so
answers may differ in their last bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node

from featdsl.torch.graph import add_call, copy_of, is_parameter, parameter
from featdsl.torch.levels import Level, NotByRow, Shapes, levels

_LINEAR, _CAT, _EXPAND = (
    torch.ops.aten.linear.default,
    torch.ops.aten.cat.default,
    torch.ops.aten.expand.default,
)


def split_by_level(module: GraphModule, inputs: Shapes) -> tuple[GraphModule, str]:
    """The graph with its products split where that is possible, and what was done, in words."""
    try:
        known = levels(module, inputs)
    except NotByRow as refused:
        return module, f"off: {refused}"
    made, gone = copy_of(module)
    known = {gone[node]: level for node, level in known.items()}
    done: list[str] = []
    for node in list(made.graph.nodes):
        if node.target is _LINEAR:
            columns = _split(made, node, known, len(done))
            if columns is not None:
                done.append(f"{columns[0]} of {columns[1]} columns")
    if not done:
        return module, "off: no product reads the request beside the candidates"
    made.graph.eliminate_dead_code()
    made.recompile()
    return made, f"once a call: {', '.join(done)}"


def _split(
    module: GraphModule, linear: Node, known: dict[Node, Level], number: int
) -> tuple[int, int] | None:
    """Splits one product. Returns how many columns are the request's, and of how many; None if it is left alone."""
    given: list[Any] = list(linear.args)
    joined, weight = given[:2]
    bias = given[2] if len(given) > 2 else linear.kwargs.get("bias")
    if not isinstance(joined, Node) or joined.target is not _CAT or not is_parameter(weight):
        return None
    parts: Any = joined.args[0]
    if not isinstance(parts, Sequence) or len(joined.meta["val"].shape) != 2:
        return None
    widths = [int(part.meta["val"].shape[1]) for part in parts]
    sources = [_request_of(part, known) for part in parts]
    of_request = [i for i, source in enumerate(sources) if source is not None]
    of_rows = [i for i, source in enumerate(sources) if source is None]
    if not of_request or not of_rows:
        return None
    blocks = parameter(module, weight).detach().split(widths, dim=1)
    for name, chosen in (("rows", of_rows), ("request", of_request)):
        module.register_buffer(
            f"split_{number}_{name}", torch.cat([blocks[i] for i in chosen], 1).contiguous()
        )
    with module.graph.inserting_before(linear):
        rows = _product(module, [parts[i] for i in of_rows], f"split_{number}_rows", None)
        request = _product(module, [sources[i] for i in of_request], f"split_{number}_request", bias)
        whole = add_call(module, torch.ops.aten.add.Tensor, rows, request)
    linear.replace_all_uses_with(whole)
    return sum(widths[i] for i in of_request), sum(widths)


def _request_of(part: Node, known: dict[Node, Level]) -> Node | None:
    """What a part brings from the request to the rows, None if it is no such part."""
    given = part.args[0] if part.target is _EXPAND else None
    if isinstance(given, Node) and known.get(given) is Level.REQUEST and len(given.meta["val"].shape) == 2:
        return given
    return None


def _product(module: GraphModule, parts: list[Any], name: str, bias: Any) -> Node:
    weight = module.graph.get_attr(name)
    mode = parts[0].meta["val"].fake_mode
    weight.meta["val"] = mode.from_tensor(getattr(module, name), static_shapes=True)
    data = parts[0] if len(parts) == 1 else add_call(module, _CAT, parts, 1)
    return add_call(module, _LINEAR, data, weight, bias)
