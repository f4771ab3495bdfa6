"""The files of a version as its model server keeps them: its own, whatever becomes of the registry's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from model_sync.table_stack import LAYERS

_MODEL, _PROGRAM = "model.json", "program.pt2"


def copy_files(directory: Path, own: Path, others: Iterable[Path]) -> None:
    """Copies a version's folder. Chunks of layers never change and are read by their checksum: they are linked, from
    there or from folders of `others` that are kept, and copied where that cannot be. Errors: `OSError`."""
    layers = directory / LAYERS
    shutil.copytree(directory, own, ignore=lambda folder, _: [LAYERS] if Path(folder) == directory else [])
    if not layers.is_dir():
        return
    (own / LAYERS).mkdir()
    sources = [layers, *(other / LAYERS for other in others)]
    for chunk in layers.iterdir():
        for source in sources:
            with contextlib.suppress(OSError):
                os.link(source / chunk.name, own / LAYERS / chunk.name)
                break
        else:
            shutil.copyfile(chunk, own / LAYERS / chunk.name)


def bytes_of_layers(directory: Path) -> int:
    """How much is to be read to load a version's tables."""
    layers = directory / LAYERS
    return sum(chunk.stat().st_size for chunk in layers.iterdir()) if layers.is_dir() else 0


def graph_of(directory: Path) -> str:
    """Names the graph of a version that reads tables beside it, and what comes in and out; "" for a version without
    tables, and for what is no saved model."""
    try:
        description = json.loads((directory / _MODEL).read_text())
        if "tables" not in description:
            return ""
        known = [description[name] for name in ("model", "fingerprint", "inputs", "outputs", "tables")]
        known.append(description["files"][_PROGRAM])
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return ""
