"""What is known of values without a row: the range of integers, the largest length of lists, which floats are
computed. Used for warnings alone, so "not known" is always a right answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from featdsl.check.schema import Input, Members
from featdsl.operators.evaluate import apply
from featdsl.resources import Vocab
from featdsl.typed import Typed
from featdsl.types import FLOAT_KINDS, INTEGER_KINDS, Kind, Type

Range = tuple[int, int]
"""The least and the greatest value, both possible as far as is known."""

INT32: Range = (-(1 << 31), (1 << 31) - 1)
_LARGEST = (1 << 63) - 1
_DEEPEST = 6
"""Levels of an expression that are looked at."""

IDEMPOTENT = frozenset(
    "abs ceil distinct floor fold_width lower normalize round sign sort strip trim trunc upper".split()
)
"""Operators that change nothing when they are applied again with the same arguments."""

_FIXED: dict[str, Range] = {
    "hour": (0, 23), "minute": (0, 59), "second": (0, 59), "weekday": (0, 6), "month": (1, 12), "day": (1, 31),
    "day_of_year": (1, 366), "week_of_year": (1, 53), "quarter": (1, 4), "days_in_month": (28, 31),
    "millisecond": (0, 999), "sign": (-1, 1),
    "size": (0, _LARGEST), "length": (0, _LARGEST), "count": (0, _LARGEST), "overlap_count": (0, _LARGEST),
}  # fmt: skip
_SUBLISTS = "take take_last slice filter distinct sort sort_by reverse intersection difference".split()
"""Operators that give elements of their first argument, no more than it has."""

_ONE_OF_ITS_ARGUMENTS: dict[str, slice] = {
    "coalesce": slice(0, 2), "if": slice(1, 3), "first": slice(0, 1), "last": slice(0, 1), "at": slice(0, 1),
    "list": slice(0, None),
    **dict.fromkeys(_SUBLISTS, slice(0, 1)), "flatten": slice(0, 1), "mode": slice(0, 1),
}  # fmt: skip
"""Operators that give one of these arguments, or one of their elements."""
_EXACT = frozenset("float64 round floor ceil trunc".split())
"""Operators whose floats are whole numbers, or integers as they were."""
_UNCHANGED = frozenset(
    "abs negate clip min max coalesce if first last at pad get list flatten mode".split()
) | frozenset(_SUBLISTS)
"""Operators that give their arguments' floats or those with another sign."""


def element(type: Type) -> Type:
    """The type of the elements of a list, at any depth; else the type."""
    while type.is_listlike:
        type = type.item
    return type


def range_of(node: Typed, deepest: int = _DEEPEST) -> Range | None:
    """The range of an integer, or of the integers of a list; None where nothing is known. Null apart."""
    if element(node.type).kind not in INTEGER_KINDS or deepest == 0:
        return None
    attributes = dict(node.attributes)
    if node.op == "const":
        value = attributes["value"]
        values = value if isinstance(value, tuple) else (value,)
        numbers = [v for v in values if isinstance(v, int)]
        return (min(numbers), max(numbers)) if numbers and len(numbers) == len(values) else None
    if node.op in _FIXED:
        return _FIXED[node.op]
    if node.op in _ONE_OF_ITS_ARGUMENTS:
        return _union([range_of(a, deepest - 1) for a in node.args[_ONE_OF_ITS_ARGUMENTS[node.op]]])
    made = _MADE.get(node.op)
    found = None if made is None else made(node, attributes, deepest - 1)
    if found is None and element(node.type).kind is Kind.INT32:
        return INT32
    return found


def _union(ranges: list[Range | None]) -> Range | None:
    known = [r for r in ranges if r is not None]
    if not known or len(known) < len(ranges):
        return None
    return min(r[0] for r in known), max(r[1] for r in known)


