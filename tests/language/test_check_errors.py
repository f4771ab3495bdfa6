"""Every mistake that the checker knows, as people see it: `errors/*.md` hold programs and what is said
about them. `UPDATE_SNAPSHOTS=1 pytest tests/language/test_check_errors.py` writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from featdsl.check import check
from featdsl.codes import CODES
from featdsl.rendering import as_text

HERE = Path(__file__).parent
PRELUDE = (HERE / "fixtures" / "prelude.feat").read_text()
SECTION = re.compile(
    r"^## (?P<title>.+)\n\n(?P<files>(?:```feat.*\n[\s\S]*?\n```\n\n)+)```text\n(?P<said>[\s\S]*?)```$", re.M
)
FILE = re.compile(r"```feat(?: (?P<path>\S+))?\n(?P<text>[\s\S]*?\n)```")
SNAPSHOTS = sorted((HERE / "errors").glob("*.md"))


def said_of(files: str) -> str:
    overlay = {"prelude.feat": PRELUDE}
    for file in FILE.finditer(files):
        overlay[file["path"] or "program.feat"] = file["text"]
    return as_text(check("program.feat", overlay=overlay).diagnostics) + "\n"


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda p: p.stem)
def test_snapshots(path: Path) -> None:
    text = path.read_text()
    fresh = SECTION.sub(lambda m: m[0][: m.start("said") - m.start()] + said_of(m["files"]) + "```", text)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(fresh)
    assert text.count("\n## ") == len(SECTION.findall(text))
    assert fresh == text


def test_every_code_is_shown() -> None:
    """Codes of the checker appear in the snapshots or in the tests of files, and each has a title."""
    source = "".join(p.read_text() for p in (HERE.parents[1] / "featdsl" / "check").glob("*.py"))
    used = set(re.findall(r'"([EW]0\d{3})"', source))
    assert used <= set(CODES)
    shown = "".join(p.read_text() for p in [*SNAPSHOTS, HERE / "test_check_files.py"])
    assert {c for c in used if c not in shown} == set()
    assert {c for c in CODES if not c.startswith("E01")} == used
