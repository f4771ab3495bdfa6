"""The intermediate form: a graph of frozen, hash-consed nodes. Equal expressions are one object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from featdsl.levels import Level
from featdsl.typed import Constant
from featdsl.types import Type


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """As `featdsl.typed.Typed`, without places in the text. Nodes of one `Graph` are equal exactly
    when they are the same object; `id` is their number in it."""

    id: int
    op: str
    type: Type
    level: Level
    args: tuple[Node, ...] = ()
    attributes: tuple[tuple[str, Constant], ...] = ()
    overload: int = 0
    mapped: tuple[int, ...] = ()
    drops_null: bool = False

    def attribute(self, name: str) -> Any:
        return dict(self.attributes)[name]


@dataclass(slots=True)
class Graph:
    """Makes nodes, each only once; `nodes` is in an order where arguments come first."""

    nodes: list[Node] = field(default_factory=list)
    _known: dict[tuple[Any, ...], Node] = field(default_factory=dict)

    def node(
        self,
        op: str,
        type: Type,
        level: Level,
        args: tuple[Node, ...] = (),
        attributes: tuple[tuple[str, Constant], ...] = (),
        overload: int = 0,
        mapped: tuple[int, ...] = (),
        drops_null: bool = False,
    ) -> Node:
        key = _key(op, type, args, attributes, overload, mapped, drops_null)
        found = self._known.get(key)
        if found is None:
            found = Node(len(self.nodes), op, type, level, args, attributes, overload, mapped, drops_null)
            self._known[key] = found
            self.nodes.append(found)
        return found

    def find(
        self,
        op: str,
        type: Type,
        args: tuple[Node, ...] = (),
        attributes: tuple[tuple[str, Constant], ...] = (),
        overload: int = 0,
        mapped: tuple[int, ...] = (),
        drops_null: bool = False,
    ) -> Node | None:
        """The node, if it was made already."""
        return self._known.get(_key(op, type, args, attributes, overload, mapped, drops_null))


STAGES = ("request", "item", "pair", "after")
"""How a scoring call runs a program: once a call, once a distinct item, once a candidate, and once a
candidate after the model has answered."""


@dataclass(frozen=True, slots=True)
class Root:
    """A named result, one row where `stage` runs. It is stored as `type`, which may be narrower than the node's: a
    float64 that is stored as float32 rounds to nearest even. A float that is then not finite becomes 0."""

    node: Node
    type: Type
    stage: str = "pair"


@dataclass(frozen=True, slots=True)
class Module:
    """What the passes take and give: a graph and its roots by name (`feature/<name>`,
    `model/<model>/input/<name>`, `model/<model>/keep`, `model/<model>/score`), in order of declaration.
    `labels` are the names that people gave to nodes, by node id: for reading, without meaning."""

    graph: Graph
    roots: Mapping[str, Root]
    labels: Mapping[int, str] = field(default_factory=dict)


def feature_root(feature: str) -> str:
    return f"feature/{feature}"


def input_root(model: str, tensor: str) -> str:
    return f"model/{model}/input/{tensor}"


def is_input(root: str) -> bool:
    """Whether a root is an input of a model."""
    return root.split("/")[2:3] == ["input"]


def set_of(root: str) -> str:
    """The program set that makes a root: `features` or `model/<name>`."""
    return "features" if root.startswith("feature/") else "/".join(root.split("/")[:2])


def column_of(root: str) -> str:
    """The column name of a root in its set."""
    return root.rpartition("/")[2]


def _key(
    op: str,
    type: Type,
    args: tuple[Node, ...],
    attributes: tuple[tuple[str, Constant], ...],
    overload: int,
    mapped: tuple[int, ...],
    drops_null: bool,
) -> tuple[Any, ...]:
    ids = tuple([a.id for a in args])
    return (op, type, ids, exact(attributes) if attributes else (), overload, mapped, drops_null)


def exact(value: Any) -> Any:
    """A dictionary key that tells apart what Python's `==` does not: 1, 1.0 and True, 0.0 and -0.0."""
    if isinstance(value, tuple):
        return tuple([exact(v) for v in value])
    if isinstance(value, float):
        return (float, value.hex())
    return (bool, value) if isinstance(value, bool) else value


def reachable(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node that the roots need, arguments before users, each once."""
    done: set[int] = set()
    for root in roots:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node.id in done:
                continue
            if ready:
                done.add(node.id)
                yield node
            else:
                stack.append((node, True))
                stack += [(a, False) for a in reversed(node.args) if a.id not in done]
