"""The work that a large program makes grows with its features, not faster: counted, not timed."""

from __future__ import annotations

from benchmarks.large_program import LargeProgram
from compiler.bundle import Bundle, compile_program
from featdsl.check import check


def built(features: int) -> Bundle:
    text = LargeProgram(features, fields=100).text()
    checked = check("large.feat", overlay={"large.feat": text})
    assert checked.program is not None, checked.diagnostics
    return compile_program(checked.program)


def bytes_of(bundle: Bundle) -> int:
    return sum(len(program) for stages in bundle.programs.values() for program in stages.values())


def test_nodes_and_programs_grow_with_the_features() -> None:
    small, large = built(100), built(400)
    assert len(large.graph.nodes) < 12 * 400
    assert len(large.graph.nodes) < 5 * len(small.graph.nodes)
    assert bytes_of(large) < 1_500 * 400
    assert bytes_of(large) < 5 * bytes_of(small)
