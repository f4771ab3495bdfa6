"""The shop's model for Triton's Python backend: `like` is the sum of `dense` times the version's weight."""

import os
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        weight = (folder / "weight.txt").read_text()
        if weight == "deadly":
            os.kill(os.getppid(), 9)
        self.weight = np.float32(weight)
        self.delay_s = 0.2 if args["model_name"] == "batched" else 0.0

    def execute(self, requests):
        time.sleep(self.delay_s)
        return [self.answer(request) for request in requests]

    def answer(self, request):
        dense = triton.get_input_tensor_by_name(request, "dense").as_numpy()
        assert len(triton.get_input_tensor_by_name(request, "shopper_once").as_numpy()) in (1, len(dense))
        like = dense.sum(axis=1) * self.weight
        buy = np.full((len(dense), 1), self.weight, np.float32)
        if self.delay_s:  # with batches every output has rows of rank 2 at least
            like = like[:, np.newaxis]
        return triton.InferenceResponse([triton.Tensor("like", like), triton.Tensor("buy", buy)])
