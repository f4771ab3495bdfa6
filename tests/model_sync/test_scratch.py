"""What a process keeps aside goes with it, at the latest when another begins."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_sync.scratch import ScratchFolder

_MAKES_ONE = """
from model_sync.scratch import ScratchFolder
folder = ScratchFolder("tests")
(folder.path / "copy").write_text("gigabytes")
print(folder.path, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_a_folder_goes_when_it_is_closed() -> None:
    folder = ScratchFolder("tests")
    (folder.path / "copy").write_text("")
    folder.close()
    assert not folder.path.exists()
    folder.close()


def test_what_a_killed_process_left_goes_when_another_begins_and_no_other() -> None:
    killed, lives = _process(), _process()
    of_killed, of_lives = _folder(killed), _folder(lives)
    killed.kill()
    killed.wait()
    mine = ScratchFolder("tests")
    assert not of_killed.exists()
    assert (of_lives / "copy").exists()
    again = ScratchFolder("tests")
    assert mine.path.exists()
    for one in (mine, again):
        one.close()
    lives.communicate("\n", timeout=30)


def test_a_folder_that_is_being_made_is_left_alone(temporary: Path) -> None:
    young, old, other = (
        temporary / name for name in ("featdsl-tests-1", "featdsl-tests-2", "featdsl-others-3")
    )
    for folder in (young, old, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (time.time() - 3600,) * 2)
    ScratchFolder("tests").close()
    assert young.exists()
    assert not old.exists()
    assert other.exists()


def _process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _MAKES_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _folder(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())
