"""The plan of a program set: which nodes become columns, in which layers.

A node that is used more than once becomes a column, so that no expression holds a node twice and the text of
a deep graph stays as large as the graph. A layer is one `select`; its columns use only those of earlier
layers. Spark is told not to collapse layers again (see `offline/session.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.ir import Node, Root, reachable
from compiler.spark.fallbacks import fallback_of
from compiler.spark.lowering import LOWERINGS, spell
from compiler.spark.sql import column, literal
from compiler.spark.stored import stored
from featdsl.errors import InputError

_DEEPEST = 16
"""Nodes within nodes in one expression: Spark's optimizer is recursive."""
_LONGEST = 20_000
_REFERENCE = re.compile(r"`\$(\d+)`")


@dataclass(frozen=True, slots=True)
class EngineNode:
    """A node that runs in the engine, and why."""

    node: Node
    reason: str


@dataclass(frozen=True, slots=True)
class SparkPlan:
    """`inputs`: the input that each column of layer 0 holds, by node id. `layers`: the columns of each further
    layer by node id, as SQL or as a node for the engine. `outputs`: SQL by output column. The column of a node
    is named `$<id>`."""

    inputs: Mapping[int, str]
    layers: tuple[Mapping[int, str | EngineNode], ...]
    outputs: Mapping[str, str]

    @property
    def engine_nodes(self) -> tuple[EngineNode, ...]:
        return tuple(
            value for layer in self.layers for value in layer.values() if isinstance(value, EngineNode)
        )

    def describe(self) -> list[str]:
        """What runs where, in lines for people."""
        count = sum(len(layer) for layer in self.layers)
        reasons = Counter((found.node.op, found.reason) for found in self.engine_nodes)
        return [
            f"{count} columns in {len(self.layers)} layers of Spark",
            *(f"in the engine: {op} ({n}x): {reason}" for (op, reason), n in reasons.items()),
        ]


def plan(roots: Mapping[str, Root]) -> SparkPlan:
    """Plans the columns named in `roots`. Errors: `InputError` for an operator without a Spark lowering."""
    nodes = [n for n in reachable(root.node for root in roots.values()) if n.op != "const"]
    texts = {node.id: _text(node) for node in nodes if node.op != "input"}
    outputs = {name: stored(root.type, _reference(root.node)) for name, root in roots.items()}
    inlined = _inline(nodes, texts, outputs.values())
    layer_of: dict[int, int] = {}
    layers: list[dict[int, str | EngineNode]] = []
    for node in nodes:
        below = max((layer_of[a.id] for a in node.args if a.op != "const"), default=0)
        layer_of[node.id] = below if node.op == "input" or node.id in inlined else below + 1
        if layer_of[node.id] > below:
            layers += [{} for _ in range(below + 1 - len(layers))]
            fallback = fallback_of(node)
            layers[below][node.id] = EngineNode(node, fallback.reason) if fallback else texts[node.id]
    inputs = {node.id: node.attribute("name") for node in nodes if node.op == "input"}
    return SparkPlan(inputs, tuple(layers), outputs)


def references(value: str | EngineNode) -> set[int]:
    """The ids of the nodes whose columns are read."""
    if isinstance(value, EngineNode):
        return {a.id for a in value.node.args if a.op != "const"}
    return {int(found) for found in _REFERENCE.findall(value)}


def _reference(node: Node) -> str:
    return literal(node.attribute("value"), node.type) if node.op == "const" else column(f"${node.id}")


def _text(node: Node) -> str:
    """The node's SQL over the columns of its arguments; for a node that runs in the engine, just those."""
    args = tuple(_reference(a) for a in node.args)
    if fallback_of(node) is not None:
        return ", ".join(args)
    if node.op != "list" and node.op not in LOWERINGS:
        raise InputError(
            f"the Spark backend has no lowering for the operator `{node.op}`", help="use --engine native"
        )
    return spell(node, args)


def _inline(nodes: list[Node], texts: dict[int, str], outputs: Iterable[str]) -> set[int]:
    """Puts nodes that are used once into the text of their user, in place. Not into a lambda, where they would
    be computed for each element."""
    uses: Counter[int] = Counter()
    user: dict[int, Node] = {}
    for node in nodes:
        for found in _REFERENCE.findall(texts.get(node.id, "")):
            uses[int(found)] += 1
            user[int(found)] = node
    for output in outputs:
        uses.update(2 * [int(found) for found in _REFERENCE.findall(output)])
    once = {
        number
        for number, by in user.items()
        if uses[number] == 1 and number in texts and fallback_of(by) is None and "->" not in texts[by.id]
    }
    inlined: set[int] = set()
    depth: dict[int, int] = {}
    for node in nodes:
        if node.id not in texts:
            continue
        held = {arg.id for arg in node.args if arg.id in inlined}
        if held:
            texts[node.id] = _filled(texts[node.id], {number: texts[number] for number in held})
            depth[node.id] = 1 + max(depth.get(number, 0) for number in held)
        if (
            node.id in once
            and fallback_of(node) is None
            and depth.get(node.id, 0) < _DEEPEST
            and len(texts[node.id]) < _LONGEST
        ):
            inlined.add(node.id)
    return inlined


def _filled(text: str, by: Mapping[int, str]) -> str:
    """The text with these nodes' texts in place of their columns, in one go: a list may have thousands."""

    def one(found: re.Match[str]) -> str:
        inner = by.get(int(found[1]))
        return found[0] if inner is None else f"({inner})"

    return _REFERENCE.sub(one, text)
