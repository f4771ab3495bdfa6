"""A version for Triton's Python backend: `config.pbtxt`, and beside the published files a `model.py` that runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from compiler.bundle import read_bundle
from compiler.signature import ModelSignature
from featdsl.errors import InputError
from online.export.layout import NotExported
from online.export.prepared import BUNDLE, MODEL, prepared
from online.model_server.triton_tensors import DTYPES

CONFIG = "config.pbtxt"
RUNS = Path(__file__).with_name("triton_model.py")
_OURS = "# Written by `feat export`. Without this line the file is yours, and stays as it is."


_NO_CACHE = (
    "A file, so that Python writes no folder here: Triton loads a version anew whose folder has changed.\n"
)


class TritonForm:
    """The `Form` of Triton. `config.pbtxt` is written where there is none, or one that was written so."""

    note = "featdsl.json"

    def __init__(self, runs: Path | None = None) -> None:
        """`runs`: the model.py to put beside a version, instead of the one that runs what torch has exported."""
        self._runs = runs

    def write(self, fetched: Path, into: Path) -> None:
        ready = prepared(fetched, checked=self._runs is None)
        ready.rename(into)
        shutil.copyfile(RUNS if self._runs is None else self._runs, into / "model.py")
        (into / "__pycache__").write_text(_NO_CACHE)

    def check(self, model: Path, written: Path, others: list[Path]) -> None:
        signature = _signature(written)
        (written / BUNDLE).unlink()
        for other in others:
            if (other / self.note).exists() and _tensors(other) != _tensors(written):
                raise NotExported(
                    f"its inputs or outputs are not those of version {other.name}, and Triton has one configuration "
                    "for all versions of a model: export it under another name"
                )
        file, wanted = model / CONFIG, config(signature)
        there = file.read_text() if file.exists() else _OURS
        if there.startswith(_OURS) and there != wanted:
            aside = written.with_name(CONFIG)
            aside.write_text(wanted)
            aside.replace(file)


def config(model: ModelSignature) -> str:
    """All versions serve that are there; shapes as the program makes them, without Triton's batches."""
    inputs = [_tensor(tensor.name, DTYPES[tensor.dtype], tensor.shape) for tensor in model.inputs]
    outputs = [_tensor(column.name, DTYPES[str(column.type)], (None,)) for column in model.outputs]
    return "\n".join(
        [
            _OURS,
            'backend: "python"',
            "max_batch_size: 0",
            "version_policy { all {} }",
            f"input [\n{_joined(inputs)}\n]",
            f"output [\n{_joined(outputs)}\n]",
            "",
        ]
    )


def _signature(written: Path) -> ModelSignature:
    try:
        name = json.loads((written / MODEL).read_text())["model"]
        return read_bundle(written / BUNDLE).model(name)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise NotExported(f"{MODEL} does not read: {fault!r}") from fault
    except InputError as fault:
        raise NotExported(fault.message) from fault


def _tensors(folder: Path) -> Any:
    said = json.loads((folder / MODEL).read_text())
    return said.get("inputs"), said.get("outputs")


def _tensor(name: str, datatype: str, shape: tuple[int | None, ...]) -> str:
    sizes = ", ".join("-1" if size is None else str(size) for size in shape)
    return f'  {{ name: "{name}" data_type: TYPE_{datatype} dims: [{sizes}] }}'


def _joined(tensors: list[str]) -> str:
    return ",\n".join(tensors)
