"""Random programs over every overload of every operator and every def of the standard library: the typed tree, the
reference after all passes, the engine on joined rows, on slices and stage by stage must agree to the bit. A failure
prints the smallest program as a script."""

from __future__ import annotations

import traceback
from dataclasses import replace
from functools import cache

import pytest

from tests.random_programs.generate import all_callees
from tests.random_programs.inputs import INPUTS
from tests.random_programs.programs import Program, programs
from tests.random_programs.runs import SEED, draw, examples_each
from tests.random_programs.sides import disagreements, script
from tests.random_programs.values import Call, calls, restricted

COUNT = 500
CALLS = 4

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


@cache
def _calls() -> list[Call]:
    """Calls that every program is run on, besides those that are drawn for it: many values at little cost."""
    made: list[Call] = []
    draw(calls(frozenset(INPUTS)), CALLS, made.append, shrink=False)
    return made


@pytest.mark.parametrize("name", all_callees())
def test_all_sides_agree(name: str) -> None:
    for callees in all_callees()[name]:
        drawn = []

        def agree(program: Program, drawn: list[Program] = drawn) -> None:
            drawn.append(program)
            more = [restricted(call, program.inputs) for call in _calls()]
            found = _told(replace(program, calls=(*program.calls, *more)))
            if found:
                alone = (_told(replace(program, calls=(call,))) for call in (*program.calls, *more))
                raise AssertionError(f"seed {SEED}:\n{next(filter(None, alone), found)}")

        assert callees, f"no case of the def is a call to be filled: {name}"
        draw(programs(callees), examples_each(COUNT), agree)
        assert drawn, f"never called: {callees[0]}"


def _told(program: Program) -> str:
    """What the sides disagree on and a script that runs it again; empty where they agree."""
    try:
        found = disagreements(program)
    except Exception:
        found = [traceback.format_exc()]
    return "\n".join(["", program.text, *found[:5], "", script(program)]) if found else ""
