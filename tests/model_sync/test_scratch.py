"""What a process keeps aside goes with it, at the latest when another begins."""

from __future__ import annotations

import subprocess
import sys
import tempfile
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


def test_a_folder_has_its_owner_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one that begins at the same moment would take it for what a killed process left."""
    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match="no lock"):
        ScratchFolder("tests")
    assert not [*Path(tempfile.gettempdir()).glob("featdsl-*")]


def refuse(*_: object) -> None:
    raise OSError("no lock")


def test_a_folder_without_an_owner_is_anothers(temporary: Path) -> None:
    (temporary / "featdsl-tests-1").mkdir()
    ScratchFolder("tests").close()
    assert (temporary / "featdsl-tests-1").exists()


def _process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _MAKES_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _folder(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())
