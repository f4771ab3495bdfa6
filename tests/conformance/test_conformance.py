"""Every case, through every implementation, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from compiler.bundle import compile_program
from featdsl.check import check
from featdsl.check.standard import standard_defs
from featdsl.operators import OPERATORS
from tests.conformance import engines
from tests.conformance.cases import FOLDER
from tests.conformance.engines import ENGINES, reference
from tests.conformance.programs import PATH, Program, exact, program_of, rows_of, wanted
from tests.conformance.suite import CASES, FAMILIES, checked_family
from tests.conformance.twists import all_null

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 7


@pytest.mark.parametrize("family", FAMILIES)
def test_the_checker_infers_the_types(family: str) -> None:
    program, checked = checked_family(family)
    found = [
        f"{case.place}: {feature.value.type}, not {case.type}"
        for index, (case, feature) in enumerate(zip(program.cases, checked.features, strict=True))
        if case.type is not None and index not in program.as_text and feature.value.type != case.type
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("variables", ["columns", "constants"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("family", FAMILIES)
def test_values(family: str, engine: str, variables: str) -> None:
    program, checked = checked_family(family, constants=variables == "constants")
    found = []
    for count in (1, ROWS):
        found += _differences(program, ENGINES[engine](checked, rows_of(program, count)))
    assert not found, f"{len(found)} differ:\n" + "\n".join(found)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_rows_give_no_values(family: str, engine: str) -> None:
    program, checked = checked_family(family)
    results = ENGINES[engine](checked, rows_of(program, 0))
    assert results == {f"f{index}": [] for index in range(len(program.cases))}


@pytest.mark.parametrize("variables", ["columns", "constants"])
@pytest.mark.parametrize("family", FAMILIES)
def test_values_in_spark(family: str, variables: str, spark: SparkSession) -> None:
    program, checked = checked_family(family, constants=variables == "constants")
    rows = rows_of(program, ROWS)
    null = all_null(checked.schema, rows.slice(0, 1))
    results = engines.spark(checked, pa.concat_tables([rows, null]), spark)
    found = _differences(program, {name: values[:ROWS] for name, values in results.items()})
    wanted_of_null = reference(checked, null)
    found += [
        f"{case.place}, all null: {results[f'f{i}'][ROWS]!r}, not {wanted_of_null[f'f{i}'][0]!r}"
        for i, case in enumerate(program.cases)
        if exact(results[f"f{i}"][ROWS]) != exact(wanted_of_null[f"f{i}"][0])
    ]
    assert not found, f"{len(found)} differ:\n" + "\n".join(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_spark_itself_computes_all_but_the_fallbacks(family: str, spark: SparkSession) -> None:
    from compiler.spark.transform import plan_set

    program, checked = checked_family(family)
    bundle = compile_program(checked)
    planned = len(plan_set(bundle, "features").engine_nodes)
    assert engines.engine_calls(bundle, rows_of(program, 1), spark) == planned


def _differences(program: Program, results: dict[str, list[Any]]) -> list[str]:
    """What is not, to the bit, as the cases want it; see `rows_of` for the rows that are theirs."""
    found = []
    for index, case in enumerate(program.cases):
        got = results[f"f{index}"][::2]
        expected = wanted(program, index)
        if not got or any(exact(value) != exact(expected) for value in got):
            found.append(f"{case.place}: {got!r}, not {expected!r}")
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_mistakes(family: str) -> None:
    found = []
    for case in CASES:
        if case.family != family or case.error is None:
            continue
        program = program_of([case])
        errors = [
            " ".join((d.message, d.label, *(note.message for note in d.notes)))
            for d in check(PATH, overlay=program.overlay, nullable_features=True).diagnostics
            if d.severity == "error"
        ]
        if len(errors) != 1 or case.error not in errors[0]:
            found.append(f"{case.place}: {errors}, not {case.error!r}")
    assert not found, "\n".join(found)


def test_every_operator_has_cases() -> None:
    covered = {(case.family, case.operator) for case in CASES}
    assert {(o.family, o.name) for o in OPERATORS.values()} - covered == set()
    assert {("std", name) for name in standard_defs()} - covered == set()


def test_the_suite_does_not_shrink() -> None:
    """Raise a number with `python -m tests.conformance.count`; it may not fall."""
    stored = dict(line.split() for line in (FOLDER / "COUNT").read_text().splitlines())
    actual = {family: sum(case.family == family for case in CASES) for family in FAMILIES}
    assert {f: n for f, n in stored.items() if actual.get(f, 0) < int(n)} == {}
    assert set(actual) <= set(stored), "a family has no stored count"
