"""Split: a program set becomes up to four stages, each of which reads only inputs of its own level.

What a later stage needs of an earlier one travels as a column `$<node id>`, inputs as well. Constants are
repeated where they are needed. A model's input that is the same for all candidates is made by the request's stage,
in one row, whether or not it is declared so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compiler.ir import STAGES, Module, Node, Root, column_of, is_input, reachable, set_of
from featdsl.levels import Level
from featdsl.types import FLOAT_KINDS, Type

_STAGE_OF = {Level.REQUEST: "request", Level.ITEM: "item", Level.PAIR: "pair", Level.AFTER: "after"}


@dataclass(frozen=True, slots=True)
class Output:
    """A column that a stage makes, stored as `type`. `finite`: a float that is not finite becomes 0."""

    name: str
    node: Node
    type: Type
    finite: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """`inputs` are the columns it reads (by name, the node whose value each holds), `nodes` what it computes,
    arguments first, without inputs; constants are among them."""

    name: str
    inputs: tuple[tuple[str, Node], ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]


def split(module: Module, set_name: str) -> tuple[Stage, ...]:
    """The stages of a set that make something, in the order in which they run."""
    roots = {name: root for name, root in module.roots.items() if set_of(name) == set_name}
    results: dict[str, list[Output]] = {stage: [] for stage in STAGES}
    for name, root in roots.items():
        finite = _float_inside(root.type)
        results[made_by(name, root)].append(Output(column_of(name), root.node, root.type, finite))
    travels = _travelling(reachable(root.node for root in roots.values()), results)
    stages = []
    for stage in STAGES:
        outputs = results[stage] + [
            Output(f"${node.id}", node, node.type, False) for node in travels if stage_of(node) == stage
        ]
        if outputs:
            stages.append(_cut(stage, outputs))
    return tuple(stages)


def stage_of(node: Node) -> str:
    """The stage that computes a node; of a constant, the first (it is repeated everywhere)."""
    return _STAGE_OF.get(node.level, "request")


def made_by(name: str, root: Root) -> str:
    """The stage that makes a root: its own, but for a model's input that the request or the item alone says."""
    return stage_of(root.node) if is_input(name) else root.stage


def _float_inside(type: Type) -> bool:
    return _float_inside(type.element) if type.element is not None else type.kind in FLOAT_KINDS


def _travelling(nodes: Iterable[Node], results: dict[str, list[Output]]) -> list[Node]:
    """The nodes that another stage than their own needs, by number."""
    found: dict[int, Node] = {}

    def use(node: Node, stage: str) -> None:
        if node.level is not Level.CONSTANT and stage_of(node) != stage:
            found[node.id] = node

    for node in nodes:
        if node.level is not Level.CONSTANT:
            for arg in node.args:
                use(arg, stage_of(node))
    for stage, outputs in results.items():
        for output in outputs:
            use(output.node, stage)
    return [found[number] for number in sorted(found)]


def _cut(stage: str, outputs: list[Output]) -> Stage:
    inputs: dict[str, Node] = {}
    nodes: dict[int, Node] = {}
    stack = [(output.node, False) for output in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if ready:
            nodes[node.id] = node
        elif node.level is not Level.CONSTANT and stage_of(node) != stage:
            inputs[f"${node.id}"] = node
        elif node.op == "input":
            inputs[node.attribute("name")] = node
        elif node.id not in nodes:
            stack.append((node, True))
            stack += [(arg, False) for arg in reversed(node.args) if arg.id not in nodes]
    return Stage(stage, tuple(sorted(inputs.items())), tuple(nodes.values()), tuple(outputs))
