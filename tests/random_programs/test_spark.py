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
from tests.conformance.programs import NARROW, exact
from tests.random_programs.generate import Callee, Expression, all_callees
from tests.random_programs.inputs import INPUTS, declarations, vocab_files
from tests.random_programs.programs import PATH, features
from tests.random_programs.runs import SEED, draw, examples_each
from tests.random_programs.values import Call, calls, joined

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from featdsl.program import CheckedProgram

COUNT = 400
"""Without another wish: one each overload and each def; `make soak` draws three."""
CALLS = 8
A_JOB = 100
"""Features a Spark job."""
SMALLER = 120
"""Spark jobs that making a failure smaller may take."""

_CALLEES: Sequence[Sequence[Callee]] = [one for groups in all_callees().values() for one in groups]

_OWN = "own_"
"""How the names begin that a feature declares."""

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


def test_spark_agrees_on_random_programs(spark: SparkSession) -> None:
    rows = _rows()
    drawn: list[tuple[int, Expression]] = []
    for number, callees in enumerate(_CALLEES):
        made: list[Expression] = []
        draw(features(callees, _OWN), examples_each(COUNT), made.append, shrink=False, simplest=False)
        drawn += [(number, one) for one in made]
    for start in range(0, len(drawn), A_JOB):
        job = drawn[start : start + A_JOB]
        for index in _differing([one for _, one in job], rows, spark):
            _smaller(start + index, drawn, rows, spark)


def _rows() -> pa.Table:
    made: list[Call] = []
    draw(calls(frozenset(INPUTS)), CALLS, made.append, shrink=False)
    return pa.concat_tables([joined(call, frozenset(INPUTS)) for call in made])


def _differing(made: Sequence[Expression], rows: pa.Table, spark: SparkSession) -> dict[int, str]:
    """What differs, or ends Spark's job, by the number of the expression."""
    checked = _checked(made)
    wanted = reference(checked, rows)
    try:
        got = spark_columns(compile_program(checked), rows, spark)
    except Exception as fault:
        return _ending(made, rows, spark, fault)
    found = {}
    for index, one in enumerate(made):
        left, right = got[f"f{index}"], wanted[f"f{index}"]
        wrong = [row for row in range(len(left)) if exact(left[row]) != exact(right[row])]
        if wrong:
            inputs = [f"{name} = {_given(rows.slice(wrong[0], 1), name)!r}" for name in sorted(one.inputs)]
            lines = [*one.defs, one.text, f"Spark: {left[wrong[0]]!r}, not {right[wrong[0]]!r}", *inputs]
            found[index] = "\n".join(lines)
    return found


def _ending(
    made: Sequence[Expression], rows: pa.Table, spark: SparkSession, fault: Exception
) -> dict[int, str]:
    """Which of them end a job, sought in halves. Errors: `fault` where they do so together only."""
    if len(made) == 1:
        return {0: "\n".join([*made[0].defs, made[0].text, f"Spark: {fault}"])}
    middle = len(made) // 2
    found = _differing(made[:middle], rows, spark)
    found |= {middle + index: text for index, text in _differing(made[middle:], rows, spark).items()}
    if not found:
        raise fault
    return found


def _checked(made: Sequence[Expression]) -> CheckedProgram:
    lines = []
    for index, one in enumerate(made):
        own = [*one.defs, f"feature f{index} = {one.text}"]
        lines += [line.replace(_OWN, f"p{index}_") for line in own if line not in NARROW]
    text = declarations(INPUTS) + "\n".join([*NARROW, *lines]) + "\n"
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


def _smaller(index: int, drawn: list[tuple[int, Expression]], rows: pa.Table, spark: SparkSession) -> None:
    """Draws the program again, and makes it smaller while it differs. Errors: `AssertionError` with what is left."""
    number = drawn[index][0]
    known = {one.text: "" for other, one in drawn[:index] if other == number}
    tries = SMALLER

    def agree(one: Expression) -> None:
        nonlocal tries
        if one.text not in known:
            tries -= 1
            known[one.text] = _differing([one], rows, spark).get(0, "") if tries >= 0 else ""
        assert not known[one.text], f"seed {SEED}:\n{known[one.text]}"

    draw(features(_CALLEES[number], _OWN), examples_each(COUNT), agree, simplest=False)
    raise AssertionError(f"differs among others only: {drawn[index][1].text}")
