"""The choice of an instruction set: by the processor, or by FEATDSL_SIMD."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import simd

ROOT = Path(__file__).parents[2]
ORDER = ("scalar", "avx2", "avx512")


def chosen(wanted: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FEATDSL_SIMD": wanted}
    command = [sys.executable, "-c", "import engine; print(engine.simd())"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ORDER)
def test_set_is_chosen_by_name(name: str) -> None:
    widest = chosen("").stdout.strip()
    done = chosen(name)
    if ORDER.index(name) <= ORDER.index(widest):
        assert done.stdout.strip() == name
    else:
        assert f"FEATDSL_SIMD is `{name}`, which this processor has not" in done.stderr


def test_unknown_name_is_refused() -> None:
    done = chosen("sse")
    assert done.returncode != 0
    assert "FEATDSL_SIMD is not `scalar`, `avx2` or `avx512` but `sse`" in done.stderr


def test_this_process_has_one() -> None:
    assert simd() in ORDER
