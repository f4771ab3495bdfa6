"""A saved model whose tables lie apart, as one that holds them: for servers that run a graph and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from torch.fx import GraphModule

from compiler.bundle import read_bundle
from engine import Snapshot
from featdsl.errors import InputError
from featdsl.torch.saved_model import BUNDLE, MODEL, SavedModel, load_model, save_model
from featdsl.torch.stand_ins import FrozenTable
from featdsl.torch.table_rows import ROWS


def freeze(path: str | os.PathLike[str], into: str | os.PathLike[str]) -> Path:
    """Saves the model at `path` into `into` with the rows of its tables as parameters of its graph. It answers the same
    bits. Errors: `InputError` for what does not load."""
    directory = Path(path)
    model = load_model(directory)
    bundle = read_bundle(directory / BUNDLE)
    if bundle.fingerprint != model.fingerprint:
        raise InputError(f"{BUNDLE} is not the program that {MODEL} names: {directory}")
    metrics = json.loads((directory / MODEL).read_text()).get("metrics", {})
    return save_model(_whole(model), bundle, into, model=model.name, metrics=metrics)


def _whole(model: SavedModel) -> GraphModule:
    """Its graph with a module in the place of each table."""
    module = GraphModule(model.module, model.module.graph)
    names = {}
    for number, (table, resident) in enumerate(model.tables.items()):
        names[table] = f"table_{number}"
        module.add_submodule(names[table], _frozen(resident.rows))
    for node in [node for node in module.graph.nodes if node.target is ROWS]:
        with module.graph.inserting_after(node):
            rows = module.graph.call_module(names[str(node.args[0])], (node.args[1],))
        node.replace_all_uses_with(rows)
        module.graph.erase_node(node)
    module.recompile()
    return module


def _frozen(rows: Snapshot) -> torch.nn.Module:
    ids = np.sort(rows.ids())
    values = np.empty((len(ids), rows.table.width), np.float32)
    rows.gather(ids, values)
    return FrozenTable(ids, values)
