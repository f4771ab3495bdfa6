"""Inputs for trying a model out, where nothing is known of it but their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from featdsl.torch.levels import Shapes

_IDS = (1 << 20, 1 << 16, 1 << 12, 500, 100, 10, 2)


class Samples:
    """Random inputs that a model takes: normal numbers, ids as large as it bears (its tables have an end)."""

    def __init__(self, inputs: Shapes, run: Callable[[Mapping[str, torch.Tensor]], Any]) -> None:
        """`run` raises `IndexError` or `RuntimeError` for ids that are too large."""
        self._inputs = inputs
        self._ids = dict.fromkeys(inputs, 1)
        for name, (dtype, _) in inputs.items():
            if dtype.is_floating_point or dtype is torch.bool:
                continue
            for most in _IDS:
                largest = torch.full_like(self.call(2, seed=0)[name], most - 1)
                try:
                    run({**self.call(2, seed=0), name: largest})
                except (IndexError, RuntimeError):
                    continue
                self._ids[name] = most
                break

    def call(self, rows: int, seed: int) -> dict[str, torch.Tensor]:
        """The tensors of one call; the same for the same seed."""
        chance = torch.Generator().manual_seed(seed)
        return {name: self._tensor(name, rows, chance) for name in self._inputs}

    def _tensor(self, name: str, rows: int, chance: torch.Generator) -> torch.Tensor:
        dtype, shape = self._inputs[name]
        sizes = [rows if size is None else size for size in shape]
        if dtype.is_floating_point:
            return torch.randn(sizes, generator=chance, dtype=dtype)
        most = 2 if dtype is torch.bool else self._ids[name]
        return torch.randint(0, most, sizes, generator=chance).to(dtype)
