"""A model's input that is the same for all candidates is computed and sent once, however it is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch

from compiler.bundle import Bundle, build, read_bundle, write_bundle
from compiler.native.rows import run_rows
from featdsl.torch import save_model
from online.client import ScorerClient
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.region import Region
from online.models import Tensors
from online.server import ScoringServer, ServerOptions
from store.encode import RowEncoder
from store.interface import open_store
from tests.online.shop import WeightModel, publish

PROGRAM = """
namespace once
entity user: int64 per request
entity item: string per candidate
source profile of user { age: int32 = 0  taste: list<float32> }
source movie of item { year: int32 = 0 }
model ranker {
  taste: float32 = profile.taste |> pad(4)
  age:   int64 = profile.age
  bias:  float32 = [1.5, profile.age]
  one:   float32 = [2.0, 3.0]
  year:  int64 = movie.year
  output like: float32
  output buy:  float32
}
"""
SAME = ("taste", "age", "bias", "one")
ITEMS = ["a", "b", "c"]


class Sums(torch.nn.Module):
    """With `views` it takes no input whose rows are one in memory."""

    def __init__(self, *, views: bool) -> None:
        super().__init__()
        self.views = views

    def forward(
        self,
        taste: torch.Tensor,
        age: torch.Tensor,
        bias: torch.Tensor,
        one: torch.Tensor,
        year: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.views:
            taste = taste.view(-1).view(-1, 4)
        return taste.sum(1) + age + bias.sum(1) + one[:, 1] + year, year + bias[:, 0]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("once")
    (folder / "once.feat").write_text(PROGRAM)
    write_bundle(build(folder / "once.feat"), folder / "once.featb")
    return read_bundle(folder / "once.featb")


def test_the_model_is_given_one_row_seen_by_all(program: Bundle, tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path / 'store'}"
    store = open_store(url, "once", writable=True)
    user = {"age": 30, "taste": [0.5, 2.0, 0.25]}
    for source, rows in zip(
        program.schema.sources, ({7: user}, {"a": {"year": 1}, "b": {"year": 2}}), strict=True
    ):
        encoder = RowEncoder(source)
        store.put_schema(encoder.fingerprint, encoder.schema)
        store.put_many(source.name, [(key, encoder.encode(row)) for key, row in rows.items()])
    store.close()
    given: dict[str, npt.NDArray[Any]] = {}

    class Kept(WeightModel):
        def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
            given.update(tensors)
            return {name: np.zeros(len(tensors["year"]), np.float32) for name in ("like", "buy")}

    publish(tmp_path / "registry", tmp_path / "models", 1.0, program.fingerprint)
    registry = f"dir://{tmp_path / 'registry'}"
    server = ScoringServer(program, program.model("ranker"), url, registry, Kept(), ServerOptions())
    try:
        with ScorerClient(f"127.0.0.1:{server.start()}") as client:
            client.score({"user": 7, "item": ITEMS})
    finally:
        server.stop(grace_s=5)
    assert {name: tensor.strides[0] == 0 for name, tensor in given.items()} == {
        **dict.fromkeys(SAME, True),
        "year": False,
    }
    years: list[dict[str, Any] | None] = [{"year": 1}, {"year": 2}, None]
    joined = [{"user": 7, "item": i, "profile": user, "movie": y} for i, y in zip(ITEMS, years, strict=True)]
    offline = run_rows(program, "model/ranker", pa.Table.from_pylist(joined))
    assert {name: tensor.tolist() for name, tensor in given.items()} == offline.to_pydict()


def test_one_row_lies_in_the_shared_memory() -> None:
    region = Region.create()
    row = np.arange(6, dtype=np.float32)
    tensors: dict[str, npt.NDArray[Any]] = {
        "same": np.broadcast_to(row, (1_000, 6)),
        "flat": np.broadcast_to(np.int64(3), (1_000,)),
        "own": np.arange(1_000),
        "none": np.zeros((0, 6), np.float32),
    }
    layout, end = region.put(tensors, 0)
    assert end < 9_000
    found = region.tensors(layout)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in tensors.items()
    }
    assert found["same"].strides == (0, 4)


@pytest.mark.parametrize("options", [ModelOptions(), ModelOptions(max_rows=0)])
@pytest.mark.parametrize("module", [Sums(views=False), Sums(views=True)])
def test_models_answer_as_if_every_row_were_written_out(
    program: Bundle, tmp_path: Path, module: torch.nn.Module, options: ModelOptions
) -> None:
    server = EmbeddedModelServer(options)
    try:
        server.load(1, save_model(module, program, tmp_path / "model"))
        rng = np.random.default_rng(5)
        tensors: dict[str, npt.NDArray[Any]] = {
            "taste": np.broadcast_to(rng.normal(size=4).astype(np.float32), (50, 4)),
            "age": np.broadcast_to(np.int64(30), (50,)),
            "bias": np.broadcast_to(rng.normal(size=2).astype(np.float32), (50, 2)),
            "one": np.broadcast_to(np.array([2.0, 3.0], np.float32), (50, 2)),
            "year": np.arange(50),
        }
        written = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        once, each = server.predict(1, tensors, 30.0), server.predict(1, written, 30.0)
        assert {name: column.tolist() for name, column in once.items()} == {
            name: column.tolist() for name, column in each.items()
        }
    finally:
        server.close()
