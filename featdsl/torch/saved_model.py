"""A model on disk: its graph, its parameters, and what it is for.

    model.json               names, shapes, the feature program's fingerprint, a checksum a file
    program.pt2              the graph as `torch.export` writes it, without the parameters' values
    parameters.safetensors   the parameters and buffers
    bundle.featb             the feature program that makes the inputs
    tables.json, layers/     the embedding tables that the graph reads and does not hold, if there are any

Nothing of it is executed or unpickled on load: the graph is JSON, the parameters are plain arrays, and an
archive with anything else inside is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import json
import os
import shutil
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from compiler.bundle import Bundle, ModelSignature, TensorSignature, write_bundle
from engine import SnapshotTable
from featdsl.errors import InputError
from featdsl.steps import step
from featdsl.torch.embedding_table import EmbeddingTable
from featdsl.torch.graph import with_parameters
from featdsl.torch.stand_ins import FrozenTable, TableApart, stand_ins, tables_by_name, tables_of
from featdsl.torch.table_layers import ResidentTable, resident_table, write_anchors
from featdsl.torch.table_rows import pinned, tables_read
from model_sync.table_stack import TABLES, TableEntry, read_tables
from model_sync.version import digest_of

PROGRAM, PARAMETERS, BUNDLE, MODEL = "program.pt2", "parameters.safetensors", "bundle.featb", "model.json"
_DTYPES = {
    "bool": torch.bool,
    "int32": torch.int32,
    "int64": torch.int64,
    "float32": torch.float32,
    "float64": torch.float64,
}
_ALLOWED_FILES = ("data/weights/", "models/model.json", ".data/", "data/constants/tensor_")
_ALLOWED_NAMES = ("archive_format", "archive_version", "byteorder", "version", "model_constants_config.json")
_UNREADABLE = (
    OSError,
    SafetensorError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
)
_EXAMPLE_ROWS = 4
MAX_CANDIDATES = 1 << 24

Inputs = Mapping[str, tuple[torch.dtype, tuple[int | None, ...]]]


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A loaded model. `inputs` maps a name to (dtype, shape), shape without values for the rows; `tables`: what the
    graph reads and does not hold; `program`: the checksum of the graph."""

    name: str
    fingerprint: str
    inputs: Inputs
    outputs: tuple[str, ...]
    module: torch.fx.GraphModule
    tables: Mapping[str, ResidentTable] = field(default_factory=dict)
    program: str = ""

    def predict(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The outputs, float32 or float64 [n] each. Errors: `ValueError` for a tensor that is absent or of
        another type."""
        for name, (dtype, _) in self.inputs.items():
            if name not in tensors:
                raise ValueError(f"an input of the model is missing: {name}")
            if tensors[name].dtype != dtype:
                raise ValueError(f"input {name} is {tensors[name].dtype}, the model wants {dtype}")
        # torch's hooks look at shapes by symbolic algebra, half a millisecond a call: they are for what does not fit
        run = self.module.forward if self._fits(tensors) else self.module
        with self.running():
            answer = run(**{name: tensors[name] for name in self.inputs})
        return self.named(answer)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Within it this thread runs the graph, or what was made of it, on this version of its tables."""
        with pinned({name: table.rows for name, table in self.tables.items()}), torch.inference_mode():
            yield

    def _fits(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Whether all shapes are as the graph was exported for."""
        by_candidate = [name for name, (_, shape) in self.inputs.items() if shape[:1] == (None,)]
        rows = next((tensors[name].shape[0] for name in by_candidate if tensors[name].ndim), 0)
        return rows <= MAX_CANDIDATES and all(
            tensors[name].shape == tuple(rows if size is None else size for size in shape)
            for name, (_, shape) in self.inputs.items()
        )

    def named(self, answer: Any) -> dict[str, torch.Tensor]:
        """What the module returned (a tensor, a tuple, a dict) by output. Errors: `ValueError`."""
        return _named_outputs(answer, self.outputs)

    def warm(self, *, rows: Sequence[int] = (1, 2, 64)) -> None:
        """Runs the model on zeros, so that the first call is not slower than the others."""
        for count in rows:
            answer = self.predict(_zeros(self.inputs, count))
            for name, tensor in answer.items():
                _check_output(name, tensor, count)


def save_model(
    module: torch.nn.Module,
    bundle: Bundle,
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    metrics: Mapping[str, float] | None = None,
    tables: Literal["frozen", "apart"] = "frozen",
) -> Path:
    """Saves `module` as the model of a bundle, ready for `feat publish`.

    `module.forward` takes the model's inputs by name ([n, k] or [n]; [1, k] or [1] per request) and returns
    the output [n], a tuple of them in the order of the file, or a dict by name. An `EmbeddingTable` in it is saved with
    the rows that it has, `frozen` as parameters of the graph, or `apart`, beside it: then a later version is loaded as
    what has changed. `model` names the model when the program has several. `metrics` travel with the version. The
    folder is written aside and renamed.
    Errors: `InputError` when the module does not fit the program's model or cannot be exported.
    """
    signature = _signature(bundle, model)
    target = Path(path).absolute()
    if (
        target.exists()
        and not (target / MODEL).is_file()
        and any(target.iterdir() if target.is_dir() else [1])
    ):
        raise InputError(
            f"not a saved model, so it is not overwritten: {target}", help="choose another folder"
        )
    apart = tables_by_name(module) if tables == "apart" else {}
    program, parameters = _export(module, signature, TableApart if apart else FrozenTable.of)
    target.parent.mkdir(parents=True, exist_ok=True)
    writing = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks that the weights in the graph are place-holders
            torch.export.save(program, writing / PROGRAM)
        save_file(parameters, writing / PARAMETERS)
        write_bundle(bundle, writing / BUNDLE)
        description: dict[str, Any] = {
            "format": 1,
            "model": signature.name,
            "fingerprint": bundle.fingerprint,
            "inputs": [{"name": t.name, "dtype": t.dtype, "shape": list(t.shape)} for t in signature.inputs],
            "outputs": [c.name for c in signature.outputs],
            "torch": torch.__version__,
            "metrics": {name: float(value) for name, value in (metrics or {}).items()},
            "files": {n: _sha256(writing / n) for n in (PROGRAM, PARAMETERS, BUNDLE)},
        }
        if apart:
            description["tables"] = {name: {"width": table.width} for name, table in apart.items()}
            write_anchors(writing, apart.values())
        (writing / MODEL).write_text(json.dumps(description, indent=1))
        writing.chmod(0o755)
        _swap(writing, target)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return target


def load_model(path: str | os.PathLike[str]) -> SavedModel:
    """The saved model at `path`, wholly in memory: what happens to the files later does not matter. Errors:
    `InputError` for anything that `save_model` did not write, and for parameters and rows that are not finite."""
    directory = Path(path)
    model = load_dense(directory)
    entries = _table_entries(directory, _description(directory), tables_read(model.module))
    tables = {name: resident_table(name, entry, directory) for name, entry in entries.items()}
    return replace(model, tables=tables)


def load_beside(path: str | os.PathLike[str], others: Sequence[SavedModel]) -> SavedModel:
    """The saved model at `path` beside `others` of the same graph, one at least. It has the graph in common with them,
    and of each table the layers of the one that has most of them, so it costs what is new. Errors: `InputError`."""
    directory = Path(path)
    description = _description(directory)
    first = others[-1]
    step()
    try:
        _read(directory, PROGRAM, description)
        step()
        parameters = load(_read(directory, PARAMETERS, description))
        said = (description["files"][PROGRAM], *_said(description))
    except _UNREADABLE as fault:
        raise InputError(f"the saved model does not load: {directory}: {_first_line(fault)}") from fault
    if said != (first.program, first.name, first.fingerprint, first.inputs, first.outputs):
        raise InputError(f"the saved model has another graph: {directory}")
    _check_finite(directory, parameters)
    held = {name: (tensor.dtype, tensor.shape) for name, tensor in first.module.state_dict().items()}
    if held != {name: (tensor.dtype, tensor.shape) for name, tensor in parameters.items()}:
        raise InputError(f"the saved model has other parameters than its graph: {directory}")
    step()
    tables = {
        name: resident_table(name, entry, directory, [one.tables[name] for one in others])
        for name, entry in _table_entries(directory, description, tables_read(first.module)).items()
    }
    return replace(first, module=with_parameters(first.module, parameters), tables=tables)


def load_dense(directory: Path) -> SavedModel:
    """The same without its tables. Errors: `InputError`."""
    description = _description(directory)
    try:
        program = _read(directory, PROGRAM, description)
        _only_data(program)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.export.load(io.BytesIO(program)).module(check_guards=False)
        parameters = load(_read(directory, PARAMETERS, description))
        module.load_state_dict(parameters, strict=True, assign=True)
        name, fingerprint, inputs, outputs = _said(description)
    except _UNREADABLE as fault:
        raise InputError(f"the saved model does not load: {directory}: {_first_line(fault)}") from fault
    _check_finite(directory, parameters)
    for tensor in module.parameters():
        tensor.requires_grad_(False)
    return SavedModel(name, fingerprint, inputs, outputs, module, program=description["files"][PROGRAM])


def _table_entries(
    directory: Path, description: Mapping[str, Any], read: Mapping[str, int]
) -> dict[str, TableEntry]:
    """What the tables of a saved model are made of. `read`: the width of each that its graph reads. Errors:
    `InputError`, where the folder has others than it should."""
    try:
        said = {str(n): int(table["width"]) for n, table in description.get("tables", {}).items()}
        entries = read_tables(directory)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InputError(f"the saved model does not load: {directory}: {_first_line(fault)}") from fault
    for name, width in read.items():
        if said.get(name) != width:
            raise InputError(
                f"the graph reads a table of width {width} that is not there: {directory}: {name}"
            )
    for name in sorted(said.keys() | entries.keys()):
        found = entries[name].width if name in entries else None
        if said.get(name) != found:
            raise InputError(
                f"{MODEL} says that its width is {said.get(name)}, {TABLES} {found}: {directory}: {name}"
            )
    return entries


def _signature(bundle: Bundle, model: str | None) -> ModelSignature:
    if model is None:
        if len(bundle.models) != 1:
            names = ", ".join(bundle.models) or "none"
            raise InputError(
                f"say which model of the program this is, it has: {names}", help="save_model(…, model=NAME)"
            )
        model = next(iter(bundle.models))
    return bundle.model(model)


def _export(
    module: torch.nn.Module,
    signature: ModelSignature,
    stand_in: Callable[[EmbeddingTable], torch.nn.Module],
) -> tuple[torch.export.ExportedProgram, dict[str, torch.Tensor]]:
    """The graph with place-holders for its parameters, and the parameters."""
    inputs = {t.name: (_DTYPES[t.dtype], t.shape) for t in signature.inputs}
    rows = torch.export.Dim("rows", min=0, max=MAX_CANDIDATES)
    dynamic: dict[str, Any] = {t.name: ({} if t.per_request else {0: rows}) for t in signature.inputs}
    training = module.training
    module.eval()
    try:
        example = _zeros(inputs, _EXAMPLE_ROWS)
        no_rows = {table.name: SnapshotTable(table.width).empty() for table in tables_of(module)}
        with stand_ins(module, stand_in):
            with torch.no_grad(), pinned(no_rows):
                outputs = _named_outputs(module(**example), [c.name for c in signature.outputs])
            for name, tensor in outputs.items():
                _check_output(name, tensor, _EXAMPLE_ROWS)
            program = torch.export.export(
                _with_names(module, list(inputs)), (), example, dynamic_shapes=dynamic, strict=False
            )
    except Exception as fault:  # whatever the user's own module raises
        raise InputError(
            f"the module does not fit model {signature.name}: {_first_line(fault)}",
            help="its forward takes "
            + ", ".join(f"{t.name} {_shown(t)}" for t in signature.inputs)
            + " and returns "
            + ", ".join(c.name for c in signature.outputs),
        ) from fault
    finally:
        module.train(training)
    parameters = {n: t.detach().clone().contiguous() for n, t in program.state_dict.items()}
    for name, tensor in list(program.state_dict.items()):
        # one element that is seen as many: the archive keeps the shape, not the values
        hollow = torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        program.state_dict[name] = torch.nn.Parameter(hollow, requires_grad=False) if is_parameter else hollow
    program.example_inputs = None
    return program, parameters


def _with_names(module: torch.nn.Module, names: Iterable[str]) -> torch.nn.Module:
    """The same, with a name for each input where the module takes `**inputs`: the exporter goes by names."""
    kinds = {parameter.kind for parameter in inspect.signature(module.forward).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        return module

    def forward(**given: torch.Tensor) -> Any:
        return module(**given)

    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    forward.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    named_module = torch.nn.Module()
    named_module.inner = module
    named_module.forward = forward
    return named_module


def _shown(tensor: TensorSignature) -> str:
    return f"{tensor.dtype}[{', '.join('n' if d is None else str(d) for d in tensor.shape)}]"


def _named_outputs(answer: Any, names: Iterable[str]) -> dict[str, torch.Tensor]:
    wanted = list(names)
    if isinstance(answer, torch.Tensor):
        answer = (answer,)
    found = dict(answer) if isinstance(answer, Mapping) else dict(zip(wanted, answer, strict=True))
    if set(found) != set(wanted):
        raise ValueError(f"the outputs are {sorted(found)}, the program names {sorted(wanted)}")
    return {name: found[name] for name in wanted}


def _check_output(name: str, tensor: torch.Tensor, rows: int) -> None:
    if tuple(tensor.shape) != (rows,):
        raise ValueError(f"output {name} has shape {list(tensor.shape)} for {rows} rows, not [{rows}]")
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"output {name} is {str(tensor.dtype).removeprefix('torch.')}, not float32 or float64"
        )


def _zeros(inputs: Inputs, rows: int) -> dict[str, torch.Tensor]:
    return {
        name: torch.zeros([rows if d is None else d for d in shape], dtype=dtype)
        for name, (dtype, shape) in inputs.items()
    }


def _description(directory: Path) -> dict[str, Any]:
    try:
        description = json.loads((directory / MODEL).read_text())
        if description["format"] != 1:
            raise ValueError(f"unknown format: {description['format']}")
        return dict(description)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise InputError(f"not a saved model: {directory}: {MODEL}: {_first_line(fault)}") from fault


def _said(description: Mapping[str, Any]) -> tuple[str, str, Inputs, tuple[str, ...]]:
    """The model's name, the fingerprint, the inputs and the outputs."""
    inputs = {
        str(i["name"]): (_DTYPES[i["dtype"]], tuple(None if d is None else int(d) for d in i["shape"]))
        for i in description["inputs"]
    }
    outputs = tuple(str(name) for name in description["outputs"])
    return str(description["model"]), str(description["fingerprint"]), inputs, outputs


def _check_finite(directory: Path, parameters: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in parameters.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"a parameter is not finite: {directory}: {name}")


def _read(directory: Path, name: str, description: Mapping[str, Any]) -> bytes:
    data = (directory / name).read_bytes()
    if digest_of(data) != description["files"][name]:
        raise ValueError(f"the checksum of {name} is wrong")
    return data


def _only_data(program: bytes) -> None:
    """Refuses an archive that holds more than a graph and arrays, such as pickled inputs or objects."""
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        for entry in archive.infolist():
            inner = entry.filename.partition("/")[2]
            allowed = inner.startswith(_ALLOWED_FILES) or inner.rpartition("/")[2] in _ALLOWED_NAMES
            if entry.file_size and not allowed:
                raise ValueError(f"{PROGRAM} holds something that is no graph: {entry.filename}")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _swap(writing: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old.{time.monotonic_ns()}")
    with contextlib.suppress(FileNotFoundError):
        target.rename(old)
    writing.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _first_line(fault: BaseException) -> str:
    """The first line of a fault; with the next where it only introduces that."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    if not lines:
        return type(fault).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
