"""The IR as text for people: expressions as they would be written in a program.

What is used more than once gets a line of its own and a name: the one that people gave it, else `$<id>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.ir import Module, Node, column_of
from featdsl.operators import OPERATORS
from featdsl.resources import Vocab, Zone
from featdsl.typed import Constant

LONGEST_LINE = 96
_LONGEST_LIST = 8

_LOOSENESS = {
    "or": 1,
    "and": 2,
    "not": 3,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 4),
    "??": 5,
    **dict.fromkeys("+-", 6),
    **dict.fromkeys(("*", "/", "//", "%"), 7),
    "unary -": 8,
    "**": 9,
}
_IF, _ATOM = 0, 10


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a listing: `name` stands for `text` in other lines."""

    node: Node
    name: str
    text: str


def listing(module: Module) -> tuple[Line, ...]:
    """A line for each node that is a root, has a name, is used more than once, or would make another line
    too long, arguments first."""
    names = node_names(module)
    uses = _count_uses(module)
    shown: dict[int, tuple[str, int]] = {}
    lines = []
    for node in module.graph.nodes:
        text, bond = expression(node, [shown[arg.id] for arg in node.args])
        leaf = node.op in ("input", "const")
        named = node.id in names and not (leaf and names[node.id].startswith("$"))
        if named or (not leaf and (uses.get(node.id, 0) > 1 or len(text) > LONGEST_LINE)):
            name = names.get(node.id, f"${node.id}")
            lines.append(Line(node, name, text))
            text, bond = (text, bond) if leaf else (name, _ATOM)
        shown[node.id] = text, bond
    return tuple(lines)


def node_names(module: Module) -> dict[int, str]:
    """What people call nodes: features, lets, `model.input`; the first where there are several."""
    names: dict[int, str] = {}
    for root_name, root in module.roots.items():
        kind, owner, *_ = root_name.split("/")
        name = owner if kind == "feature" else f"{owner}.{column_of(root_name)}"
        names.setdefault(root.node.id, name)
    for number, label in module.labels.items():
        names.setdefault(number, label)
    return names


def expression(node: Node, operands: list[tuple[str, int]]) -> tuple[str, int]:
    """A node as text, given its arguments as text, and how tightly the text binds."""
    if node.op == "input":
        return str(node.attribute("name")), _ATOM
    if node.op == "const":
        return literal(node.attribute("value")), _ATOM
    texts = [text for text, _ in operands]
    if node.op == "list":
        return f"[{', '.join(texts)}]", _ATOM
    if node.op == "if":
        condition, then, otherwise = texts
        return f"if {condition} then {then} else {otherwise}", _IF
    symbol = OPERATORS[node.op].symbol
    if symbol is None or symbol not in _LOOSENESS:
        return f"{node.op}({', '.join([*texts, *_options(node)])})", _ATOM
    bond = _LOOSENESS[symbol]
    if len(operands) == 1:
        sign = symbol.removeprefix("unary ")
        return f"{sign}{' ' if sign.isalpha() else ''}{_inside(operands[0], bond)}", bond
    left, right = operands
    turned = symbol in ("**", "??")
    return f"{_inside(left, bond + turned)} {symbol} {_inside(right, bond + (not turned))}", bond


def literal(value: Constant) -> str:
    """A constant as it would be written; a long list is cut."""
    if isinstance(value, Vocab | Zone):
        return value.name if isinstance(value, Vocab) else json.dumps(value.name)
    if isinstance(value, tuple):
        shown = [literal(element) for element in value[:_LONGEST_LIST]]
        more = [f"… {len(value)} in all"] if len(value) > _LONGEST_LIST else []
        return f"[{', '.join(shown + more)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _options(node: Node) -> Iterable[str]:
    """Attributes that are not as by default."""
    if not node.attributes:
        return
    parameters = {p.name: p for p in OPERATORS[node.op].signatures[node.overload].parameters}
    for name, value in node.attributes:
        default = parameters[name].default
        shown = value.name if isinstance(value, Zone) else value
        if isinstance(value, Vocab) or shown != default:
            yield f"{name}: {literal(value)}"


def _inside(operand: tuple[str, int], bond: int) -> str:
    text, own = operand
    return f"({text})" if own < bond else text


def _count_uses(module: Module) -> Mapping[int, int]:
    uses: dict[int, int] = {}
    for node in module.graph.nodes:
        for arg in {a.id for a in node.args}:
            uses[arg] = uses.get(arg, 0) + 1
    return uses
