"""A model's graph as a function of a list of tensors: what can be compiled, or run on a device."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from featdsl.torch.across_calls import CALL_OF_ROW, AcrossCalls
from featdsl.torch.graph import is_parameter, moved, parameter
from featdsl.torch.saved_model import MAX_CANDIDATES, SavedModel

Call = Mapping[str, torch.Tensor]
_EXAMPLE_ROWS, _EXAMPLE_CALLS = 7, 3
_MOST_CALLS = 1 << 20


class Form:
    """A graph that takes one call, or with `across` any number of them as one."""

    def __init__(self, model: SavedModel, module: GraphModule, across: AcrossCalls | None = None) -> None:
        self.model = model
        self.across = across
        self.module = module if across is None else across.module
        self.inputs = list(model.inputs) if across is None else [*model.inputs, CALL_OF_ROW]
        spec = module._out_spec if across is None else across.out_spec
        assert spec is not None, "an exported graph has one"
        self._out_spec = spec
        self.outputs = spec.num_leaves
        """Of the model; the graph may have one more (`checked_ids.py`)."""

    def tensors(self, calls: Sequence[Call], rows: Sequence[int]) -> list[torch.Tensor]:
        """What the graph takes for calls with so many candidates each."""
        if self.across is not None:
            return list(self.across.joined(calls, rows).values())
        (call,) = calls
        return [call[name] for name in self.inputs]

    def run(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """What the graph gives, as a list."""
        answer = self.module(**dict(zip(self.inputs, tensors, strict=True)))
        return pytree.tree_leaves(answer)

    def named(self, made: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """The model's outputs, of what the graph or its compiled code gives."""
        return self.model.named(pytree.tree_unflatten(list(made[: self.outputs]), self._out_spec))

    def input(self, name: str) -> tuple[torch.dtype, tuple[int | None, ...]]:
        """The type and the shape of what the graph takes, the candidates without a number."""
        return self.model.inputs.get(name, (torch.int64, (None,)))

    def sizes(self, name: str, rows: int, calls: int) -> list[int]:
        """The shape of an input for calls with so many candidates in all."""
        first, *others = self.input(name)[1]
        return [rows if first is None else calls, *(size or 0 for size in others)]

    def by_candidate(self, name: str) -> bool:
        return self.input(name)[1][0] is None

    def moved(self, device: torch.device) -> Form:
        """The same, on a device."""
        made = copy.copy(self)
        made.module = moved(self.module, device)
        return made

    def parameters(self) -> dict[str, torch.Tensor]:
        """What the graph reads of the model."""
        nodes = [node for node in self.module.graph.nodes if is_parameter(node)]
        return {str(node.target): parameter(self.module, node).detach() for node in nodes}

    def export(self) -> torch.export.ExportedProgram:
        """The graph for any number of candidates and calls."""
        calls = _EXAMPLE_CALLS if self.across is not None else 1
        example: dict[str, torch.Tensor] = {}
        dynamic: dict[str, Any] = {}
        rows = torch.export.Dim("rows", min=0, max=MAX_CANDIDATES)
        any_calls = torch.export.Dim("calls", min=0, max=_MOST_CALLS)
        for name in self.inputs:
            dtype, _ = self.input(name)
            if self.by_candidate(name):
                dynamic[name] = {0: rows}
            else:
                dynamic[name] = {0: any_calls} if self.across is not None else {}
            example[name] = torch.zeros(self.sizes(name, _EXAMPLE_ROWS, calls), dtype=dtype)
        with torch.no_grad():
            return torch.export.export(self.module, (), example, dynamic_shapes=dynamic, strict=False)

    def digest(self) -> str:
        """Names the graph without its parameters' values: two forms of one digest have the same code."""
        known = hashlib.sha256(str(self.module.graph).encode())
        for name, tensor in self.parameters().items():
            known.update(f"{name} {tensor.dtype} {list(tensor.shape)} {list(tensor.stride())}\n".encode())
        for name, (dtype, shape) in self.model.inputs.items():
            known.update(f"{name} {dtype} {shape}\n".encode())
        return known.hexdigest()
