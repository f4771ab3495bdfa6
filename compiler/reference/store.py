"""Storing results: from Python values to an Arrow column of a root's type."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from compiler.arrow_types import arrow_type
from featdsl.types import Kind, Type


def stored_column(values: Sequence[Any], type: Type) -> tuple[pa.Array, int]:
    """The column, and how many floats in it were not finite and became 0. float32 rounds to nearest even."""
    store = _Store()
    stored = [store.value(value, type) for value in values]
    return pa.array(stored, arrow_type(type)), store.nonfinite


class _Store:
    def __init__(self) -> None:
        self.nonfinite = 0

    def value(self, value: Any, type: Type) -> Any:
        if value is None:
            return None
        if type.kind is Kind.MAP and type.key is not None:
            return [(key, self.value(element, type.item)) for key, element in value.items()]
        if type.is_listlike:
            return [self.value(element, type.item) for element in value]
        if type.kind is Kind.FLOAT32:
            return self._finite(_nearest_float32(value))
        return self._finite(value) if type.kind is Kind.FLOAT64 else value

    def _finite(self, value: float) -> float:
        if math.isfinite(value):
            return value
        self.nonfinite += 1
        return 0.0


def _nearest_float32(value: float) -> float:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.inf
    return rounded
