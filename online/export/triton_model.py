"""A published version on Triton's Python backend: the very graph and parameters that `feat publish` took.

`feat export` puts it beside each version. It needs torch in Triton's environment, and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import torch
import triton_python_backend_utils as triton

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
}  # fmt: skip
INPUTS = {
    "bool": torch.bool, "int32": torch.int32, "int64": torch.int64, "float32": torch.float32, "float64": torch.float64
}  # fmt: skip


class TritonPythonModel:
    """One instance of one version. Triton calls `initialize` once, then `execute` with what has arrived."""

    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        said = json.loads((folder / "model.json").read_text())
        self.inputs = [str(one["name"]) for one in said["inputs"]]
        self.outputs = [str(name) for name in said["outputs"]]
        torch.set_num_threads(1)
        program = whole(folder, "program.pt2", said)
        self.module = torch.export.load(io.BytesIO(program)).module(check_guards=False)
        parameters = tensors(whole(folder, "parameters.safetensors", said))
        self.module.load_state_dict(parameters, strict=True, assign=True)
        zeros = {
            one["name"]: torch.zeros(
                [2 if size is None else size for size in one["shape"]], dtype=INPUTS[one["dtype"]]
            )
            for one in said["inputs"]
        }
        self.run(zeros)  # it is READY when it has answered

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        arrays = {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
        made = self.run({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        return triton.InferenceResponse([triton.Tensor(name, made[name].numpy()) for name in self.outputs])

    def run(self, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The outputs by name: a module may return one tensor, several in order, or a dict."""
        with torch.inference_mode():
            made = self.module(**given)
        if isinstance(made, torch.Tensor):
            made = (made,)
        return dict(made) if isinstance(made, dict) else dict(zip(self.outputs, made, strict=True))


def whole(folder: Path, name: str, said: dict[str, Any]) -> bytearray:
    """A file's bytes, if they are those that were published."""
    data = bytearray((folder / name).read_bytes())
    if hashlib.sha256(data).hexdigest() != said["files"][name]:
        raise ValueError(f"the checksum of {name} is wrong")
    return data


def tensors(data: bytearray) -> dict[str, torch.Tensor]:
    """What a safetensors file holds: a length, a JSON header, and arrays row after row."""
    begin = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, one in json.loads(data[8:begin]).items():
        if name == "__metadata__":
            continue
        dtype, count, offset = DTYPES[one["dtype"]], math.prod(one["shape"]), begin + one["data_offsets"][0]
        flat = (
            torch.frombuffer(data, dtype=dtype, count=count, offset=offset)
            if count
            else torch.empty(0, dtype=dtype)
        )
        found[name] = flat.reshape(one["shape"])
    return found
