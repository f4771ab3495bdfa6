"""The whole suite under each twist, to the bit."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pytest

from compiler.bundle import Bundle, compile_program
from compiler.reference import run as reference
from tests.conformance.bits import differing_rows
from tests.conformance.programs import Program, rows_of
from tests.conformance.suite import FAMILIES, checked_family
from tests.conformance.twists import SEED_ROWS, TWISTS


@cache
def _suite(held: str) -> dict[str, tuple[Program, Bundle, pa.Table]]:
    """By family its program, compiled, and its rows."""
    suite = {}
    for family in FAMILIES:
        program, checked = checked_family(family, constants=held == "constants", spread=held == "spread")
        suite[family] = (program, compile_program(checked), rows_of(program, SEED_ROWS))
    return suite


@pytest.mark.parametrize("name", TWISTS)
def test_no_bit_changes(name: str) -> None:
    twist = TWISTS[name]
    suite = _suite(twist.held)
    bundles = {family: bundle for family, (_, bundle, _) in suite.items()}
    rows = {family: twist.change(suite[family][1].schema, table) for family, (*_, table) in suite.items()}
    order = pa.array(twist.order())
    made = twist.run(bundles, {family: table.take(order) for family, table in rows.items()})
    found, compared = [], 0
    for family, (program, bundle, _) in suite.items():
        wanted = reference.run_rows(bundle, "features", rows[family])
        for index, case in enumerate(program.cases):
            got, expected = made[family].column(f"f{index}"), wanted.column(f"f{index}").take(order)
            got, expected = got.combine_chunks(), expected.combine_chunks()
            differing = differing_rows(got, expected)
            compared += len(got)
            if differing:
                row = max(differing[0], 0)
                found.append(f"{case.place}: row {row}: {got[row]}, not {expected[row]}")
    assert not found, f"{len(found)} differ:\n" + "\n".join(found)
    assert compared == len(order) * sum(len(program.cases) for program, *_ in suite.values())
