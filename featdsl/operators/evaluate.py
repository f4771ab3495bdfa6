"""Applying an operator's reference to values: the null rule, constant parameters, mapping over lists.

The checker and the fold pass compute constants with it, the reference backend everything. Values are as the
references have them (see `featdsl.operators.declare`); a list may come as a list or a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featdsl.operators.declare import OPERATORS, Operator

NO_MAPPING: tuple[int, ...] = ()


def bind(
    op: str | Operator,
    overload: int,
    attributes: Mapping[str, Any],
    mapped: Sequence[int] = NO_MAPPING,
    drops_null: bool = False,
) -> Callable[[Sequence[Any]], Any]:
    """The function from the arguments of one row to the operator's value, for a node's `op`, `overload`,
    `attributes`, `mapped` and `drops_null` (see `featdsl.typed.Typed`).

    Null rule: None at a parameter that does not take it gives None. A mapped list that is itself None gives
    None. Errors: `ValueError` when mapped lists of one row differ in length.
    """
    operator = OPERATORS[op] if isinstance(op, str) else op
    signature = operator.signatures[overload]
    reference = operator.reference
    constants = dict(attributes)
    gives_float = signature.result.name == "float64"

    def scalar(arguments: Sequence[Any]) -> Any:
        for index, value in enumerate(arguments):
            if value is None and not signature.parameter_of(index).takes_null:
                return None
        result = reference(*arguments, **constants)
        # A reference does not see types: the sum of no floats is 0.0, not 0.
        return float(result) if gives_float and type(result) is int else result

    def over_lists(arguments: Sequence[Any], depths: Sequence[int]) -> Any:
        if not any(depths):
            return scalar(arguments)
        lists = [value for value, depth in zip(arguments, depths, strict=True) if depth]
        if any(values is None for values in lists):
            return None
        sizes = {len(values) for values in lists}
        if len(sizes) > 1:
            raise ValueError(f"{operator.name} over lists of different lengths: {sorted(sizes)}")
        inner = [max(depth - 1, 0) for depth in depths]
        results = [
            over_lists([v[i] if depth else v for v, depth in zip(arguments, depths, strict=True)], inner)
            for i in range(sizes.pop())
        ]
        return [r for r in results if r is not None] if drops_null and not any(inner) else results

    return (lambda arguments: over_lists(arguments, mapped)) if any(mapped) else scalar


def apply(
    op: str | Operator,
    overload: int,
    arguments: Sequence[Any],
    attributes: Mapping[str, Any],
    mapped: Sequence[int] = NO_MAPPING,
    drops_null: bool = False,
) -> Any:
    """The operator's value for one row; see `bind`."""
    return bind(op, overload, attributes, mapped, drops_null)(arguments)
