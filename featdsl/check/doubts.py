"""Warnings about expressions that mean something else than they seem to: comparisons that are decided before any row
is read, floats compared for equality, operators that change nothing, conditions that are constant."""

from __future__ import annotations

from collections.abc import Mapping

from featdsl.check.complaints import Complaints
from featdsl.check.nodes import Nodes
from featdsl.check.ranges import element, gives, is_computed_float, is_idempotent, longest, range_of
from featdsl.check.schema import Input, Members
from featdsl.check.types import shown
from featdsl.check.units import look_at_units
from featdsl.levels import Level
from featdsl.operators.cast import nearest_float32
from featdsl.operators.declare import NOT_CONSTANT
from featdsl.source_file import Span
from featdsl.typed import Typed
from featdsl.types import FLOAT_KINDS, INTEGER_KINDS, Kind

_COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal".split())
_CASTS = frozenset("bool int32 int64 float32 float64 string".split())
_Side = tuple[float, float, str]
"""The least and the greatest number of one side, and what to call it."""


class Doubts:
    """Looks at an operator's node right after it was checked; `roots` is what is read."""

    def __init__(self, nodes: Nodes, complaints: Complaints, roots: Mapping[str, Input | Members]) -> None:
        self._nodes = nodes
        self._complaints = complaints
        self._roots = roots

    def look(self, node: Typed, at: Span, symbol: str = "") -> None:
        """Warns where there is reason to. `at` is the operator's place (of an `if` the condition's), `symbol` how
        it is written there."""
        if self._complaints.callers:
            return
        if node.op in _COMPARISONS and len(node.args) == 2:
            self._comparison(node, at, symbol)
        elif node.op in ("in", "contains") and len(node.args) == 2:
            self._membership(node, at)
        elif node.op == "if":
            self._condition(node.args[0], at)
        self._needless(node, at)
        look_at_units(node, self._nodes, self._complaints, at)

    # --- comparisons ---------------------------------------------------------------------------

    def _comparison(self, node: Typed, at: Span, symbol: str) -> None:
        a, b = node.args
        if node.level is Level.CONSTANT:
            return
        equality = node.op in ("equal", "not_equal")
        reason = self._never_equal(a, b) or self._never_equal(b, a) if equality else ""
        verdict: bool | None = (node.op == "not_equal") if reason else None
        if verdict is None:
            verdict, reason = self._decided(node.op, a, b)
        if verdict is not None:
            told = "always" if verdict else "never"
            self._complaints.warning("W0107", f"the comparison is {told} true", at, label=reason)
        elif equality and any(map(is_computed_float, (a, b))) and not any(map(self._is_zero, (a, b))):
            self._complaints.warning(
                "W0105",
                f"a computed float is compared with `{symbol or node.op}`",
                at,
                label="the last bits of a computed float depend on how it was computed",
                help="compare with a tolerance, such as `abs(a - b) < 1e-9`",
            )

    def _never_equal(self, value: Typed, other: Typed) -> str:
        """Why `value` never equals `other`, a constant; else nothing."""
        constant = self._nodes.value_of(other)
        if constant is NOT_CONSTANT or constant is None or isinstance(constant, tuple):
            return ""
        return _impossible(value, constant)

    def _decided(self, op: str, a: Typed, b: Typed) -> tuple[bool | None, str]:
        """Whether a comparison holds for all values of the two ranges, or for none, and why."""
        left, right = self._side(a), self._side(b)
        if left is None or right is None:
            return None, ""
        reason = " and ".join(side[2] for side in (left, right) if side[2])
        if not reason:
            return None, ""
        if op in ("greater", "greater_equal"):
            left, right, op = right, left, {"greater": "less", "greater_equal": "less_equal"}[op]
        if op in ("less", "less_equal"):
            if left[1] < right[0] or (op == "less_equal" and left[1] == right[0]):
                return True, reason
            if left[0] > right[1] or (op == "less" and left[0] == right[1]):
                return False, reason
        elif left[1] < right[0] or right[1] < left[0]:
            return op == "not_equal", reason
        return None, ""

    def _side(self, node: Typed) -> _Side | None:
        constant = self._nodes.value_of(node)
        if isinstance(constant, (int, float)) and not isinstance(constant, bool):
            return constant, constant, ""
        whole = node.args[0] if node.op == "float64" else node
        known = range_of(whole)
        if known is None:
            return None
        ends = (float(known[0]), float(known[1])) if whole is not node else known
        return ends[0], ends[1], _told(whole, known)

    def _is_zero(self, node: Typed) -> bool:
        value = self._nodes.value_of(node)
        return isinstance(value, (int, float)) and value == 0

    def _membership(self, node: Typed, at: Span) -> None:
        """`x in [a, b]` with an element that `x` never is; `contains(list, a)` alike."""
        value, found = node.args[0], self._nodes.value_of(node.args[1])
        if node.op == "in":
            constants = found if isinstance(found, tuple) else ()
        else:
            constants = (found,) if value.type.is_listlike and found is not NOT_CONSTANT else ()
        if node.level is Level.CONSTANT:
            return
        for constant in constants:
            reason = "" if constant is None else _impossible(value, constant)
            if reason:
                self._complaints.warning(
                    "W0107", f"an element is never found: {shown(constant)}", at, label=reason
                )
                return

    def _condition(self, condition: Typed, at: Span) -> None:
        value = self._nodes.value_of(condition)
        if value is None or isinstance(value, bool):
            branch = "the first" if value else "the second"
            self._complaints.warning(
                "W0108",
                f"the condition is always {shown(value)}",
                at,
                help=f"write {branch} branch alone",
            )

    # --- operators that change nothing ---------------------------------------------------------

    def _needless(self, node: Typed, at: Span) -> None:
        reason = self._without_effect(node)
        if reason:
            self._complaints.warning(
                "W0106", f"`{node.op}` changes nothing here", at, label=reason, help="leave it out"
            )

    def _without_effect(self, node: Typed) -> str:
        """Why the result is the first argument as it was; else nothing."""
        if not node.args:
            return ""
        given = node.args[0]
        kind = element(given.type).kind
        if is_idempotent(node) and given.op == node.op and _same_options(node, given):
            return f"this is a `{node.op}` already"
        if node.op in ("round", "floor", "ceil", "trunc") and kind in INTEGER_KINDS and not node.attributes:
            return f"this is `{given.type}`"
        if node.op in _CASTS and kind.value == node.op:
            return f"this is `{given.type}` already"
        if node.op == "hash" and kind is Kind.ID and "buckets" not in dict(node.attributes):
            return "this is an id already"
        if node.op in ("take", "take_last", "pad") and not any(node.mapped):
            n, most = dict(node.attributes).get("n"), longest(given, self._roots)
            whole = given.type.size == n if node.op == "pad" else most is not None
            if isinstance(n, int) and most is not None and whole and most <= n and given.op != "const":
                return f"the list has {'' if given.type.size is not None else 'at most '}{_count(most)}"
        return ""


