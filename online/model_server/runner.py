"""Runs calls on a loaded model: by themselves, or several as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.fx import GraphModule

from featdsl.errors import InputError
from featdsl.torch.across_calls import AcrossCalls
from featdsl.torch.bfloat16 import with_bfloat16_products
from featdsl.torch.by_level import split_by_level
from featdsl.torch.levels import NotByRow
from featdsl.torch.sample import Samples
from featdsl.torch.saved_model import SavedModel
from online.model_server.options import ModelOptions
from online.model_server.region import Arrays

_TRIED_ROWS = ((1, 1), (1, 7, 64), (33, 2, 5, 1, 90), (300, 200))
"""Calls that are compared when a model is loaded: one by one, and together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outputs, or why there are none."""

    outputs: Arrays
    fault: str = ""


class Runner:
    """A model and the ways to run it. `facts` say which these are, and what they cost in exactness."""

    def __init__(self, model: SavedModel, options: ModelOptions) -> None:
        """Errors: `InputError` for a model that bears an option less well than `options` allow."""
        self._exact = model
        self._model = model
        self._options = options
        self._samples = Samples(model.inputs, model.predict)
        self._across: AcrossCalls | None = None
        self._seen_n_times = False
        """Whether the graph takes one row that is seen n times; else it is written n times first."""
        self.facts: dict[str, str] = {}
        module = model.module
        if options.split:
            module, self.facts["split"] = split_by_level(module, model.inputs)
        narrow, self._narrow_products = module, 0
        if options.dtype == "bfloat16":
            narrow, self._narrow_products = with_bfloat16_products(module)
            self.facts["dtype"] = f"bfloat16 in {self._narrow_products} products"
        if narrow is not model.module:
            self._model = replace(model, module=narrow)
            self._check_products()
        self._seen_n_times = self._takes_one_row()
        if options.max_rows:
            self.facts["batching"] = self._try_across(module)

    @property
    def batches(self) -> bool:
        return self._across is not None

    def rows(self, tensors: Arrays) -> int:
        """The candidates of a call, 0 if it does not say."""
        for name, (_, shape) in self._model.inputs.items():
            if shape[0] is None and name in tensors and tensors[name].ndim:
                return int(tensors[name].shape[0])
        return 0

    def run(self, calls: Sequence[Arrays]) -> list[Outcome]:
        """An outcome a call, in their order. A call that fails takes no other with it."""
        together = [i for i, call in enumerate(calls) if self._fits(call)]
        found: dict[int, Outcome] = {}
        if self._across is not None and len(together) > 1:
            try:
                found = dict(zip(together, self._run_across([calls[i] for i in together]), strict=True))
            except Exception:  # one of them is at fault: which one shows when each is run by itself
                found = {}
        return [found[i] if i in found else self._run_one(call) for i, call in enumerate(calls)]

    def _run_one(self, call: Arrays) -> Outcome:
        try:
            outputs = self._model.predict(self._tensors(call))
            return Outcome({name: tensor.numpy() for name, tensor in outputs.items()})
        except Exception as fault:
            return Outcome({}, f"{type(fault).__name__}: {fault}")

    def _run_across(self, calls: Sequence[Arrays]) -> list[Outcome]:
        rows = [self.rows(call) for call in calls]
        outputs = self._answer_across([self._tensors(call) for call in calls], rows)
        parts = {name: np.split(tensor.numpy(), np.cumsum(rows)[:-1]) for name, tensor in outputs.items()}
        return [Outcome({name: parts[name][i] for name in parts}) for i in range(len(calls))]

    def _answer_across(
        self, calls: Sequence[Mapping[str, torch.Tensor]], rows: Sequence[int]
    ) -> dict[str, torch.Tensor]:
        assert self._across is not None
        with torch.inference_mode():
            joined = {name: torch.cat([call[name] for call in calls]) for name in self._model.inputs}
            call_of_row = torch.repeat_interleave(torch.arange(len(calls)), torch.tensor(rows))
            return self._model.named(self._across(joined, call_of_row))

    def _fits(self, call: Arrays) -> bool:
        """Whether a call is as the model wants it, so that it may be run with others."""
        rows = self.rows(call)
        return rows > 0 and all(
            name in call and call[name].shape == tuple(rows if size is None else size for size in shape)
            for name, (_, shape) in self._model.inputs.items()
        )

    def _tensors(self, call: Arrays) -> dict[str, torch.Tensor]:
        if not self._seen_n_times:
            call = {name: np.ascontiguousarray(array) for name, array in call.items()}
        return {name: torch.from_numpy(array) for name, array in call.items()}

    def _takes_one_row(self) -> bool:
        """Whether rows that are one and the same give the same bits as rows that are written out."""
        by_row = {name for name, (_, shape) in self._model.inputs.items() if shape[0] is None}
        try:
            for rows in (2, 64):
                call = self._samples.call(rows, rows)
                seen = {n: t[:1].expand(t.shape) if n in by_row else t for n, t in call.items()}
                wanted = self._model.predict({name: tensor.contiguous() for name, tensor in seen.items()})
                got = self._model.predict(seen)
                if any(relative_error(got[name], wanted[name]) != 0 for name in wanted):
                    return False
        except Exception:  # whatever a graph that is not ours may raise
            return False
        return True

    def _check_products(self) -> None:
        """Measures them against float32 as the model was saved."""
        worst = absolute = 0.0
        for seed, rows in enumerate((1, 7, 64, 500)):
            call = self._samples.call(rows, seed)
            wanted = self._exact.predict(call)
            for name, got in self._model.predict(call).items():
                worst = max(worst, relative_error(got, wanted[name]))
                absolute = max(absolute, float((got - wanted[name]).abs().nan_to_num().max()))
        error = f"{absolute:.2g}, {worst:.2g} of the largest answer"
        self.facts["largest error"] = f"{error} (random inputs, against float32)"
        if not worst <= self._options.largest_error:
            raise InputError(
                f"with these options its largest error is {error}; the tolerance is {self._options.largest_error:.2g}"
            )

    def _try_across(self, module: GraphModule) -> str:
        tolerance = self._options.largest_error
        try:
            self._across = AcrossCalls(module, self._model.inputs, bfloat16=self._narrow_products > 0)
            worst = self._largest_error()
        except NotByRow as refused:
            self._across = None
            return f"off: {refused}"
        except Exception as fault:  # whatever a graph that is not ours may raise
            self._across = None
            return f"off: {type(fault).__name__}: {fault}"
        if not worst <= tolerance:
            self._across = None
            return f"off: the largest relative error is {worst:.2g}, the tolerance is {tolerance:.2g}"
        return (
            "bit-equal on the calls that were tried" if worst == 0 else f"largest relative error {worst:.2g}"
        )

    def _largest_error(self) -> float:
        """Of calls that are run together, against each by itself; relative to the largest answer."""
        worst = 0.0
        for sizes in _TRIED_ROWS:
            calls = [self._samples.call(rows, seed) for seed, rows in enumerate(sizes)]
            alone = [self._model.predict(call) for call in calls]
            for name, got in self._answer_across(calls, sizes).items():
                worst = max(worst, relative_error(got, torch.cat([answer[name] for answer in alone])))
        return worst


def relative_error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference, relative to the largest value. What is not finite in both at the same place counts
    as equal, in one alone as infinite."""
    same = (got == wanted) | (got.isnan() & wanted.isnan())
    if bool(same.all()):
        return 0.0
    difference = (got - wanted).abs()[~same]
    if not bool(difference.isfinite().all()):
        return float("inf")
    finite = wanted[wanted.isfinite()].abs()
    return float(difference.max()) / max(float(finite.max()) if len(finite) else 0.0, 1e-30)
