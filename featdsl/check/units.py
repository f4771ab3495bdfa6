"""Warnings about spans of time that are taken for seconds or days: a difference of timestamps is microseconds."""

from __future__ import annotations

from featdsl.check.complaints import Complaints
from featdsl.check.nodes import Nodes
from featdsl.source_file import Span
from featdsl.typed import Typed
from featdsl.types import Kind

_UNITS = ("milliseconds", "seconds", "minutes", "hours", "days")
_IN_SECONDS = {60: "minutes", 3600: "hours", 86_400: "days", 604_800: "days"}
_COMPARED = frozenset("equal not_equal less less_equal greater greater_equal".split())
_SHORT_US = 1_000_000
"""A literal of less than a second beside a time is likelier meant as seconds or days. 1 moves an edge by the least."""


def look_at_units(node: Typed, nodes: Nodes, complaints: Complaints, at: Span) -> None:
    """Warns (W0110) where microseconds stand and another unit seems to be meant. `at` is the operator's place."""
    if node.op in _UNITS and _is_span(node.args[0]):
        complaints.warning(
            "W0110",
            f"microseconds are taken for {node.op}",
            at,
            label="a difference of timestamps is microseconds already",
            help=f"leave `{node.op}` out, or write `{_since(node.op)}(earlier, later)`",
        )
    elif node.op in ("divide", "floor_divide") and _is_span(node.args[0]):
        divisor = nodes.value_of(node.args[1])
        if isinstance(divisor, int | float) and divisor in _IN_SECONDS:
            unit = _IN_SECONDS[int(divisor)]
            complaints.warning(
                "W0110",
                f"microseconds are divided by {int(divisor)}",
                at,
                label="a difference of timestamps is microseconds, not seconds",
                help=f"write `{_since(unit)}(earlier, later)`, or divide by `{unit}(1)`",
            )
    elif len(node.args) == 2 and node.op in ("add", "subtract", *_COMPARED):
        compared = node.op in _COMPARED
        for one, other in (node.args, node.args[::-1]):
            short = _short(other)
            if short and (_is_span(one) if compared else _is_time(one)):
                complaints.warning(
                    "W0110",
                    f"a span of time is compared with {short} microseconds"
                    if compared
                    else f"a time is moved by {short} microseconds",
                    at,
                    help=f"name the unit, such as `seconds({short})`",
                )


def _is_time(node: Typed) -> bool:
    return node.type.innermost.kind is Kind.TIMESTAMP


def _is_span(node: Typed) -> bool:
    while node.op in ("float64", "coalesce", "abs"):
        node = node.args[0]
    return node.op == "subtract" and all(map(_is_time, node.args))


def _short(node: Typed) -> int:
    """The literal that is likelier seconds or days, else 0."""
    while node.op == "float64":
        node = node.args[0]
    value = node.attributes[0][1] if node.op == "const" else 0
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 1 < abs(value) < _SHORT_US else 0


def _since(unit: str) -> str:
    return "seconds_since" if unit == "milliseconds" else f"{unit}_since"