def _impossible(value: Typed, constant: object) -> str:
    """Why a value (or an element of a list) is never equal to a constant; else nothing."""
    kind = element(value.type).kind
    whole = value.args[0] if value.op == "float64" else value
    if (
        isinstance(constant, float)
        and element(whole.type).kind in INTEGER_KINDS
        and not constant.is_integer()
    ):
        return f"a whole number is never {shown(constant)}"
    if isinstance(constant, float) and kind is Kind.FLOAT32 and value.op == "input":
        nearest = nearest_float32(constant)
        if nearest != constant:
            return f"no float32 is {shown(constant)}; the nearest is {shown(nearest)}"
    if isinstance(constant, (int, float)) and not isinstance(constant, bool):
        known = range_of(whole)
        if known is not None and not known[0] <= constant <= known[1]:
            return _told(whole, known)
    if is_idempotent(value) and kind not in FLOAT_KINDS and not gives(value, constant):
        return f"`{value.op}` never gives {shown(constant)}"
    return ""


def _told(node: Typed, known: tuple[int, int]) -> str:
    low, high = known
    what = f"`{node.op}`" if node.op not in ("input", "const", "list") else f"this `{element(node.type)}`"
    end = "up" if high >= (1 << 63) - 1 else str(high)
    return f"{what} is {low} and up" if end == "up" else f"{what} is {low} to {high}"


def _same_options(a: Typed, b: Typed) -> bool:
    return (
        a.attributes == b.attributes
        and a.overload == b.overload
        and a.mapped == b.mapped
        and len(a.args) == len(b.args)
        and all(x is y for x, y in zip(a.args[1:], b.args[1:], strict=True))
    )


def _count(n: int) -> str:
    return "1 element" if n == 1 else f"{n} elements"
