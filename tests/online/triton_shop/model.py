"""The shop's model for Triton's Python backend: `like` is the sum of `dense` times the version's weight."""

import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        self.weight = np.float32((folder / "weight.txt").read_text())
        delay = folder.parent / "delay_s.txt"
        self.delay_s = float(delay.read_text()) if delay.exists() else 0.0

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        time.sleep(self.delay_s)
        dense = triton.get_input_tensor_by_name(request, "dense").as_numpy()
        like = dense.sum(axis=1) * self.weight
        buy = np.full((len(dense), 1), self.weight, np.float32)
        return triton.InferenceResponse([triton.Tensor("like", like), triton.Tensor("buy", buy)])
