"""The split into stages, and the programs that are made of them."""

from __future__ import annotations

import pytest

from compiler.bundle import Bundle, build
from compiler.ir import STAGES, Node
from compiler.native.program import stage_programs
from compiler.passes.split import Stage, split, stage_of
from featdsl.errors import InputError
from featdsl.levels import Level
from tests.compiler.programs import MOVIES, compiled

MODEL = """
feature taste = u.a + m.a
feature both  = if m.p then u.b else 0
feature one   = 1
model ranker {
  dense: float32 = [u.a, m.a, taste, m.p, 2]
  once:  int64 per request = u.a
  label clicked: float32
  output like: float32
  keep  = taste > 3
  score = output.like * u.x + candidate.rank
}
"""


@pytest.fixture(scope="module", params=["movies", "model"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return build(MOVIES) if request.param == "movies" else compiled(MODEL)


def stages_of(bundle: Bundle) -> list[tuple[str, dict[str, Stage]]]:
    return [(name, {stage.name: stage for stage in split(bundle.module, name)}) for name in bundle.sets]


def test_a_stage_reads_declared_inputs_of_its_own_level_alone(bundle: Bundle) -> None:
    for _, stages in stages_of(bundle):
        for name, stage in stages.items():
            for column, node in stage.inputs:
                if not column.startswith("$"):
                    assert stage_of(node) == name


def test_what_travels_is_made_by_an_earlier_stage(bundle: Bundle) -> None:
    for _, stages in stages_of(bundle):
        made: set[str] = set()
        for name in STAGES:
            if name in stages:
                carried = {column for column, _ in stages[name].inputs if column.startswith("$")}
                assert carried <= made
                made |= {output.name for output in stages[name].outputs}


def test_a_node_is_computed_in_one_stage(bundle: Bundle) -> None:
    for _, stages in stages_of(bundle):
        seen: dict[int, str] = {}
        for name, stage in stages.items():
            for node in stage.nodes:
                if node.op != "const":
                    assert seen.setdefault(node.id, name) == name
                    assert stage_of(node) == name


def test_arguments_come_before_their_users(bundle: Bundle) -> None:
    for _, stages in stages_of(bundle):
        for stage in stages.values():
            known = {node.id for _, node in stage.inputs}
            for node in stage.nodes:
                assert {arg.id for arg in node.args} <= known
                known.add(node.id)
            assert {output.node.id for output in stage.outputs} <= known


def test_results_stand_in_their_stages() -> None:
    stages = dict(stages_of(compiled(MODEL)))["model/ranker"]
    results = {
        name: [output.name for output in stage.outputs if not output.name.startswith("$")]
        for name, stage in stages.items()
    }
    assert results == {"request": ["once"], "item": [], "pair": ["dense"], "after": ["keep", "score"]}


def test_an_input_that_the_request_or_an_item_alone_says_is_made_once() -> None:
    text = """model r { of_user: float32 = [u.a, 2]  one: int64 = 1  both: float32 = [u.a, m.a]  of_item: int64 = m.a
      output like: float32  score = output.like }"""
    bundle = compiled(text)
    stages = dict(stages_of(bundle))["model/r"]
    results = {n: [o.name for o in s.outputs if not o.name.startswith("$")] for n, s in stages.items()}
    assert results["request"] == ["of_user", "one"]
    assert results["item"] == ["of_item"]
    assert results["pair"] == ["both"]
    assert {root.stage for name, root in bundle.outputs("model/r").items() if name != "score"} == {"pair"}


def test_keep_that_needs_no_model_is_passed_through() -> None:
    after = dict(stages_of(compiled(MODEL)))["model/ranker"]["after"]
    assert "output.like" in [column for column, _ in after.inputs]
    assert [node.op for node in after.nodes if node.level is not Level.AFTER] == []


def test_a_constant_feature_needs_no_input() -> None:
    (stage,) = split(compiled("feature f = 1 + 1").module, "features")
    assert (stage.name, stage.inputs) == ("pair", ())


def test_the_engine_takes_every_program_and_sees_the_same_columns(bundle: Bundle) -> None:
    for set_name, stages in stages_of(bundle):
        loaded = stage_programs(bundle, set_name)
        for name, stage in stages.items():
            program = getattr(loaded, name)
            assert program.inputs == [(column, str(node.type)) for column, node in stage.inputs]
            assert program.outputs == [(output.name, str(output.type)) for output in stage.outputs]


def test_keys_of_further_hops_are_read() -> None:
    bundle = compiled("feature f = count(seen_m.a > 3)")
    programs = stage_programs(bundle, "features")
    assert programs.inputs == {"seen_m.a"}
    assert programs.inputs_and_keys == {"seen_m.a", "u.seen.id", "user"}
    assert [field.name for field in programs.fields_of("u")] == ["seen"]
    assert programs.fields_of("m") == ()


def _ops(nodes: tuple[Node, ...]) -> list[str]:
    return [node.op for node in nodes]


def test_item_work_is_not_done_for_each_candidate() -> None:
    stages = dict(stages_of(compiled("feature f = cross(u.s, m.tags) |> hash(100) |> pad(4)")))["features"]
    assert "hash" in _ops(stages["request"].nodes)
    assert "hash" in _ops(stages["item"].nodes)
    assert "cross" in _ops(stages["pair"].nodes)


def test_an_input_named_like_a_result_is_refused() -> None:
    with pytest.raises(InputError, match="has the name of its own result: `score`"):
        compiled("model r { score: float32 = u.x  output like: float32  score = output.like }")
