"""The environments beside ours, which `make model-servers` makes: real servers and clients to test against."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def python_of(name: str) -> Path:
    """The Python of `.venv-triton` or `.venv-tensorflow`; one that is not there fails the test."""
    python = ROOT / f".venv-{name}" / "bin" / "python"
    assert python.exists(), f"the environment of {name} is missing; make it with `make model-servers`"
    return python


def run_in(name: str, *arguments: str | Path, **variables: str) -> str:
    """What a program prints that runs in one of them to its end, with the project's folder to import from."""
    done = subprocess.run(
        [str(python_of(name)), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
