"""Folders that look like what `save_model` writes, without a model in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine import SnapshotTable
from model_sync.layer_file import layer_chunks
from model_sync.table_stack import LAYERS, Chunk, Layer, TableEntry, TableState, write_tables
from model_sync.version import digest_of


def saved(path: Path, content: bytes = b"weights", fingerprint: str = "f" * 64) -> Path:
    """A model with one file of parameters."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "parameters.safetensors").write_bytes(content)
    description = {
        "model": "ranker",
        "fingerprint": fingerprint,
        "metrics": {"auc": 0.75},
        "files": {"parameters.safetensors": hashlib.sha256(content).hexdigest()},
    }
    (path / "model.json").write_text(json.dumps(description))
    return path


def saved_with_table(path: Path, layers: Sequence[Mapping[int, float]], width: int = 4) -> Path:
    """One with a table `users`: each layer says rows by id, all values of a row the same."""
    saved(path)
    (path / LAYERS).mkdir(exist_ok=True)
    table = SnapshotTable(width)
    snapshot, made = table.empty(), []
    none = np.zeros(0, np.int64)
    for rows in layers:
        ids = np.array(list(rows), np.int64)
        values = np.repeat(np.array(list(rows.values()), np.float32)[:, None], width, axis=1)
        snapshot = table.apply(snapshot, ids, np.ascontiguousarray(values), none)
        chunks = []
        for data in layer_chunks(ids, values, none):
            chunks.append(Chunk(len(data), digest_of(data)))
            (path / LAYERS / chunks[-1].sha256).write_bytes(data)
        made.append(Layer(len(ids), 0, tuple(chunks), TableState.of(snapshot.rows, snapshot.sum)))
    write_tables(path, {"users": TableEntry(width, tuple(made))})
    return path