def _hash(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    buckets, offset = attributes.get("buckets"), attributes.get("offset", 0)
    if not isinstance(buckets, int) or not isinstance(offset, int):
        return None
    return offset, offset + buckets - 1


def _bucketize(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    edges = attributes.get("edges")
    return (0, len(edges)) if isinstance(edges, tuple) else None


def _log_bucketize(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    buckets = attributes.get("buckets")
    return (0, buckets - 1) if isinstance(buckets, int) else None


def _lookup(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    vocab = attributes.get("vocab")
    return (0, len(vocab.entries) + 1) if isinstance(vocab, Vocab) and len(attributes) == 1 else None


def _clip(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    low, high = (range_of(a, deepest) for a in node.args[1:])
    if low is None or high is None or low[1] > high[0]:
        return None
    return low[0], high[1]


def _integer(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    kind = element(node.args[0].type).kind
    return (0, 1) if kind is Kind.BOOL else range_of(node.args[0], deepest)


def _modulo(node: Typed, attributes: Mapping[str, object], deepest: int) -> Range | None:
    divisor = range_of(node.args[1], deepest)
    if divisor is None or divisor[0] != divisor[1] or divisor[0] <= 0:
        return None
    return 0, divisor[0] - 1


_MADE: dict[str, Callable[[Typed, Mapping[str, object], int], Range | None]] = {
    "hash": _hash, "bucketize": _bucketize, "log_bucketize": _log_bucketize, "lookup": _lookup, "clip": _clip,
    "int64": _integer, "int32": _integer, "modulo": _modulo,
}  # fmt: skip


def is_computed_float(node: Typed, deepest: int = _DEEPEST) -> bool:
    """Whether a float (or those of a list) comes from an operation that rounds."""
    if element(node.type).kind not in FLOAT_KINDS or deepest == 0:
        return False
    if node.op in ("const", "input") or node.op in _EXACT:
        return False
    if node.op in _UNCHANGED:
        return any(is_computed_float(a, deepest - 1) for a in node.args)
    return True


def is_idempotent(node: Typed) -> bool:
    """Whether applying the operator again with the same other arguments changes nothing."""
    if node.op == "clip":
        low, high = (a.attributes[0][1] if a.op == "const" else None for a in node.args[1:])
        return isinstance(low, (int, float)) and isinstance(high, (int, float)) and low <= high
    return node.op in IDEMPOTENT


def gives(node: Typed, value: object) -> bool:
    """Whether the operator of the node, an idempotent one, leaves a value as it is: else it never gives it."""
    others: list[object] = []
    for other in node.args[1:]:
        if other.op != "const":
            return True
        others.append(other.attributes[0][1])
    try:
        again = apply(node.op, node.overload, [value, *others], dict(node.attributes))
    except (ArithmeticError, ValueError, TypeError, AttributeError):
        return True
    return bool(again == value)


def longest(node: Typed, roots: Mapping[str, Input | Members], deepest: int = _DEEPEST) -> int | None:
    """The largest length that a list can have; None where there is none."""
    if deepest == 0 or not node.type.is_listlike:
        return None
    if node.type.size is not None:
        return node.type.size
    if node.op == "input":
        return _cap(str(node.attributes[0][1]), roots)
    if any(node.mapped):
        known = [longest(a, roots, deepest - 1) for a, m in zip(node.args, node.mapped, strict=True) if m]
        return min((k for k in known if k is not None), default=None)
    if node.op in _SUBLISTS:
        found = longest(node.args[0], roots, deepest - 1)
        n = dict(node.attributes).get("n") if node.op in ("take", "take_last") else None
        bounds = [b for b in (found, n) if isinstance(b, int)]
        return min(bounds, default=None)
    if node.op in ("coalesce", "if"):
        sides = [longest(a, roots, deepest - 1) for a in node.args[-2:]]
        return None if None in sides else max(s for s in sides if s is not None)
    if node.op == "const":
        value = node.attributes[0][1]
        return len(value) if isinstance(value, tuple) else None
    return None


def _cap(path: str, roots: Mapping[str, Input | Members]) -> int | None:
    first, *rest = path.split(".")
    found: Input | Members | None = roots.get(first)
    for name in rest:
        found = found.inputs.get(name) if isinstance(found, Members) else None
    return found.cap if isinstance(found, Input) else None
