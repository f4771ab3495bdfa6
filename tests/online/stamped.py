"""A model whose version shows in every row of its table and in its parameters, and versions that are deltas."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from compiler.bundle import Bundle, build
from engine import Snapshot
from featdsl.torch import EmbeddingTable, save_model
from featdsl.torch.table_layers import resident_table
from model_sync.layer_file import layer_chunks
from model_sync.table_stack import LAYERS, Chunk, Layer, TableEntry, TableState, read_tables, write_tables

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source profile of user { liked: list<int64> }
source movie of item { id: int64 = 0  plot: list<float32> }
model ranker {
  movie: int64 = movie.id
  plot:  float32 = movie.plot |> pad(4)
  liked: int64 per request = profile.liked |> pad(2)
  output low: float32
  output high: float32
  output dense: float32
}
"""
WIDTH = 4
IDS = np.arange(1, 501) * 7_919


class Stamped(torch.nn.Module):
    """The least and the largest value that rows and parameters have: one number, unless they are of two versions."""

    def __init__(self, stamp: float) -> None:
        super().__init__()
        self.items = EmbeddingTable("items", WIDTH)
        self.items(torch.from_numpy(IDS))
        self.items.rows[: len(IDS)] = stamp
        self.first = torch.nn.Parameter(torch.full((3,), stamp))
        self.last = torch.nn.Parameter(torch.full((2,), stamp))
        self.layer = torch.nn.Linear(4, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)

    def forward(
        self, movie: torch.Tensor, plot: torch.Tensor, liked: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        user = self.items(liked).flatten(1).expand(movie.shape[0], -1)
        rows = torch.cat([self.items(movie), user], 1)
        nothing = self.layer(plot).squeeze(1)
        dense = torch.cat([self.first, self.last])
        return rows.amin(1) + nothing, rows.amax(1) + nothing, (dense.amin() + dense.amax()) / 2 + nothing


@cache
def bundle(folder: Path) -> Bundle:
    (folder / "ranker.feat").write_text(PROGRAM)
    return build(folder / "ranker.feat")


def anchor(folder: Path, stamp: float) -> Path:
    """A version of it whose table is one layer."""
    return save_model(Stamped(stamp), bundle(folder), folder / f"anchor-{stamp:g}", tables="apart")


class Chain:
    """Versions, each of which has a layer more than the last."""

    def __init__(self, first: Path) -> None:
        self.last = first
        self.folder = first.parent
        self._rows: Snapshot = resident_table("items", read_tables(first)["items"], first).rows

    def next(
        self,
        stamp: float,
        ids: npt.NDArray[np.int64] = IDS,
        rows: npt.NDArray[np.float32] | None = None,
        deleted: Sequence[int] = (),
    ) -> Path:
        """Stamps rows and parameters with another number."""
        made = self.folder / f"delta-{stamp:g}"
        shutil.copytree(self.last, made, copy_function=os.link)
        rows = np.full((len(ids), WIDTH), stamp, np.float32) if rows is None else rows
        gone = np.array(deleted, np.int64)
        self._rows = self._rows.table.apply(self._rows, ids, rows, gone)
        entry = read_tables(self.last)["items"]
        layer = Layer(len(ids), len(gone), put_chunks(made, ids, rows, gone), self._state())
        (made / "tables.json").unlink()
        write_tables(made, {"items": TableEntry(WIDTH, (*entry.layers, layer))})
        put_parameters(made, stamp)
        self.last = made
        return made

    def _state(self) -> TableState:
        return TableState.of(self._rows.rows, self._rows.sum)


def put_chunks(
    folder: Path, ids: npt.NDArray[np.int64], rows: npt.NDArray[np.float32], deleted: npt.NDArray[np.int64]
) -> tuple[Chunk, ...]:
    chunks = []
    for data in layer_chunks(ids, rows, deleted, most_bytes=8_000):
        sha256 = hashlib.sha256(data).hexdigest()
        (folder / LAYERS / sha256).unlink(missing_ok=True)
        (folder / LAYERS / sha256).write_bytes(data)
        chunks.append(Chunk(len(data), sha256))
    return tuple(chunks)


def put_parameters(folder: Path, stamp: float, **others: torch.Tensor) -> None:
    parameters = {
        "first": torch.full((3,), stamp),
        "last": torch.full((2,), stamp),
        "layer.weight": torch.zeros(1, 4),
        "layer.bias": torch.zeros(1),
        **others,
    }
    (folder / "parameters.safetensors").unlink()
    save_file(parameters, folder / "parameters.safetensors")
    describe(folder)


def describe(folder: Path) -> None:
    """Says the checksums of the files as they are."""
    description = json.loads((folder / "model.json").read_text())
    for name in description["files"]:
        description["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "model.json").unlink()
    (folder / "model.json").write_text(json.dumps(description))


def call(rows: int, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    chance = np.random.default_rng(seed)
    return {
        "movie": chance.choice(IDS, rows),
        "plot": chance.normal(size=(rows, 4)).astype(np.float32),
        "liked": chance.choice(IDS, (1, 2)),
    }


def stamps(answer: dict[str, npt.NDArray[np.generic]]) -> set[float]:
    """The versions that an answer is made of."""
    return {float(value) for name in ("low", "high", "dense") for value in answer[name]}
