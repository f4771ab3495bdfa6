"""Whether columns of outputs hold the same values, to the bit. (An output is never NaN.)"""

from __future__ import annotations

import pyarrow as pa

from compiler.reference.arrow_values import python_values
from tests.conformance.programs import exact


def differing_rows(got: pa.Array, wanted: pa.Array) -> list[int]:
    """The rows in which two columns differ; [-1] where their types or lengths do."""
    if got.type != wanted.type or len(got) != len(wanted):
        return [-1]
    if same_bits(got, wanted):
        return []
    return [row for row in range(len(got)) if not same_bits(got.slice(row, 1), wanted.slice(row, 1))]


def same_bits(got: pa.Array, wanted: pa.Array) -> bool:
    """Whether two arrays of one type are the same; -0.0 is not 0.0."""
    if not got.equals(wanted):
        return False
    if pa.types.is_floating(got.type):
        integers = pa.int64() if got.type.bit_width == 64 else pa.int32()
        return bool(got.view(integers).equals(wanted.view(integers)))
    if pa.types.is_map(got.type):
        return bool(exact(python_values(got)) == exact(python_values(wanted)))
    if pa.types.is_list(got.type) or pa.types.is_fixed_size_list(got.type):
        return same_bits(got.flatten(), wanted.flatten())
    return True
