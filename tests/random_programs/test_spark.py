"""Random programs in Spark: many features a job, over one table of nasty rows, against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from compiler.bundle import compile_program
from featdsl.check import check
from featdsl.rendering import as_text
from tests.conformance.engines import reference, spark_columns
from tests.conformance.programs import exact
from tests.random_programs.generate import Expression, Overload, all_overloads
from tests.random_programs.inputs import INPUTS, declarations, vocab_files
from tests.random_programs.programs import PATH, features
from tests.random_programs.runs import SEED, draw, examples_each
from tests.random_programs.values import Call, calls, joined

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from featdsl.program import CheckedProgram

COUNT = 1
"""Without another wish: once each overload."""
CALLS = 8
A_JOB = 100
"""Features a Spark job."""
SMALLER = 120
"""Spark jobs that making a failure smaller may take."""

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


def test_spark_agrees_on_random_programs(spark: SparkSession) -> None:
    rows = _rows()
    drawn: list[tuple[Overload, Expression]] = []
    for number, overload in enumerate(all_overloads()):
        made: list[Expression] = []
        draw(features(overload, f"p{number}_"), examples_each(COUNT), made.append, shrink=False)
        drawn += [(overload, one) for one in made]
    for start in range(0, len(drawn), A_JOB):
        job = drawn[start : start + A_JOB]
        for index in _differing([one for _, one in job], rows, spark):
            _smaller(start + index, drawn, rows, spark)


def _rows() -> pa.Table:
    made: list[Call] = []
    draw(calls(frozenset(INPUTS)), CALLS, made.append, shrink=False)
    return pa.concat_tables([joined(call, frozenset(INPUTS)) for call in made])


def _differing(made: Sequence[Expression], rows: pa.Table, spark: SparkSession) -> dict[int, str]:
    """What differs, by the number of the expression."""
    checked = _checked(made)
    wanted, got = reference(checked, rows), spark_columns(compile_program(checked), rows, spark)
    found = {}
    for index, one in enumerate(made):
        left, right = got[f"f{index}"], wanted[f"f{index}"]
        wrong = [row for row in range(len(left)) if exact(left[row]) != exact(right[row])]
        if wrong:
            inputs = [f"{name} = {_given(rows.slice(wrong[0], 1), name)!r}" for name in sorted(one.inputs)]
            lines = [*one.defs, one.text, f"Spark: {left[wrong[0]]!r}, not {right[wrong[0]]!r}", *inputs]
            found[index] = "\n".join(lines)
    return found


def _checked(made: Sequence[Expression]) -> CheckedProgram:
    lines = dict.fromkeys(line for one in made for line in one.defs)
    lines |= {f"feature f{i} = {one.text}": None for i, one in enumerate(made)}
    text = declarations(INPUTS) + "\n".join(lines) + "\n"
    result = check(PATH, overlay={PATH: text, **vocab_files()}, nullable_features=True)
    assert result.program is not None, as_text(result.diagnostics)
    return result.program


def _given(row: pa.Table, name: str) -> object:
    """What a row holds for an input."""
    column, *fields = INPUTS[name].name.split(".")
    value = row.column(column)[0].as_py()
    for field in fields:
        value = [v and v.get(field) for v in value] if isinstance(value, list) else value and value.get(field)
    return value


def _smaller(
    number: int, drawn: list[tuple[Overload, Expression]], rows: pa.Table, spark: SparkSession
) -> None:
    """Draws the program again, and makes it smaller while it differs. Errors: `AssertionError` with what is left."""
    overload = drawn[number][0]
    known = {one.text: "" for other, one in drawn[:number] if other == overload}
    tries = SMALLER

    def agree(one: Expression) -> None:
        nonlocal tries
        if one.text not in known:
            tries -= 1
            known[one.text] = _differing([one], rows, spark).get(0, "") if tries >= 0 else ""
        assert not known[one.text], f"seed {SEED}:\n{known[one.text]}"

    index = all_overloads().index(overload)
    draw(features(overload, f"p{index}_"), examples_each(COUNT), agree)
    raise AssertionError(f"differs among others only: {drawn[number][1].text}")
