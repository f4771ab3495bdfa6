"""`feat serve` with a model that is narrow, split, compiled and kept in part: the plain one's scores, within what it
says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from online.client import ScorerClient
from tests.online.shop import AT, REQUEST, bundle
from tests.online.test_serve import KEYS, Served, feat, wait_for_version


class Ranker(nn.Module):
    """Its first product reads the shopper beside the items."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.tags = nn.Embedding(100, 4)
        self.net = nn.Sequential(nn.Linear(5 + 12 + 2, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, dense: Tensor, tags: Tensor, shopper_once: Tensor) -> dict[str, Tensor]:
        n = dense.shape[0]
        x = torch.cat([torch.tanh(dense), self.tags(tags).flatten(1), shopper_once.expand(n, -1)], 1)
        out = self.net(x)
        return {"like": out[:, 0], "buy": out[:, 1]}


def scores(server: Served, version: int) -> list[float | None]:
    with ScorerClient(server.address) as client:
        wait_for_version(client, version, 60)
        return list(client.score(KEYS, {**REQUEST, "at": AT}).scores)


def test_scores_are_those_of_the_plain_model(tmp_path: Path, lmdb_url: str) -> None:
    write_bundle(bundle(), tmp_path / "shop.featb")
    models = [save_model(Ranker(seed), bundle(), tmp_path / str(seed)) for seed in (1, 2)]
    registry = f"dir://{tmp_path / 'registry'}"
    feat("publish", models[0], "--registry", registry)
    plain = Served(tmp_path, lmdb_url)
    try:
        first = scores(plain, 1)
        feat("publish", models[1], "--registry", registry)
        second = scores(plain, 2)
    finally:
        plain.stop()
    assert first != second

    options = (
        "--model-dtype",
        "bfloat16",
        "--model-item-parts",
        "--model-compile",
        "--model-tolerance",
        "0.05",
    )
    quick = Served(tmp_path, lmdb_url, *options)
    try:
        assert scores(quick, 2) == pytest.approx(second, abs=0.05)
        feat("publish", models[0], "--registry", registry)
        assert scores(quick, 3) == pytest.approx(first, abs=0.05)
    finally:
        assert quick.stop() == 0
    log = quick.log.read_text()
    assert "version 2: split: once a call: 2 of 19 columns" in log
    assert "version 2: dtype: bfloat16 in 3 products" in log
    assert "version 2: item parts: 32 numbers an item in place of tags; once a call: 2 of 19 columns" in log
    assert "version 2: compile, with item parts: in " in log
    assert "version 3: compile, with item parts: the code of an earlier version" in log
    assert "version 3: largest error, with item parts: " in log
