"""Random programs over every overload of every operator and every def of the standard library: the typed tree, the
reference after all passes, the engine on joined rows, on slices and stage by stage must agree to the bit. A failure
prints the smallest program as a script."""

from __future__ import annotations

import pytest

from tests.random_programs.generate import all_callees
from tests.random_programs.programs import Program, programs
from tests.random_programs.runs import SEED, draw, examples_each
from tests.random_programs.sides import disagreements, script

COUNT = 500

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


@pytest.mark.parametrize("name", all_callees())
def test_all_sides_agree(name: str) -> None:
    for callees in all_callees()[name]:
        drawn = []

        def agree(program: Program, drawn: list[Program] = drawn) -> None:
            drawn.append(program)
            try:
                found = disagreements(program)
            except Exception as error:
                raise AssertionError(f"seed {SEED}:\n{script(program)}") from error
            assert not found, f"seed {SEED}:\n" + "\n".join([*found[:5], script(program)])

        assert callees, f"no case of the def is a call to be filled: {name}"
        draw(programs(callees), examples_each(COUNT), agree)
        assert drawn, f"never called: {callees[0]}"
