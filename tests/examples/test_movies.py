"""The example, as a user runs it: the demo on generated data, whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

MOVIES = Path(__file__).parents[2] / "examples" / "movies"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generated")
    command = [
        sys.executable,
        str(MOVIES / "generate.py"),
        "--out",
        str(path),
        "--users",
        "400",
        "--items",
        "300",
    ]
    subprocess.run([*command, "--interactions", "4000"], check=True)
    return path


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


def test_the_demo_runs_to_its_end(data: Path, tmp_path: Path) -> None:
    """Check, build, Spark, training, load, serving, a switch under load, and parity to the bit."""
    command = [sys.executable, str(MOVIES / "demo.py"), "--data", str(data), "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "failed calls: 0; answers that went back to an older version: 0" in done.stdout
    assert "every feature is equal to the bit" in done.stdout
    assert "by version 1" in done.stdout
    assert "by version 2" in done.stdout
