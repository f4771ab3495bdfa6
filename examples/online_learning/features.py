"""Inputs of the model for interactions, as the scoring server makes them: the same program on the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from world import Interaction, World

from compiler.bundle import Bundle
from compiler.native.rows import RowRunner

MODEL = "ranker"


class Features:
    """The program's engine, in the trainer's process."""

    def __init__(self, bundle: Bundle) -> None:
        self._names = [tensor.name for tensor in bundle.model(MODEL).inputs]
        self._runner = RowRunner(bundle, f"model/{MODEL}", now_us=0)

    def of(self, world: World, window: Sequence[Interaction]) -> tuple[dict[str, Tensor], Tensor]:
        """The inputs, and what was liked."""
        made = self._runner.run(world.joined(window).combine_chunks().to_batches()[0])
        inputs = {name: _tensor(made.column(name)) for name in self._names}
        return inputs, torch.tensor([float(one.liked) for one in window])


def _tensor(column: pa.Array) -> Tensor:
    """[n] or [n, k]."""
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return torch.from_numpy(np.array(flat).reshape(len(column), column.type.list_size))
    return torch.from_numpy(np.array(column.to_numpy(zero_copy_only=False)))
