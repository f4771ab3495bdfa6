"""Runs calls on a loaded model: by themselves, or several as one."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from featdsl.errors import InputError
from featdsl.torch.form import Call, Form
from featdsl.torch.machine_code import MachineCode, compiled_path
from featdsl.torch.sample import Samples
from featdsl.torch.saved_model import SavedModel
from online.model_server.compiling import NotCompiled, compile_once
from online.model_server.devices import device_of
from online.model_server.graphs import Graphs, graphs_of
from online.model_server.on_cuda import DeviceLost, OnCuda, pin
from online.model_server.options import ModelOptions
from online.model_server.region import Arrays, Pin
from online.model_server.ways import Compiled, Eager, Way, WithRows

Sample = Callable[[int, int], Call]
"""A call to try a model with, by its rows and a seed."""

_ALONE = ((1,), (7,), (64,), (500,))
_TOGETHER = ((1, 1), (1, 7, 64), (33, 2, 5, 1, 90), (300, 200))
"""Candidates of the calls that are tried when a model is loaded: one by one, and together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outputs, or why there are none."""

    outputs: Arrays
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Error:
    """The largest difference of answers, by itself and relative to the largest answer."""

    absolute: float = 0.0
    relative: float = 0.0

    def __str__(self) -> str:
        return f"{self.absolute:.2g}, {self.relative:.2g} of the largest answer"


class Runner:
    """A model and the ways to run it. `facts` say which these are, and what they cost in exactness."""

    def __init__(
        self,
        model: SavedModel,
        options: ModelOptions,
        files: Path | None = None,
        sample: Sample | None = None,
        exact: Way | None = None,
    ) -> None:
        """`files`: the folder of the model, for what is compiled; compiled code lies beside it. `exact`: what
        its answers are compared with, if not with its own as it was saved.
        Errors: `InputError` for a model that bears an option less well than `options` allow."""
        self._exact = exact or Eager(model, None)
        self._inputs = {
            name: (np.dtype(str(dtype).removeprefix("torch.")), shape)
            for name, (dtype, shape) in model.inputs.items()
        }
        self._tolerance = options.largest_error
        self._sample = sample or Samples(model.inputs, model.predict).call
        self._device = device_of(options.device)
        on_device = self._device.type != "cpu"
        graphs = graphs_of(model, options, on_device=on_device)
        self._graphs = graphs
        self.facts = graphs.facts
        self._plain = self._with_rows(Eager(graphs.model, graphs.across))
        """For a call that is not as the model wants it: it says what is wrong."""
        self._way: Way = self._plain
        self.pin: Pin | None = None
        """What makes a caller's memory readable for the device."""
        tried = _ALONE if graphs.across is None else _ALONE + _TOGETHER
        if on_device:
            if options.compile:
                self.facts["compile"] = "off: on a device CUDA graphs stand in for it"
            self._way = self._on_cuda(graphs.form(), options, tried)
            self.pin = pin
        else:
            if graphs.changed or exact is not None:
                self._must_be_near(self._way, _ALONE)
            if options.compile:
                self._way = self._compiled(graphs.form(), options, files, tried) or self._way
        self._seen_n_times = on_device or (self._way is self._plain and self._takes_one_row())
        """Whether one row may be seen n times; else it is written n times first."""
        self._batches = False
        if options.max_rows:
            self.facts["batching"] = self._try_together(graphs)

    def of(self, model: SavedModel) -> Runner | None:
        """A runner of another version of the graph; None where another graph than the saved one is run, which is to be
        made anew of its parameters, and tried."""
        if self._graphs.changed or self._graphs.rows is not None or self._way is not self._plain:
            return None
        made = copy.copy(self)
        across = self._graphs.across
        if across is not None:
            across = across.with_parameters(model.module.state_dict())
        made._graphs = replace(self._graphs, model=model, across=across)
        made._exact = Eager(model, None)
        made._plain = made._way = Eager(model, made._graphs.across)
        return made

    @property
    def batches(self) -> bool:
        return self._batches

    def rows(self, tensors: Arrays) -> int:
        """The candidates of a call, 0 if it does not say."""
        for name, (_, shape) in self._inputs.items():
            if shape[0] is None and name in tensors and tensors[name].ndim:
                return int(tensors[name].shape[0])
        return 0

    def run(self, calls: Sequence[Arrays]) -> list[Outcome]:
        """An outcome a call, in their order. A call that fails takes no other with it. Errors: `DeviceLost`."""
        fit = [self._fits(call) for call in calls]
        together = [i for i, fits in enumerate(fit) if fits]
        found: dict[int, Outcome] = {}
        if self._batches and len(together) > 1:
            try:
                found = dict(zip(together, self._run_together([calls[i] for i in together]), strict=True))
            except DeviceLost:
                raise
            except Exception:  # one of them is at fault: which one shows when each is run by itself
                found = {}
        return [
            found[i] if i in found else self._run_one(call, self._way if fit[i] else self._plain)
            for i, call in enumerate(calls)
        ]

    def _run_one(self, call: Arrays, way: Way) -> Outcome:
        try:
            outputs = way([self._tensors(call, way)], [self.rows(call)])
            return Outcome({name: tensor.numpy() for name, tensor in outputs.items()})
        except DeviceLost:
            raise
        except Exception as fault:
            return Outcome({}, f"{type(fault).__name__}: {fault}")

    def _run_together(self, calls: Sequence[Arrays]) -> list[Outcome]:
        rows = [self.rows(call) for call in calls]
        outputs = self._way([self._tensors(call, self._way) for call in calls], rows)
        parts = {name: np.split(tensor.numpy(), np.cumsum(rows)[:-1]) for name, tensor in outputs.items()}
        return [Outcome({name: parts[name][i] for name in parts}) for i in range(len(calls))]

    def _fits(self, call: Arrays) -> bool:
        """Whether a call is as the model wants it, so that it may be run in any way, and with others."""
        rows = self.rows(call)
        return rows > 0 and all(
            name in call
            and call[name].dtype == dtype
            and call[name].shape == tuple(rows if size is None else size for size in shape)
            for name, (dtype, shape) in self._inputs.items()
        )

    def _tensors(self, call: Arrays, way: Way) -> dict[str, torch.Tensor]:
        if way is not self._way or not self._seen_n_times:
            call = {name: np.ascontiguousarray(array) for name, array in call.items()}
        return {name: torch.from_numpy(array) for name, array in call.items()}

    def _takes_one_row(self) -> bool:
        """Whether rows that are one and the same give the same bits as rows that are written out."""
        by_row = {name for name, (_, shape) in self._inputs.items() if shape[0] is None}
        try:
            for rows in (2, 64):
                call = self._sample(rows, rows)
                seen = {n: t[:1].expand(t.shape) if n in by_row else t for n, t in call.items()}
                wanted = self._way([{name: tensor.contiguous() for name, tensor in seen.items()}], [rows])
                got = self._way([seen], [rows])
                if any(relative_error(got[name], wanted[name]) != 0 for name in wanted):
                    return False
        except Exception:  # whatever a graph that is not ours may raise
            return False
        return True

    def _with_rows(self, way: Way) -> Way:
        return way if self._graphs.rows is None else WithRows(self._graphs.rows, way)

    # --- what a way costs in exactness -----------------------------------------------------------

    def _compiled(
        self, form: Form, options: ModelOptions, files: Path | None, tried: Sequence[Sequence[int]]
    ) -> Way | None:
        """The way to run the graph's code, compiled now unless that was done for an earlier version. A fact says how
        that went, or why there is none."""
        if files is None:
            self.facts["compile"] = "off: the model has no files"
            return None
        path = compiled_path(form, files.parent, threads=options.threads)
        known = path.exists()
        started = time.monotonic()
        try:
            if not known:
                compile_once(files, options, path)
            code = MachineCode(path, form, at_once=options.runs_at_once)
            way = self._with_rows(Compiled(form, code))
            error = self._error(way, tried)
        except NotCompiled as fault:
            self.facts["compile"] = f"off: {fault}"
            return None
        except Exception as fault:  # whatever a graph that is not ours may raise
            self.facts["compile"] = f"off: {_said(fault)}"
            return None
        if not error.relative <= self._tolerance:
            limit = f"the tolerance is {self._tolerance:.2g}"
            self.facts["compile"] = f"off: the largest error is {error}, {limit}"
            return None
        self._tell(error)
        taken = f"in {time.monotonic() - started:.0f} s"
        self.facts["compile"] = "the code of an earlier version" if known else taken
        return way

    def _on_cuda(self, form: Form, options: ModelOptions, tried: Sequence[Sequence[int]]) -> Way:
        """The way to run calls on the device. Errors: `InputError`, and what torch raises where that cannot be."""
        way = OnCuda(
            form.moved(self._device),
            self._device,
            at_once=options.runs_at_once,
            graphs=options.cuda_graphs,
            tf32=options.tf32,
        )
        self.facts |= way.facts
        self._must_be_near(way, tried)
        return way

    def _must_be_near(self, way: Way, tried: Sequence[Sequence[int]]) -> None:
        """Errors: `InputError` for answers that are further from the saved model's than is allowed."""
        error = self._error(way, tried)
        self._tell(error)
        if not error.relative <= self._tolerance:
            raise InputError(
                f"with these options its largest error is {error}; the tolerance is {self._tolerance:.2g}"
            )

    def _try_together(self, graphs: Graphs) -> str:
        """Whether calls are run together from now on, and what that costs against each by itself."""
        if graphs.across is None:
            return f"off: {graphs.not_by_row}"
        try:
            error = self._error(self._way, _TOGETHER, self._way)
        except Exception as fault:  # whatever a graph that is not ours may raise
            return f"off: {_said(fault)}"
        worst = error.relative
        if not worst <= self._tolerance:
            return f"off: the largest relative error is {worst:.2g}, the tolerance is {self._tolerance:.2g}"
        self._batches = True
        return (
            "bit-equal on the calls that were tried" if worst == 0 else f"largest relative error {worst:.2g}"
        )

    def _error(self, way: Way, tried: Sequence[Sequence[int]] = _ALONE, against: Way | None = None) -> Error:
        """Of a way to run calls, against each by itself as the model was saved, or in another way."""
        absolute = relative = 0.0
        for first, sizes in enumerate(tried):
            calls = [self._sample(rows, seed) for seed, rows in enumerate(sizes, first * 10)]
            alone = [
                (against or self._exact)([call], [rows]) for call, rows in zip(calls, sizes, strict=True)
            ]
            for name, got in way(calls, sizes).items():
                wanted = torch.cat([answer[name] for answer in alone])
                absolute = max(absolute, float((got - wanted).abs().nan_to_num().max()))
                relative = max(relative, relative_error(got, wanted))
        return Error(absolute, relative)

    def _tell(self, error: Error) -> None:
        self.facts["largest error"] = f"{error} (random inputs, against float32)"


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


def _said(fault: Exception) -> str:
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:300]}"
