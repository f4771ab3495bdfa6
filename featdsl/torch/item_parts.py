"""A model in two: what it makes of an item alone, which can be kept beside the item, and the rest.

A *part* is a value that is made of item inputs and no other, where the rest of the graph begins to read it: the item's
term of a first product that was split by level (`by_level.py`), or the top of an item's tower. The rest takes parts in
place of the inputs that they are made of.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.fx import Node

from compiler.bundle import read_bundle
from compiler.ir import column_of
from compiler.passes.split import made_by
from featdsl.torch.by_level import made_of, split_by_level
from featdsl.torch.halves import half, needed, outputs_of
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
    outputs = outputs_of(model, module)
    live = needed(outputs.values())
    known = {node: level for node, level in known.items() if node in live}
    found = list(_parts(known, made_of(known, items)))
    if not found:
        return "off: the model multiplies nothing by parameters that is an item's alone"
    parts = {f"part_{number}__": node for number, node in enumerate(found)}
    of_items = half(model, module, known, parts, {})
    rest = half(model, module, known, outputs, parts)
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
