"""The Arrow types that columns of a type are stored as."""

from __future__ import annotations

import pyarrow as pa

from featdsl.types import Kind, Type

_SCALARS = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.FLOAT32: pa.float32(),
    Kind.FLOAT64: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    Kind.ID: pa.int64(),
    Kind.NOTHING: pa.null(),
}


def arrow_type(type: Type) -> pa.DataType:
    """A list is a list, a vector a fixed-size list, a map a map, an id an int64."""
    if type.kind is Kind.LIST:
        return pa.list_(arrow_type(type.item))
    if type.kind is Kind.VECTOR:
        return pa.list_(arrow_type(type.item), type.size)
    if type.kind is Kind.MAP and type.key is not None:
        return pa.map_(arrow_type(type.key), arrow_type(type.item))
    return _SCALARS[type.kind]
