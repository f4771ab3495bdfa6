"""A published version on Triton's Python backend: the very graph and parameters that `feat publish` took.

It needs torch and safetensors in Triton's environment, and nothing of ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import triton_python_backend_utils as triton
from safetensors.torch import load_file


class TritonPythonModel:
    """One instance of one version. Triton calls `initialize` once, then `execute` with what has arrived."""

    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        description = json.loads((folder / "model.json").read_text())
        self.inputs = [str(one["name"]) for one in description["inputs"]]
        self.outputs = [str(name) for name in description["outputs"]]
        torch.set_num_threads(1)
        self.module = torch.export.load(str(folder / "program.pt2")).module(check_guards=False)
        self.module.load_state_dict(load_file(folder / "parameters.safetensors"), strict=True, assign=True)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        given = {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
        with torch.inference_mode():
            made = self.module(**{name: torch.from_numpy(array.copy()) for name, array in given.items()})
        named = made if isinstance(made, dict) else dict(zip(self.outputs, [made], strict=True))
        return triton.InferenceResponse([triton.Tensor(name, named[name].numpy()) for name in self.outputs])
