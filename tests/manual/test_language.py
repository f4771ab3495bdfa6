"""docs/LANGUAGE.md is true: its pieces are one program that checks clean and builds, what it calls wrong is told as it
is shown, and its examples give what is written beside them."""

from __future__ import annotations

import re
from pathlib import Path

from compiler.bundle import compile_program
from featdsl.check import check
from featdsl.rendering import as_text
from tests.conformance.cases import Case, read_case
from tests.conformance.engines import ENGINES
from tests.conformance.programs import exact, program_of, rows_of, wanted

TOUR = Path(__file__).parents[2] / "docs" / "LANGUAGE.md"
NAME = "shop.feat"
VOCAB = {"categories.txt": "shoes\nbooks\n"}

_FENCE = re.compile(r"^```(?P<kind>feat wrong|feat|text)\n(?P<text>[\s\S]*?)^```$", re.M)
_EXAMPLE = re.compile(r"^\| `(?P<case>.+?)` \| `(?P<gives>.+?)` \|", re.M)


def test_the_pieces_are_one_program_and_mistakes_are_told_as_shown() -> None:
    program, wrong, said = "", "", ""
    for fence in _FENCE.finditer(TOUR.read_text(encoding="utf-8")):
        if fence["kind"] == "feat":
            program += fence["text"]
            result = check(NAME, overlay={NAME: program} | VOCAB)
            assert not result.has_errors, as_text(result.diagnostics)
        elif fence["kind"] == "feat wrong":
            wrong = program + fence["text"]
        else:
            found = [
                d for d in check(NAME, overlay={NAME: wrong} | VOCAB).diagnostics if d.severity == "error"
            ]
            said = as_text(found).removesuffix("\n\n1 error")
            assert said == fence["text"].rstrip()
    assert said
    whole = check(NAME, overlay={NAME: program} | VOCAB)
    assert whole.diagnostics == (), as_text(whole.diagnostics)
    assert whole.program is not None
    assert set(compile_program(whole.program).models) == {"ranker"}


def test_the_examples_give_what_is_written() -> None:
    cases: list[Case] = []
    text = TOUR.read_text(encoding="utf-8")
    for row in _EXAMPLE.finditer(text):
        line = text.count("\n", 0, row.start()) + 1
        cases.append(read_case(f"{row['case']} -> {row['gives']}".replace("\\|", "|"), TOUR, line, {}))
    assert len(cases) >= 19
    program = program_of(cases)
    checked = check("conformance.feat", overlay=program.overlay, nullable_features=True)
    assert checked.program is not None, as_text(checked.diagnostics)
    for name, engine in ENGINES.items():
        got = engine(checked.program, rows_of(program, 1))
        for i, case in enumerate(cases):
            assert exact(got[f"f{i}"][0]) == exact(wanted(program, i)), (
                name,
                case.line,
                case.expression,
                got[f"f{i}"][0],
            )
