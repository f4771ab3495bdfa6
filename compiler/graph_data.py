"""The IR as plain data (for JSON) and back, checked node by node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from compiler.data import BadData, expect, members, parsed_type
from compiler.ir import STAGES, Graph, Module, Node, Root
from featdsl.levels import Level
from featdsl.operators import OPERATORS
from featdsl.resources import Vocab, Zone
from featdsl.typed import Constant
from featdsl.types import Kind, Type

SPECIAL_OPS = frozenset({"const", "input", "list"})
_LEVELS = {level.label: level for level in Level.__members__.values()}
_FLOATS = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def graph_to_data(module: Module) -> dict[str, Any]:
    """Nodes in order and roots by name. A vocab or zone is named, its content stands elsewhere."""
    return {
        "nodes": [_node_to_data(node) for node in module.graph.nodes],
        "roots": {
            name: {"node": root.node.id, "type": str(root.type), "stage": root.stage}
            for name, root in module.roots.items()
        },
    }


def graph_from_data(data: Any, vocabs: Mapping[str, Vocab], zones: Mapping[str, Zone]) -> Module:
    """The module that `graph_to_data` wrote. Errors: `BadData` for anything else."""
    content = members(data, nodes=list, roots=dict)
    graph = Graph()
    for number, entry in enumerate(content["nodes"]):
        _add_node(graph, number, entry, vocabs, zones)
    roots = {}
    for name, entry in content["roots"].items():
        root = members(entry, node=int, type=str, stage=str)
        expect(0 <= root["node"] < len(graph.nodes), "a root names no node")
        expect(root["stage"] in STAGES, "a root has no such stage")
        roots[name] = Root(graph.nodes[root["node"]], parsed_type(root["type"]), root["stage"])
    return Module(graph, roots)


def vocabs_of(nodes: Iterable[Node]) -> dict[str, Vocab]:
    """The vocabs that nodes carry, by key (see `vocab_key`)."""
    values = (value for node in nodes for _, value in node.attributes)
    return {vocab_key(value): value for value in values if isinstance(value, Vocab)}


def vocab_key(vocab: Vocab) -> str:
    """Name and content: one file of entries may be a vocab of strings and one of integers."""
    return f"{vocab.name}-{vocab.digest[:16]}"


def zones_of(nodes: Iterable[Node]) -> dict[str, Zone]:
    """The time zones that nodes carry, by name."""
    values = (value for node in nodes for _, value in node.attributes)
    return {value.name: value for value in values if isinstance(value, Zone)}


def operator_versions(nodes: Iterable[Node]) -> dict[str, int]:
    """The operators that nodes use and the version of each one's meaning."""
    names = sorted({node.op for node in nodes} - SPECIAL_OPS)
    return {name: OPERATORS[name].version for name in names}


def constant_to_data(value: Constant) -> Any:
    """JSON keeps 1 and 1.0 apart; what it has no number for is written as an object."""
    if isinstance(value, Vocab):
        return {"vocab": vocab_key(value)}
    if isinstance(value, Zone):
        return {"zone": value.name}
    if isinstance(value, tuple):
        return [constant_to_data(element) for element in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"float": str(value)}
    return value


