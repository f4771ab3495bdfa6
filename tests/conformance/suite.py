"""The suite's cases by family, as checked programs."""

from __future__ import annotations

from functools import cache

from featdsl.check import check
from featdsl.program import CheckedProgram
from tests.conformance.cases import Case, all_cases
from tests.conformance.programs import PATH, Program, program_of

CASES = all_cases()
FAMILIES = sorted({case.family for case in CASES})


def cases_of(family: str) -> list[Case]:
    """The family's cases that give a value."""
    return [case for case in CASES if case.family == family and case.error is None]


@cache
def checked_family(
    family: str, *, constants: bool = False, spread: bool = False
) -> tuple[Program, CheckedProgram]:
    """One program of the family's cases (see `program_of`), checked. Errors: `AssertionError` with the mistakes."""
    program = program_of(cases_of(family), constants=constants, spread=spread)
    result = check(PATH, overlay=program.overlay, nullable_features=True)
    found = []
    for mistake in result.diagnostics:
        line, _ = mistake.span.file.position(mistake.span.start)
        if mistake.severity == "error":
            index = line - program.first_line
            place = program.cases[index].place if index >= 0 else f"line {line}"
            found.append(f"{place}: {mistake.message} {mistake.label}")
    assert not found, "\n".join(found)
    assert result.program is not None
    return program, result.program
