"""Every mistake that the checker knows, as people see it: `errors/*.md` hold programs and what is said
about them (their fences are those of the manual's pages, see `featdsl/manual/codes.py`).
`UPDATE_SNAPSHOTS=1 pytest tests/language/test_check_errors.py` writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from featdsl.codes import CODES
from featdsl.manual.codes import File, Program, read_program

HERE = Path(__file__).parent
PRELUDE = File("prelude.feat", (HERE / "fixtures" / "prelude.feat").read_text())
SECTION = re.compile(
    r"^## (?P<title>.+)\n\n(?P<files>(?:```(?:feat|feat .+|text .+)\n[\s\S]*?^```\n\n)+)"
    r"```text\n(?P<said>[\s\S]*?)```$",
    re.M,
)
SNAPSHOTS = sorted((HERE / "errors").glob("*.md"))


def said_of(files: str) -> str:
    program = read_program(files)
    return Program("", (*program.files, PRELUDE)).said() + "\n"


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda p: p.stem)
def test_snapshots(path: Path) -> None:
    text = path.read_text()
    fresh = SECTION.sub(lambda m: m[0][: m.start("said") - m.start()] + said_of(m["files"]) + "```", text)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(fresh)
    assert text.count("\n## ") == len(SECTION.findall(text))
    assert fresh == text


def test_every_code_is_shown() -> None:
    shown = "".join(path.read_text() for path in SNAPSHOTS)
    assert [code for code in CODES if f"[{code}]" not in shown] == []


def test_every_code_of_the_checker_has_a_title_and_no_other_code_has() -> None:
    folder = HERE.parents[1] / "featdsl"
    source = "".join(p.read_text() for room in ("check", "syntax") for p in (folder / room).glob("*.py"))
    used = set(re.findall(r'"([EW]0\d{3})"', source))
    assert used == set(CODES)