def _node_to_data(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {"op": node.op, "type": str(node.type), "level": node.level.label}
    if node.args:
        data["args"] = [arg.id for arg in node.args]
    if node.attributes:
        data["attributes"] = {name: constant_to_data(value) for name, value in node.attributes}
    if node.overload:
        data["overload"] = node.overload
    if node.mapped:
        data["mapped"] = list(node.mapped)
    if node.drops_null:
        data["drops_null"] = True
    return data


def _add_node(
    graph: Graph, number: int, entry: Any, vocabs: Mapping[str, Vocab], zones: Mapping[str, Zone]
) -> None:
    data = members(
        entry,
        op=str,
        type=str,
        level=str,
        args=(list, []),
        attributes=(dict, {}),
        overload=(int, 0),
        mapped=(list, []),
        drops_null=(bool, False),
    )
    op, args, mapped, overload = data["op"], data["args"], data["mapped"], data["overload"]
    attributes = tuple(
        [
            (name, _constant_from_data(value, vocabs, zones))
            for name, value in sorted(data["attributes"].items())
        ]
    )
    node_type = parsed_type(data["type"])
    names = tuple([name for name, _ in attributes])
    wrong = None
    if not all(type(a) is int and 0 <= a < number for a in args):
        wrong = "has a bad argument"
    elif len(mapped) not in (0, len(args)) or not all(type(m) is int and 0 <= m < 256 for m in mapped):
        wrong = "has bad depths"
    elif op in SPECIAL_OPS:
        wanted = {"const": ("value",), "input": ("name",), "list": ()}[op]
        if names != wanted or bool(args) != (op == "list"):
            wrong = f"is not a {op}"
        elif op == "input" and not isinstance(attributes[0][1], str):
            wrong = "names no input"
        elif op == "const" and not _holds(node_type, attributes[0][1]):
            wrong = "is not a const"
    else:
        expect(op in OPERATORS, f"no such operator: {op}")
        shape = _shape(op, overload)
        if shape is None:
            wrong = "has no such overload"
        elif names != shape.constants:
            wrong = f"has other attributes than {op}"
        elif len(args) < shape.least or (len(args) > shape.least and not shape.variadic):
            wrong = f"has another number of arguments than {op}"
    if wrong is not None:
        raise BadData(f"node {number} {wrong}")
    node = graph.node(
        op,
        node_type,
        _level(data["level"]),
        tuple([graph.nodes[a] for a in args]),
        attributes,
        overload,
        tuple(mapped),
        data["drops_null"],
    )
    if node.id != number:
        raise BadData(f"node {number} is there twice")


@dataclass(frozen=True, slots=True)
class _Shape:
    """The names of an overload's constants, in order, and its number of arguments: at `least`, if `variadic`."""

    constants: tuple[str, ...]
    least: int
    variadic: bool


@cache
def _shape(op: str, overload: int) -> _Shape | None:
    signatures = OPERATORS[op].signatures
    if not 0 <= overload < len(signatures):
        return None
    signature = signatures[overload]
    constants = tuple(sorted(p.name for p in signature.parameters if p.constant))
    values = signature.arguments
    return _Shape(constants, len(values), bool(values) and values[-1].variadic)


def _level(label: str) -> Level:
    found = _LEVELS.get(label)
    if found is None:
        raise BadData("no such level")
    return found


def _holds(type: Type, value: Constant) -> bool:
    """Whether a constant is of a type."""
    if value is None:
        return type.nullable
    if type.is_listlike:
        return isinstance(value, tuple) and all(_holds(type.item, element) for element in value)
    held = {Kind.BOOL: bool, Kind.STRING: str, Kind.FLOAT32: float, Kind.FLOAT64: float}
    return type.is_scalar and value.__class__ is held.get(type.kind, int)


def _constant_from_data(data: Any, vocabs: Mapping[str, Vocab], zones: Mapping[str, Zone]) -> Constant:
    if data is None or isinstance(data, bool | str | float):
        return data
    if isinstance(data, int):
        expect(-(2**63) <= data < 2**63, "a constant does not fit int64")
        return data
    if isinstance(data, list):
        return tuple(_constant_from_data(element, vocabs, zones) for element in data)
    expect(isinstance(data, dict) and len(data) == 1, "a constant is of no kind")
    ((kind, name),) = data.items()
    tables: dict[str, Mapping[str, Any]] = {"vocab": vocabs, "zone": zones, "float": _FLOATS}
    if kind not in tables or not isinstance(name, str) or name not in tables[kind]:
        raise BadData(f"a constant names no {kind}")
    found: Constant = tables[kind][name]
    return found
