"""Writes the message classes beside this file from the `.proto` files: `python -m online.proto.generate`.

The results are committed, so that only those who change the protocol need protoc (`grpcio-tools`).
"""

from __future__ import annotations

import importlib.resources
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROTOS = (
    "featdsl/v1/scorer.proto",
    "featdsl/v1/error.proto",
    "featdsl/peers/tensorflow_serving.proto",
    "featdsl/peers/kserve.proto",
)


def generate(target: Path) -> list[Path]:
    """Generates into the folder `target`; returns the files written. The modules import nothing but
    protobuf, so they may lie under any package name."""
    from grpc_tools import protoc

    well_known = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "protoc",
            f"-I{HERE}",
            f"-I{well_known}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
        ]
        if protoc.main([*arguments, *PROTOS]) != 0:
            raise RuntimeError("protoc failed, see above")
        made = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return [Path(shutil.copy(path, target / path.name)) for path in made]


if __name__ == "__main__":
    for written in generate(HERE):
        print(written.name, file=sys.stderr)
