"""Inputs for trying a model out, where nothing is known of it but their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from featdsl.torch.levels import Shapes

_MOST_TRIED = 32
"""Of more inputs with ids the bound is not looked for one by one: that is a run an input and bound."""
_IDS = (1 << 20, 1 << 16, 1 << 12, 500, 100, 10, 2)


class Samples:
    """Random inputs that a model takes: normal numbers, ids as large as it bears (its tables have an end)."""

    def __init__(self, inputs: Shapes, run: Callable[[Mapping[str, torch.Tensor]], Any]) -> None:
        """`run` raises `IndexError` or `RuntimeError` for ids that are too large."""
        self._inputs = inputs
        ids = [
            n for n, (dtype, _) in inputs.items() if not dtype.is_floating_point and dtype is not torch.bool
        ]
        self._ids = dict.fromkeys(inputs, 1)
        self._raise(ids, run)
        if len(ids) <= _MOST_TRIED:
            for name in ids:
                self._raise([name], run)

    def _raise(self, names: Sequence[str], run: Callable[[Mapping[str, torch.Tensor]], Any]) -> None:
        """Finds the largest ids that the model bears in all of these inputs."""
        for most in _IDS:
            if not names or most <= self._ids[names[0]]:
                return
            call = self.call(2, seed=0)
            try:
                run({**call, **{name: torch.full_like(call[name], most - 1) for name in names}})
            except (IndexError, RuntimeError):
                continue
            self._ids.update(dict.fromkeys(names, most))

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
