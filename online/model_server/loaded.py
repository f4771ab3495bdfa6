"""A version as its process runs it: whole, and if that is wanted in two, what is an item's alone and the rest."""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from featdsl.errors import InputError
from featdsl.torch.form import Call
from featdsl.torch.item_parts import Parted, item_inputs, part_items
from featdsl.torch.rows_first import rows_first
from featdsl.torch.sample import Samples
from featdsl.torch.saved_model import MODEL, SavedModel
from online.model_server.devices import device_of
from online.model_server.options import ModelOptions
from online.model_server.region import Pin
from online.model_server.runner import Runner, Sample
from online.model_server.ways import Eager
from online.models import ItemParts

_TOLD = ("largest error", "batching", "compile")


class LoadedVersion:
    """A model's runners by what they are asked to do."""

    def __init__(
        self, model: SavedModel, options: ModelOptions, files: Path, sample: Sample | None = None
    ) -> None:
        """`files`: the folder of the model; `sample`: calls to try it with, if they are known. Errors: `InputError` for
        a model that bears an option less well than `options` allow."""
        self.model = model
        self.costs: dict[str, int] = {}
        self._options = options
        self._parts: ItemParts | None = None
        self._sample = sample = sample or Samples(model.inputs, model.predict).call
        halves: dict[str, Runner] = {}
        said = ""
        options, off = _bearable(model, options)
        if options.item_parts:
            options = replace(options, split=True)
            halves, said = self._in_two(model, options, files, sample)
        whole = replace(options, item_parts=False, compile=options.compile and not halves)
        self._runners = {"predict": Runner(model, whole, files, sample), **halves}
        self.facts = self._runners["predict"].facts | off
        if said:
            self.facts["item parts"] = said
        if halves:
            facts = halves["predict with parts"].facts
            self.facts |= {f"{name}, with item parts": facts[name] for name in _TOLD if name in facts}

    def beside(self, model: SavedModel, files: Path) -> LoadedVersion:
        """Another version of the same graph. Errors: `InputError`, as when one is made."""
        runners = {op: runner.of(model) for op, runner in self._runners.items()}
        if self._parts is not None or None in runners.values():
            return LoadedVersion(model, self._options, files, self._sample)
        made = copy.copy(self)
        made.model = model
        made.facts = dict(self.facts)
        made._runners = {op: runner for op, runner in runners.items() if runner is not None}
        return made

    @property
    def batches(self) -> bool:
        return any(runner.batches for runner in self._runners.values())

    @property
    def pin(self) -> Pin | None:
        return self._runners["predict"].pin

    def runner(self, op: str, of: Any) -> Runner | None:
        """Who does this, with the parts that are known as `of`; None where nobody does."""
        if op != "predict" and (self._parts is None or of != self._parts.identity):
            return None
        return self._runners.get(op)

    def tell_costs(self, seconds: float) -> None:
        """What its tables have, and what it cost to make them of those that were there."""
        tables = self.model.tables
        applied = sum(table.applied for table in tables.values())
        self.costs = {
            "table_rows": sum(table.rows.rows for table in tables.values()),
            "applied_rows": applied,
            "load_us": int(seconds * 1e6),
        }
        self.facts["tables"] = ", ".join(
            f"{name}: {table.rows.rows} rows of {table.rows.table.width}" for name, table in tables.items()
        )
        self.facts["applied"] = f"{applied} rows, loaded in {seconds * 1000:.1f} ms"

    def told(self) -> dict[str, Any]:
        """What a caller has to know."""
        return {"facts": self.facts, "parts": None if self._parts is None else self._parts.as_json()}

    def _in_two(
        self, model: SavedModel, options: ModelOptions, files: Path, sample: Sample
    ) -> tuple[dict[str, Runner], str]:
        """The runners of the two halves, and what was done, or why not."""
        if device_of(options.device).type != "cpu":
            return {}, "off: on a device"
        try:
            parted = part_items(model, item_inputs(files, model.name))
            if isinstance(parted, str):
                return {}, parted
            halves = _runners(model, parted, options, files, sample)
        except InputError:
            raise
        except Exception as fault:  # whatever a graph that is not ours may raise
            return {}, f"off: {type(fault).__name__}: {' '.join(str(fault).split())[:300]}"
        self._parts = _described(parted, options, files)
        return halves, parted.said


def _bearable(model: SavedModel, options: ModelOptions) -> tuple[ModelOptions, dict[str, str]]:
    """What of the options a model bears, and what is off. Errors: `InputError` for a device that is not there."""
    off: dict[str, str] = {}
    if not model.tables:
        return options, off
    if device_of(options.device).type != "cpu":
        off["device"] = "off: the graph reads tables that lie beside it"
        options = replace(options, device="cpu")
    if options.compile and isinstance(apart := rows_first(model), str):
        off["compile"] = apart
        options = replace(options, compile=False)
    return options, off


def _runners(
    model: SavedModel, parted: Parted, options: ModelOptions, files: Path, sample: Sample
) -> dict[str, Runner]:
    alone = replace(options, split=False, item_parts=False, compile=False)
    of_items = Runner(parted.of_items, alone, None, sample)

    def with_parts(rows: int, seed: int) -> Call:
        call = sample(rows, seed)
        (made,) = of_items.run([{name: tensor.numpy() for name, tensor in call.items()}])
        if made.fault:
            raise RuntimeError(made.fault)
        return {**call, **{name: torch.from_numpy(array) for name, array in made.outputs.items()}}

    rest = Runner(parted.rest, options, files, with_parts, exact=Eager(model, None))
    return {"make parts": of_items, "predict with parts": rest}


def _described(parted: Parted, options: ModelOptions, files: Path) -> ItemParts:
    """The parts. Their identity is made of everything that their bits depend on."""
    machine = [torch.__version__, platform.machine(), torch.backends.cpu.get_cpu_capability()]
    known = hashlib.sha256((files / MODEL).read_bytes())  # with checksums of graph and parameters
    known.update(json.dumps({name: table.state.sum for name, table in parted.rest.tables.items()}).encode())
    known.update(json.dumps([options.as_json(), *machine]).encode())
    shapes = {name: parted.rest.inputs[name] for name in parted.of_items.outputs}
    return ItemParts(
        known.hexdigest(),
        tuple(parted.of_items.inputs),
        {
            name: (str(dtype).removeprefix("torch."), tuple(size or 0 for size in shape[1:]))
            for name, (dtype, shape) in shapes.items()
        },
        tuple(name for name in parted.rest.inputs if name not in shapes),
    )
