"""The ways to run a model's calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from featdsl.torch.across_calls import CALL_OF_ROW, AcrossCalls
from featdsl.torch.form import Call, Form
from featdsl.torch.machine_code import MachineCode
from featdsl.torch.saved_model import SavedModel


class Way(Protocol):
    """Runs calls that are as the model wants them, with `rows` candidates each. Several at once only where the model's
    graph is by row."""

    def __call__(self, calls: Sequence[Call], rows: Sequence[int]) -> dict[str, torch.Tensor]: ...


class Eager:
    """An operator of torch after the other."""

    def __init__(self, model: SavedModel, across: AcrossCalls | None) -> None:
        self._model = model
        self._across = across

    def __call__(self, calls: Sequence[Call], rows: Sequence[int]) -> dict[str, torch.Tensor]:
        if len(calls) == 1:
            return self._model.predict(calls[0])
        assert self._across is not None
        with self._model.running():
            joined = self._across.joined(calls, rows)
            return self._model.named(self._across(joined, joined[CALL_OF_ROW]))


class WithRows:
    """Looks up rows of tables beside the graph, call by call, for another way, which takes them as inputs."""

    def __init__(self, rows: SavedModel, way: Way) -> None:
        self._rows = rows
        self._way = way

    def __call__(self, calls: Sequence[Call], rows: Sequence[int]) -> dict[str, torch.Tensor]:
        return self._way([{**call, **self._rows.predict(call)} for call in calls], rows)


class Compiled:
    """As machine code, one call as any number of them."""

    def __init__(self, form: Form, code: MachineCode) -> None:
        self._form = form
        self._code = code

    def __call__(self, calls: Sequence[Call], rows: Sequence[int]) -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            return self._form.named(self._code.run(self._form.tensors(calls, rows)))
