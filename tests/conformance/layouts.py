"""The same rows, held otherwise: what a reader of Arrow has to bear."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as kinds

_SPARE = 3
"""Elements in front at each level: neither a whole byte of validity bits nor nothing."""


def sliced(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows as slices: every array, at every depth, begins in the middle of its buffers."""
    columns = [_sliced(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, rows.schema.names)


def _sliced(array: pa.Array) -> pa.Array:
    """Equal to `array`, with an offset at each level and other values before and after."""
    if len(array) == 0:
        return array
    type = array.type
    if not (kinds.is_nested(type)):
        return pa.concat_arrays([*[array[-1:]] * _SPARE, array, array[:1]])[_SPARE : _SPARE + len(array)]
    spare = pa.concat_arrays([*[array[-1:]] * _SPARE, array])
    validity = spare.is_valid()
    buffers = [validity.buffers()[1]]
    if kinds.is_struct(type):
        children = [_sliced(spare.field(i)) for i in range(type.num_fields)]
    elif kinds.is_fixed_size_list(type):
        children = [_sliced(spare.values)]
    else:
        children = [_sliced(_entries(spare) if kinds.is_map(type) else spare.values)]
        buffers.append(spare.offsets.buffers()[1])
    return pa.Array.from_buffers(type, len(array), buffers, offset=_SPARE, children=children)


def _entries(array: pa.MapArray) -> pa.StructArray:
    entry = array.type
    return pa.StructArray.from_arrays([array.keys, array.items], fields=[entry.key_field, entry.item_field])


def large(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with 64-bit offsets."""
    columns = [column.cast(_large(column.type)) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, rows.schema.names)


def _large(type: pa.DataType) -> pa.DataType:
    if kinds.is_string(type):
        return pa.large_string()
    if kinds.is_struct(type):
        return pa.struct([field.with_type(_large(field.type)) for field in type])
    return pa.large_list(_large(type.value_type)) if kinds.is_list(type) else type
