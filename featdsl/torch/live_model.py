"""A module that goes on being trained, as version after version of one model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from compiler.bundle import Bundle
from featdsl.errors import InputError
from featdsl.torch.embedding_table import EmbeddingTable
from featdsl.torch.saved_model import BUNDLE, MODEL, PARAMETERS, PROGRAM, save_model
from featdsl.torch.stand_ins import stand_ins, tables_by_name
from model_sync.version import digest_of

_AGAIN = "make a new Publisher of the module as it is now: its graph is exported once"


class LiveModel:
    """The graph of a module, exported once, and its parameters as they are whenever they are asked for. The rows of its
    `tables` lie apart (see `save_model`)."""

    def __init__(self, module: torch.nn.Module, bundle: Bundle, model: str | None = None) -> None:
        """Errors: `InputError` when the module does not fit the program's model or cannot be exported."""
        self._module = module
        self.tables = tables_by_name(module)
        with tempfile.TemporaryDirectory(prefix="featdsl-export-") as scratch:
            # Tables without rows: the rows are no part of the graph, and need not be written for it.
            with stand_ins(module, lambda table: EmbeddingTable(table.name, table.width)):
                folder = save_model(module, bundle, Path(scratch) / "model", model=model, tables="apart")
            self._description = json.loads((folder / MODEL).read_text())
            self._exported = load_file(folder / PARAMETERS)
            self.graph = {name: (folder / name).read_bytes() for name in (PROGRAM, BUNDLE)}
        self.name = str(self._description["model"])
        self.fingerprint = str(self._description["fingerprint"])

    def files(
        self, metrics: Mapping[str, float], state_dict: Mapping[str, torch.Tensor] | None = None
    ) -> dict[str, bytes]:
        """The files of a version that are not its graph: `model.json`, and the parameters as the module has them, or
        `state_dict`. Errors: `InputError` where these are not the parameters that the graph has, or not finite."""
        if state_dict is None:
            if tables_by_name(self._module) != self.tables:
                raise InputError("the module has other embedding tables than before", help=_AGAIN)
            # Without the tables: they would say all that training goes on from.
            with stand_ins(self._module, lambda table: torch.nn.Identity()):
                state_dict = self._module.state_dict()
        parameters = save(self._checked(self._parameters_of(state_dict)))
        files = {**self._description["files"], PARAMETERS: digest_of(parameters)}
        described = {**self._description, "files": files, "metrics": dict(metrics)}
        return {PARAMETERS: parameters, MODEL: json.dumps(described, indent=1).encode()}

    def _parameters_of(self, state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """By the graph's names: it may have been exported with a module around it."""
        found = {}
        for name in self._exported:
            own = name if name in state_dict else name.removeprefix("inner.")
            if own in state_dict:
                found[name] = state_dict[own]
        return found

    def _checked(self, parameters: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        for name, exported in self._exported.items():
            tensor = parameters.get(name)
            if tensor is None:
                raise InputError(f"a parameter of the model is missing: {name}", help=_AGAIN)
            if (tensor.shape, tensor.dtype) != (exported.shape, exported.dtype):
                raise InputError(
                    f"a parameter is not what was exported: {name}: {_shown(tensor)}, not {_shown(exported)}",
                    help=_AGAIN,
                )
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise InputError(
                    f"a parameter is not finite: {name}",
                    help="no server would take it; go back to a checkpoint, or lower the learning rate",
                )
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in parameters.items()}


def _shown(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
