"""A model in two: what it makes of an item alone, which can be kept beside the item, and the rest.

A *part* is a value that is made of item inputs and no other, where the rest of the graph begins to read it: the item's
term of a first product that was split by level (`by_level.py`), or the top of an item's tower. The rest takes parts in
place of the inputs that they are made of.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node
from torch.fx.graph import _PyTreeCodeGen, _PyTreeInfo
from torch.utils import _pytree as pytree

from compiler.bundle import read_bundle
from compiler.ir import column_of
from compiler.passes.split import made_by
from featdsl.torch.by_level import made_of, split_by_level
from featdsl.torch.levels import BY_ROW, Level, NotByRow, levels
from featdsl.torch.saved_model import BUNDLE, SavedModel
from featdsl.torch.table_rows import ROWS

_ATEN: Any = torch.ops.aten
_PRODUCTS = frozenset(
    getattr(_ATEN, name).default
    for name in ("linear", "matmul", "mm", "addmm", "bmm", "einsum", "conv1d", "conv2d")
)
_LOOK_UPS = frozenset((_ATEN.embedding.default, ROWS))
_FLOATS = (torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class Parted:
    """`of_items` gives the parts by name, [n, …] each; `rest` gives what the model gives, of the parts and of the
    inputs that it still reads. `said`: what was done, in words."""

    of_items: SavedModel
    rest: SavedModel
    said: str


def item_inputs(directory: Path, model: str) -> frozenset[str]:
    """The inputs of a saved model that are an item's, whoever asks. Errors: `InputError`."""
    roots = read_bundle(directory / BUNDLE).roots
    prefix = f"model/{model}/input/"
    return frozenset(
        column_of(name)
        for name, root in roots.items()
        if name.startswith(prefix) and made_by(name, root) == "item"
    )


def part_items(model: SavedModel, items: Collection[str]) -> Parted | str:
    """The model in two, or why it stays in one. `items`: its inputs that are an item's. Running nothing."""
    module, said = split_by_level(model.module, model.inputs, items)
    try:
        known = levels(module, model.inputs)
    except NotByRow as refused:
        return f"off: {refused}"
    outputs = _outputs(model, module)
    live = _needed(outputs.values())
    known = {node: level for node, level in known.items() if node in live}
    found = list(_parts(known, made_of(known, items)))
    if not found:
        return "off: the model multiplies nothing by parameters that is an item's alone"
    parts = {f"part_{number}__": node for number, node in enumerate(found)}
    of_items = _half(model, module, known, parts, {})
    rest = _half(model, module, known, outputs, parts)
    numbers = sum(math.prod(node.meta["val"].shape[1:]) for node in found)
    sent = [name for name in of_items.inputs if name not in rest.inputs]
    in_place = f"in place of {', '.join(sent)}" if sent else "beside all inputs"
    split = "" if said.startswith("off") else f"; {said}"
    return Parted(of_items, rest, f"{numbers} numbers an item {in_place}{split}")


def _parts(known: Mapping[Node, Level], of_items: Collection[Node]) -> Iterator[Node]:
    """Where the rest begins to read what has a product behind it. A table alone is worth keeping only where it makes
    less than it is given."""
    behind: dict[Node, frozenset[Node]] = {}
    for node in known:
        if node not in of_items:
            continue
        behind[node] = frozenset([node]).union(*(behind.get(given, ()) for given in node.all_input_nodes))
        value = node.meta["val"]
        if node.op == "placeholder" or value.dtype not in _FLOATS or not _is_read(node, known, of_items):
            continue
        operators = {one.target for one in behind[node]}
        given_bytes = sum(_row_bytes(one) for one in behind[node] if one.op == "placeholder")
        small = bool(operators & _LOOK_UPS) and _row_bytes(node) < given_bytes
        if small or operators & _PRODUCTS:
            yield node


def _is_read(node: Node, known: Mapping[Node, Level], of_items: Collection[Node]) -> bool:
    """Whether any other than an item's value is made of it."""
    return any(
        user.op == "output" or (known.get(user) in BY_ROW and user not in of_items) for user in node.users
    )


def _row_bytes(node: Node) -> int:
    value = node.meta["val"]
    return math.prod(map(int, value.shape[1:])) * int(value.dtype.itemsize)


def _outputs(model: SavedModel, module: GraphModule) -> Mapping[str, Node]:
    output = next(node for node in module.graph.nodes if node.op == "output")
    spec = module._out_spec
    assert spec is not None, "an exported graph has one"
    given: Any = pytree.tree_unflatten(pytree.tree_leaves(output.args[0]), spec)
    outputs: Mapping[str, Any] = model.named((given,) if isinstance(given, Node) else given)
    return outputs


def _half(
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
    needed = _needed(outputs.values(), given.values())

    def take(name: str, node: Node) -> None:
        made[node] = graph.placeholder(name)
        made[node].meta = dict(node.meta)

    for node in known:
        if node.op == "placeholder" and node in needed:
            take(str(node.target), node)
            inputs[str(node.target)] = model.inputs[str(node.target)]
    for name, node in given.items():
        if node in needed:
            take(name, node)
            value = node.meta["val"]
            inputs[name] = (value.dtype, (None, *map(int, value.shape[1:])))
    by_candidate = next(one for one in made.values() if inputs[str(one.target)][1][0] is None)
    for node in known:
        if node in needed and node not in made:
            rows = dict.fromkeys(node.all_input_nodes, by_candidate) if _is_size(node) else made
            made[node] = graph.node_copy(node, rows.__getitem__)
    graph.output(tuple(made[node] for node in outputs.values()))
    specs = [
        pytree.tree_flatten(one)[1] for one in (((), dict.fromkeys(inputs, 0)), dict.fromkeys(outputs, 0))
    ]
    graph.set_codegen(_PyTreeCodeGen(_PyTreeInfo(list(inputs), *specs)))
    graph.lint()
    return replace(model, inputs=inputs, outputs=tuple(outputs), module=GraphModule(module, graph))


def _needed(wanted: Iterable[Node], given: Collection[Node] = ()) -> set[Node]:
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
    return node.target is _ATEN.sym_size.int
