"""The demo on generated data, run once for all tests of examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MOVIES = Path(__file__).parents[2] / "examples" / "movies"


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def demo(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder that the demo made, and how it ended."""
    out = tmp_path_factory.mktemp("movies") / "demo"
    command = [sys.executable, str(MOVIES / "demo.py"), "--data", str(data), "--out", str(out)]
    return out, subprocess.run(command, capture_output=True, text=True, timeout=900)
