"""Writes a published version into Triton's layout: `models/<name>/config.pbtxt` and `models/<name>/<N>/`.

python examples/triton/triton_layout.py --registry demo/registry --version 1 --out models
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from compiler.bundle import read_bundle
from compiler.signature import ModelSignature
from model_sync import open_registry
from online.model_server.triton_tensors import DTYPES

HERE = Path(__file__).parent
FILES = ("model.json", "program.pt2", "parameters.safetensors")


def export(registry: Path, version: int, out: Path) -> Path:
    """The folder of the version, whole when it appears."""
    with tempfile.TemporaryDirectory() as scratch:
        published = Path(scratch) / "version"
        open_registry(f"dir://{registry}").fetch(version, published)
        model = next(iter(read_bundle(published / "bundle.featb").models.values()))
        folder = out / model.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.pbtxt").write_text(config(model))
        aside = folder / f".{version}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for name in FILES:
            shutil.copy(published / name, aside)
    shutil.copy(HERE / "model.py", aside)
    return aside.rename(folder / f"{version}")


def config(model: ModelSignature) -> str:
    """All versions serve that are there; shapes as the program makes them, without Triton's batches."""
    inputs = [_tensor(tensor.name, DTYPES[tensor.dtype], tensor.shape) for tensor in model.inputs]
    outputs = [_tensor(column.name, DTYPES[str(column.type)], (None,)) for column in model.outputs]
    return "\n".join(
        [
            'backend: "python"',
            "max_batch_size: 0",
            "version_policy { all {} }",
            f"input [\n{_joined(inputs)}\n]",
            f"output [\n{_joined(outputs)}\n]",
            "",
        ]
    )


def _tensor(name: str, datatype: str, shape: tuple[int | None, ...]) -> str:
    sizes = ", ".join("-1" if size is None else str(size) for size in shape)
    return f'  {{ name: "{name}" data_type: TYPE_{datatype} dims: [{sizes}] }}'


def _joined(tensors: list[str]) -> str:
    return ",\n".join(tensors)


def main() -> None:
    parser = argparse.ArgumentParser(description="A published version in Triton's layout.")
    parser.add_argument("--registry", type=Path, required=True)
    parser.add_argument("--version", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the folder of models")
    args = parser.parse_args()
    print(export(args.registry, args.version, args.out))


if __name__ == "__main__":
    main()
