"""The page of every code, and `feat explain CODE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featdsl.cli.main import main
from featdsl.codes import CODES
from featdsl.manual import codes
from featdsl.manual.codes import page

PAGES = {path.stem for path in (Path(codes.__file__).parent / "codes").glob("*.md")}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert set(CODES) == PAGES


@pytest.mark.parametrize("code", CODES)
def test_one_program_fails_with_the_code_and_one_is_mended(code: str) -> None:
    shown = page(code)
    assert shown.fails.codes() == {code}
    assert f"[{code}]: " in shown.fails.said()
    assert shown.mended.said() == ""
    assert shown.text[0].isupper() or shown.text[0] == "`"


def test_explain_shows_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "e0203"]) == 0
    assert capsys.readouterr().out == (Path(__file__).parent / "E0203.txt").read_text()


def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "W0101", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["code"], found["severity"], found["title"]) == ("W0101", "warning", CODES["W0101"])
    assert "warning[W0101]" in found["fails"]["said"]
    assert set(found["mended"]["files"]) == {"program.feat"}


@pytest.mark.parametrize(
    ("code", "help"),
    [("E0199", "did you mean E01"), ("E9999", "errors begin with E01 to E08"), ("W7777", "W01 and W02")],
)
def test_an_unknown_code(code: str, help: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 1
    said = capsys.readouterr().err
    assert f"error: there is no such code: {code}\nhelp: " in said
    assert help in said


@pytest.mark.parametrize("name", ["E02033", "0203", "e203", "EO203", "E203x"])
def test_what_is_nearly_a_code(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 1
    assert capsys.readouterr().err == (
        f"error: there is no such file, operator or code: {name}\nhelp: did you mean E0203?\n"
    )


def test_mistakes_end_with_the_way_to_their_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.feat"
    path.write_text("feature a = null ?? b\nfeature c = 3 ?? 4\nfeature d = e\n")
    for command in (["check", str(path)], ["build", str(path), "-o", str(tmp_path / "b")]):
        assert main(command) == 1
        assert capsys.readouterr().err.endswith("\n\n2 errors, 1 warning\nfor more: feat explain E0301\n")
