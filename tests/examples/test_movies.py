"""The example, as a user runs it: the demo on generated data, whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
MOVIES = EXAMPLES / "movies"


def test_generated_data_has_the_schema_of_the_real(data: Path) -> None:
    root = Path(os.environ.get("FEATDSL_DATA", MOVIES.parents[2] / "shared" / "data"))
    if not (root / "movietweetings").is_dir():
        pytest.skip("MovieTweetings is not on this machine")
    for name in ("users", "items", "interactions"):
        real = pq.read_schema(root / "movietweetings" / f"{name}.parquet").remove_metadata()
        assert pq.read_schema(data / f"{name}.parquet").remove_metadata() == real


def test_generated_data_is_as_messy_as_the_real(data: Path) -> None:
    users, items, log = (
        pq.read_table(data / f"{name}.parquet") for name in ("users", "items", "interactions")
    )
    assert users["mean_rating"].null_count > 0
    assert items["mean_rating"].null_count > 0
    assert any(genres == [] for genres in items["genres"].to_pylist())
    assert any(history == [] for history in log["hist_item_ids"].to_pylist())
    assert any(title and not title.isascii() for title in items["title"].to_pylist())
    assert set(log["user_id"].to_pylist()) < set(users["user_id"].to_pylist())


def test_the_demo_runs_to_its_end(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Check, build, Spark, training, load, serving, a switch under load, and parity to the bit."""
    _, done = demo
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "failed calls: 0; answers that went back to an older version: 0" in done.stdout
    assert "every feature is equal to the bit" in done.stdout
    assert "by version 1" in done.stdout
    assert "by version 2" in done.stdout


@pytest.mark.parametrize("kind", ["triton", "tfserving"])
def test_the_ranker_runs_on_other_model_servers(
    kind: str, data: Path, demo: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    """A switch under load there too, and the scores of the embedded model server."""
    folder, _ = demo
    command = [
        sys.executable,
        str(EXAMPLES / kind / f"demo_{kind}.py"),
        "--demo",
        str(folder),
        "--data",
        str(data),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "by versions [1, 2]; failed calls: 0" in done.stdout
