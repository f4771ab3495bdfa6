"""Each pass, before and after."""

from __future__ import annotations

import pytest

from compiler.ir import Graph, Module, Root
from compiler.passes import PASSES, optimize
from compiler.passes.fold import fold
from compiler.passes.place import place
from compiler.passes.prune import prune
from compiler.passes.share import share
from compiler.passes.simplify import simplify
from featdsl.levels import Level
from featdsl.types import BOOL, FLOAT64, INT64
from tests.compiler.programs import lowered, shown


def feature(text: str) -> Module:
    return lowered(f"feature f = {text}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("u.a + (2 + 3 * 4)", "u.a + 14"),
        ("u.a > 9_223_372_036_854_775_807 + 1", "u.a > -9223372036854775808"),
        ("u.x * (1 / 0 ?? 0.5)", "u.x * 0.5"),
        ("u.x + exp(1000)", "u.x + inf"),
        ('contains(m.tags, lower("Ab"))', 'contains(m.tags, "ab")'),
        ('pad(words("a b"), 3)', '["a", "b", ""]'),
        ("contains(u.xs + 1, 2.0)", "contains(u.xs + 1.0, 2.0)"),
        ("u.a + 1 + 2", "u.a + 1 + 2"),
        ('lookup("red", words) + u.a', "2 + u.a"),
    ],
)
def test_fold_computes_constants_and_keeps_the_written_order(before: str, after: str) -> None:
    assert shown(fold(feature(before))) == after


def test_fold_leaves_a_long_list_to_the_run() -> None:
    assert shown(fold(feature("pad([1], 200_000)"))) == "pad([1], n: 200000)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("not (not m.p)", "m.p"),
        ("not (not (not m.p))", "not m.p"),
        ("(not (not m.q)) ?? false", "m.q ?? false"),
        ("u.a ?? 1", "u.a"),
        ("u.n ?? 1", "u.n ?? 1"),
        ("null ?? u.a", "u.a"),
        ("is_null(u.a)", "false"),
        ("is_null(u.n)", "is_null(u.n)"),
        ("if true then u.a else u.b", "u.a"),
        ("if false then u.a else u.b", "u.b"),
        ("if m.p then u.a else u.a", "u.a"),
        ("if m.p then u.a else u.b", "if m.p then u.a else u.b"),
        ("m.p and true", "m.p"),
        ("m.p or true", "true"),
        ("(m.q and false) or m.p", "m.p"),
        ("m.p and m.p", "m.p"),
        ("int64(u.a)", "u.a"),
        ("float64(u.a)", "float64(u.a)"),
        ("float64(u.x)", "u.x"),
        ("hash(hash(u.a)) |> hash(10)", "hash(hash(u.a), buckets: 10)"),
        ("float64(u.xs) |> size", "size(u.xs)"),
    ],
)
def test_simplify_takes_away_what_changes_no_bit(before: str, after: str) -> None:
    assert shown(simplify(feature(before))) == after


def test_simplify_keeps_floats_as_written() -> None:
    for text in ("u.x + 0.0", "u.x * 1.0", "u.x - u.x", "-(-u.x)"):
        assert shown(simplify(feature(text))) == shown(feature(text))


def test_share_makes_one_node_of_turned_operands() -> None:
    module = lowered(
        "feature f = u.a + u.b\nfeature g = u.b + u.a\nfeature h = u.a - u.b\nfeature k = u.b - u.a"
    )
    roots = share(module).roots
    assert roots["feature/f"].node is roots["feature/g"].node
    assert roots["feature/h"].node is not roots["feature/k"].node


def test_share_looks_at_what_is_mapped() -> None:
    module = lowered("feature f = count(u.xs == u.x)\nfeature g = count(u.x == u.xs)")
    roots = share(module).roots
    assert roots["feature/f"].node is roots["feature/g"].node


def test_share_keeps_operands_of_unlike_parameters() -> None:
    module = lowered("feature f = hour(request.at + u.a)\nfeature g = hour(u.a + request.at)")
    roots = share(module).roots
    assert roots["feature/f"].node is not roots["feature/g"].node


def test_equal_expressions_are_one_node_from_the_start() -> None:
    module = lowered(
        "feature f = log1p(u.x) ?? 0.0\nfeature g = log1p(u.x) ?? 0.0\nfeature h = log1p(u.x) ?? -0.0"
    )
    roots = module.roots
    assert roots["feature/f"].node is roots["feature/g"].node
    assert roots["feature/f"].node is not roots["feature/h"].node


def test_prune_keeps_and_numbers_what_roots_need() -> None:
    graph = Graph()
    unused = graph.node("input", INT64, Level.ITEM, attributes=(("name", "m.a"),))
    graph.node("negate", INT64, Level.ITEM, (unused,))
    used = graph.node("input", INT64, Level.REQUEST, attributes=(("name", "u.a"),))
    root = graph.node("abs", INT64, Level.REQUEST, (used,))
    pruned = prune(Module(graph, {"feature/f": Root(root, INT64)}, {used.id: "mine", unused.id: "gone"}))
    assert [(node.id, node.op) for node in pruned.graph.nodes] == [(0, "input"), (1, "abs")]
    assert pruned.labels == {0: "mine"}


def test_place_lowers_a_level_that_a_pass_made_too_high() -> None:
    graph = Graph()
    value = graph.node("input", FLOAT64, Level.ITEM, attributes=(("name", "m.x"),))
    stale = graph.node("log1p", FLOAT64.optional(), Level.PAIR, (value,))
    placed = place(Module(graph, {"feature/f": Root(stale, FLOAT64)}))
    assert placed.roots["feature/f"].node.level is Level.ITEM


def test_a_decided_condition_lowers_the_level() -> None:
    module = feature("if 1 > 2 then candidate.rank else m.a")
    assert module.roots["feature/f"].node.level is Level.PAIR
    assert optimize(module).roots["feature/f"].node.level is Level.ITEM


def test_the_order_of_declarations_does_not_number_nodes() -> None:
    one = lowered("feature f = u.a + u.b\nfeature g = u.b + u.a + m.a")
    other = lowered("feature g = u.b + u.a + m.a\nfeature f = u.a + u.b")
    assert [(n.op, n.attributes, [a.id for a in n.args]) for n in optimize(one).graph.nodes] == [
        (n.op, n.attributes, [a.id for a in n.args]) for n in optimize(other).graph.nodes
    ]


def test_passes_are_idempotent() -> None:
    module = optimize(feature("if m.p and true then (u.a ?? 1) + (2 + 3) else u.b + 5"))
    for run in PASSES:
        assert shown(run(module)) == shown(module)


def test_a_very_deep_chain_is_walked_without_recursion() -> None:
    graph = Graph()
    node = graph.node("input", BOOL, Level.ITEM, attributes=(("name", "m.p"),))
    for i in range(30_000):
        node = graph.node(
            "or",
            BOOL,
            Level.ITEM,
            (node, graph.node("const", BOOL, Level.CONSTANT, attributes=(("value", i < 0),))),
        )
    module = optimize(Module(graph, {"feature/f": Root(node, BOOL)}))
    assert len(module.graph.nodes) == 1
