"""Arrow arrays as the Python values that `compiler.reference.read` takes.

`to_pylist` will not do: it raises on text that is not UTF-8 and on nanoseconds, and knows no zone-less rule.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY = 86_400_000_000


def python_values(array: pa.Array) -> list[Any]:
    """One value a row: text as bytes, a timestamp or date as int microseconds (rounded down), a struct as a
    dict, a map as a list of pairs."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return python_values(array.storage)
    if kinds.is_dictionary(kind):
        return python_values(array.dictionary_decode())
    if kinds.is_struct(kind):
        columns = [python_values(column) for column in array.flatten()]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        rows = (
            {name: column[i] for name, column in zip(names, columns, strict=True)} for i in range(len(array))
        )
        return _with_nulls(array, list(rows))
    if kinds.is_map(kind):
        entries = list(zip(python_values(array.keys), python_values(array.items), strict=True))
        return _lists(array, array.offsets.to_pylist(), entries)
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return _lists(array, array.offsets.to_pylist(), python_values(array.values))
    if kinds.is_fixed_size_list(kind):
        starts = range(array.offset, array.offset + len(array) + 1)
        return _lists(array, [i * kind.list_size for i in starts], python_values(array.values))
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        large = pa.large_binary() if kinds.is_large_string(kind) else pa.binary()
        return list(array.cast(large).to_pylist())
    if kinds.is_timestamp(kind):
        counts = array.cast(pa.int64()).to_pylist()
        if kind.unit == "ns":
            return [None if n is None else n // 1_000 for n in counts]
        return [None if n is None else n * _MICROSECONDS[kind.unit] for n in counts]
    if kinds.is_date32(kind):
        return [None if n is None else n * _DAY for n in array.cast(pa.int32()).to_pylist()]
    if kinds.is_date64(kind):
        return [None if n is None else n * 1_000 for n in array.cast(pa.int64()).to_pylist()]
    return list(array.to_pylist())


def _with_nulls(array: pa.Array, values: list[Any]) -> list[Any]:
    if array.null_count == 0:
        return values
    return [
        value if valid else None for value, valid in zip(values, array.is_valid().to_pylist(), strict=True)
    ]


def _lists(array: pa.Array, offsets: list[int], elements: list[Any]) -> list[Any]:
    lists = [elements[start:end] for start, end in pairwise(offsets)]
    return _with_nulls(array, lists)
