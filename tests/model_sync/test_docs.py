"""docs/model_sync.md is true: its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from model_sync import open_registry
from tests.model_sync.trainers import Ranker, Trainer, ranker_bundle, scores_of, served_scores

PAGE = Path(__file__).parents[2] / "docs" / "model_sync.md"
_FENCE = re.compile(r"^```python\n([\s\S]*?)^```$", re.M)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trainer, ranker = Trainer(), Ranker()
    batches = [(trainer.batch(20), torch.rand(20)) for _ in range(5)]
    names = {"ranker": ranker, "bundle": ranker_bundle(tmp_path), "batches": batches, "rank": 0, "world": 1}
    loop, job = _FENCE.findall(PAGE.read_text(encoding="utf-8"))
    before = scores_of(ranker)
    exec(loop, names)
    registry = open_registry("dir://registry")
    head = registry.head()
    assert head is not None
    assert torch.equal(served_scores(registry, head.version, tmp_path), scores_of(ranker))
    assert not torch.equal(before, scores_of(ranker))
    exec(job, names)
    assert names["publisher"].publish().parent == head.version  # type: ignore[attr-defined]
