"""Optimizers of embedding tables: a step moves the rows that the passes before it have looked at, and no others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch

from featdsl.torch.embedding_table import Beside, EmbeddingTable


class RowOptimizer(ABC):
    """Steps for tables. `step` after `backward`, beside the optimizer of the module's parameters; gradients of passes
    since the step before are summed, and gone after it."""

    def __init__(self, tables: Iterable[EmbeddingTable]) -> None:
        self._tables = [(table, self._state(table)) for table in tables]

    def step(self) -> None:
        for table, state in self._tables:
            for places, gradients in table.gradients():
                table.move(places, self._moves(state, places, gradients))
            table.tick()

    @abstractmethod
    def _state(self, table: EmbeddingTable) -> Any:
        """What is kept for a table."""

    @abstractmethod
    def _moves(self, state: Any, places: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """By what the rows at these places, each named once, change."""


class RowSGD(RowOptimizer):
    """`row -= lr * gradient`."""

    def __init__(self, tables: Iterable[EmbeddingTable], lr: float) -> None:
        self._lr = lr
        super().__init__(tables)

    def _state(self, table: EmbeddingTable) -> None:
        return None

    def _moves(self, state: None, places: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        return gradients * -self._lr


class RowAdagrad(RowOptimizer):
    """Adagrad (Duchi, Hazan and Singer 2011) as `torch.optim.Adagrad` has it, with a sum a value."""

    def __init__(
        self, tables: Iterable[EmbeddingTable], lr: float = 0.01, *, initial: float = 0.0, eps: float = 1e-10
    ) -> None:
        self._lr, self._initial, self._eps = lr, initial, eps
        super().__init__(tables)

    def _state(self, table: EmbeddingTable) -> Beside:
        return table.keep_beside(table.width, initial=self._initial)

    def _moves(self, state: Beside, places: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        sums = state.values[places] + gradients * gradients
        state.values[places] = sums
        return -self._lr * gradients / (sums.sqrt() + self._eps)


class RowAdam(RowOptimizer):
    """Adam (Kingma and Ba 2015) whose moments and count of steps are a row's own: what is not looked at does not move,
    as in `torch.optim.SparseAdam`, which counts the steps of all."""

    def __init__(
        self,
        tables: Iterable[EmbeddingTable],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self._lr, self._betas, self._eps = lr, betas, eps
        super().__init__(tables)

    def _state(self, table: EmbeddingTable) -> tuple[Beside, Beside, Beside]:
        return table.keep_beside(table.width), table.keep_beside(table.width), table.keep_beside(1)

    def _moves(
        self, state: tuple[Beside, Beside, Beside], places: torch.Tensor, gradients: torch.Tensor
    ) -> torch.Tensor:
        first, second, steps = state
        one, two = self._betas
        means = first.values[places] * one + gradients * (1 - one)
        squares = second.values[places] * two + gradients * gradients * (1 - two)
        count = steps.values[places] + 1
        first.values[places], second.values[places], steps.values[places] = means, squares, count
        means, squares = means / (1 - one**count), squares / (1 - two**count)
        return -self._lr * means / (squares.sqrt() + self._eps)
