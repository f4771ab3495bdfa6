"""A model's graph with its first products split by level: the request's part is computed once a call.

Where a product reads inputs of several levels beside each other, `linear(cat([rows, request brought to the rows]))`, it
is the sum of a product of the rows and one of the request alone, which has one row; and of one of the items alone,
which `item_parts.py` takes out of the graph. Sums are taken in another order, so answers may differ in their last bits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import GraphModule, Node

from featdsl.torch.graph import add_call, copy_of, is_parameter, parameter
from featdsl.torch.levels import BY_ROW, Level, NotByRow, Shapes, levels

_LINEAR, _CAT, _EXPAND = (
    torch.ops.aten.linear.default,
    torch.ops.aten.cat.default,
    torch.ops.aten.expand.default,
)


def split_by_level(
    module: GraphModule, inputs: Shapes, items: Collection[str] = ()
) -> tuple[GraphModule, str]:
    """The graph with its products split where that is possible, and what was done, in words. `items`: the inputs that
    are an item's, whoever asks; what products read of them alone is a product of its own then."""
    try:
        known = levels(module, inputs)
    except NotByRow as refused:
        return module, f"off: {refused}"
    made, gone = copy_of(module)
    of_items = {gone[node] for node in made_of(known, items)}
    known = {gone[node]: level for node, level in known.items()}
    done: list[_Columns] = []
    for node in list(made.graph.nodes):
        if node.target is _LINEAR:
            columns = _columns(node, known, of_items)
            if columns is not None:
                _split(made, node, columns, len(done))
                done.append(columns)
    if not done:
        return module, "off: no product reads the request beside the candidates"
    made.graph.eliminate_dead_code()
    made.recompile()
    said = [
        f"once {one}: {', '.join(f'{columns.width(group)} of {columns.width()} columns' for columns in found)}"
        for one, group in (("a call", "request"), ("an item", "items"))
        if (found := [columns for columns in done if columns.groups[group]])
    ]
    return made, "; ".join(said)


def made_of(known: Mapping[Node, Level], inputs: Collection[str]) -> set[Node]:
    """The values by row that are made of these inputs and no other."""
    found: set[Node] = set()
    reads_others: dict[Node, bool] = {}
    """Of what reads any input."""
    for node, level in known.items():
        if level not in BY_ROW or node.op == "output":
            continue
        if node.op == "placeholder":
            reads_others[node] = str(node.target) not in inputs
        else:
            read = [reads_others[given] for given in node.all_input_nodes if given in reads_others]
            if not read:
                continue
            reads_others[node] = any(read)
        if not reads_others[node] and level is Level.ROWS:
            found.add(node)
    return found


@dataclass(slots=True)
class _Columns:
    """What a product reads, beside each other: for each group the data that is there, and its columns' widths with
    their places among all."""

    groups: dict[str, list[Node]] = field(default_factory=lambda: {"rows": [], "items": [], "request": []})
    order: list[tuple[str, int]] = field(default_factory=list)

    def add(self, group: str, data: Node, width: int) -> None:
        self.groups[group].append(data)
        self.order.append((group, width))

    def width(self, group: str = "") -> int:
        return sum(width for of, width in self.order if group in ("", of))

    def weights(self, weight: Any, group: str) -> torch.Tensor:
        """A group's part of a product's parameter."""
        blocks = weight.detach().split([width for _, width in self.order], dim=1)
        chosen = [block for block, (of, _) in zip(blocks, self.order, strict=True) if of == group]
        return torch.cat(chosen, 1).contiguous()


def _columns(linear: Node, known: Mapping[Node, Level], of_items: Collection[Node]) -> _Columns | None:
    """What a product reads, if that is of several levels."""
    joined, weight = linear.args[:2]
    if not is_parameter(weight) or not isinstance(joined, Node) or not _is_cat(joined):
        return None
    found = _Columns()
    for part in _parts(joined, of_items):
        width = int(part.meta["val"].shape[1])
        source = _request_of(part, known)
        if source is not None:
            found.add("request", source, width)
        else:
            found.add("items" if part in of_items else "rows", part, width)
    return found if sum(map(bool, found.groups.values())) > 1 else None


def _is_cat(node: Node) -> bool:
    return node.target is _CAT and len(node.meta["val"].shape) == 2 and isinstance(node.args[0], Sequence)


def _parts(joined: Node, of_items: Collection[Node]) -> Iterator[Node]:
    """What stands beside each other; a `cat` in another is taken apart unless it is an item's as a whole."""
    parts: Any = joined.args[0]
    for part in parts:
        if _is_cat(part) and part not in of_items:
            yield from _parts(part, of_items)
        else:
            yield part


def _request_of(part: Node, known: Mapping[Node, Level]) -> Node | None:
    """What a part brings from the request to the rows, None if it is no such part."""
    given = part.args[0] if part.target is _EXPAND else None
    if isinstance(given, Node) and known.get(given) is Level.REQUEST and len(given.meta["val"].shape) == 2:
        return given
    return None


def _split(module: GraphModule, linear: Node, columns: _Columns, number: int) -> None:
    weight: Any = linear.args[1]
    bias: Any = linear.args[2] if len(linear.args) > 2 else linear.kwargs.get("bias")
    groups = [group for group, data in columns.groups.items() if data]
    with module.graph.inserting_before(linear):
        made = []
        for group in groups:
            name = f"split_{number}_{group}"
            module.register_buffer(name, columns.weights(parameter(module, weight), group))
            with_bias = group == (groups[-1] if groups[-1] == "request" else groups[0])
            made.append(_product(module, columns.groups[group], name, bias if with_bias else None))
        whole = made[0]
        for one in made[1:]:
            whole = add_call(module, torch.ops.aten.add.Tensor, whole, one)
    linear.replace_all_uses_with(whole)


def _product(module: GraphModule, parts: list[Node], name: str, bias: Any) -> Node:
    weight = module.graph.get_attr(name)
    mode = parts[0].meta["val"].fake_mode
    weight.meta["val"] = mode.from_tensor(getattr(module, name), static_shapes=True)
    data = parts[0] if len(parts) == 1 else add_call(module, _CAT, parts, 1)
    return add_call(module, _LINEAR, data, weight, bias)
