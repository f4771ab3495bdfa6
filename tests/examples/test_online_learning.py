"""Online learning on a slice of generated data: real servers, real versions, and numbers that are numbers."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

EXAMPLE = Path(__file__).parents[2] / "examples" / "online_learning"


def test_fresh_versions_score_what_comes_next(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo-online"
    command = [sys.executable, str(EXAMPLE / "demo_online.py"), "--data", str(data), "--out", str(out)]
    done = subprocess.run(
        [*command, "--warm-up", "0.7", "--window", "150", "--every-s", "0"],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "failed: 0; answers that went back: 0" in done.stdout
    gains = re.findall(r"^ +(\S.*?)  +[\d,]+  +(0\.\d+) +(0\.\d+) +([+-]0\.\d+)", done.stdout, re.MULTILINE)
    assert {"all", "known movie, known user"} <= {kind for kind, *_ in gains}
    assert "nan" not in done.stdout
    scores = pq.read_table(out / "scores.parquet")
    assert scores.num_rows == 1300
    assert scores.column("frozen") != scores.column("fresh")
    versions = scores.column("version").to_pylist()
    with open(out / "versions.csv") as file:
        published = list(csv.DictReader(file))
    assert len(published) == 10
    assert len(set(versions)) > 2
    first = int(published[0]["bytes_added"])
    assert all(int(one["rows"]) and int(one["bytes_added"]) < first for one in published[1:])
    picture = (out / "auc.svg").read_text()
    assert picture.count("<polyline") == 4
    assert "nan" not in picture
