"""A published version in TorchServe: the very graph and parameters that `feat publish` took, as Triton's Python
backend has them in `examples/triton/`. Runs in TorchServe's environment; a call's tensors are one safetensors text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file, save


class Handler:
    """TorchServe calls `initialize` once a worker, then `handle` with the calls of a batch."""

    def initialize(self, context: Any) -> None:
        folder = Path(context.system_properties["model_dir"])
        description = json.loads((folder / "model.json").read_text())
        self.outputs = [str(name) for name in description["outputs"]]
        torch.set_num_threads(1)
        self.module = torch.export.load(str(folder / "program.pt2")).module(check_guards=False)
        self.module.load_state_dict(load_file(folder / "parameters.safetensors"), strict=True, assign=True)

    def handle(self, calls: list[dict[str, bytes]], context: Any) -> list[bytes]:
        return [self.answer(load(bytes(call["tensors"]))) for call in calls]

    def answer(self, tensors: dict[str, torch.Tensor]) -> bytes:
        """Nothing for nothing: so one asks whether it is ready."""
        if not tensors:
            return save({})
        with torch.inference_mode():
            made = self.module(**tensors)
        named = made if isinstance(made, dict) else dict(zip(self.outputs, [made], strict=True))
        return save({name: tensor.contiguous() for name, tensor in named.items()})
