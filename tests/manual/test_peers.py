"""Every expression of docs/peers.md gives what is written beside it, in the reference and in the engine."""

from __future__ import annotations

from featdsl.check import check
from tests.conformance.engines import ENGINES
from tests.conformance.programs import exact, program_of, rows_of, wanted
from tests.manual.peers import rows


def test_every_row_gives_what_it_says() -> None:
    cases = [row.case for row in rows() if row.case is not None]
    program = program_of(cases)
    checked = check("conformance.feat", overlay=program.overlay, nullable_features=True)
    assert checked.program is not None, [
        (
            program.cases[d.span.file.position(d.span.start)[0] - program.first_line].expression,
            d.message,
            d.label,
        )
        for d in checked.diagnostics
        if d.severity == "error"
    ]
    for name, engine in ENGINES.items():
        got = engine(checked.program, rows_of(program, 1))
        found = [
            f"{name}, line {case.line}: {case.expression} is {got[f'f{i}'][0]!r}"
            for i, case in enumerate(cases)
            if exact(got[f"f{i}"][0]) != exact(wanted(program, i))
        ]
        assert not found, "\n".join(found)


def test_a_row_without_an_expression_says_why() -> None:
    for row in rows():
        assert row.case is not None or row.note, row.theirs


def test_the_tables_are_whole() -> None:
    found = rows()
    assert len(found) >= 318
    assert sum(row.published for row in found) >= 126
    assert len({row.section for row in found}) == 8
