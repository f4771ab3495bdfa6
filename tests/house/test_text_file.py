"""Where commands write what they were told to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from featdsl.cli.text_file import write_text

_WRITES = (
    "from featdsl.cli.text_file import *; check_writable('/dev/stdout'); write_text('/dev/stdout', 'told')"
)


def test_a_pipe_is_written_into() -> None:
    told = subprocess.run([sys.executable, "-c", _WRITES], capture_output=True, text=True, check=True)
    assert told.stdout == "told"
    assert Path("/dev/stdout").is_symlink()


def test_a_link_stays_and_what_it_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link", "told")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "told"
