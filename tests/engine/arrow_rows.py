"""Batches from Python values, and back, by way of pyarrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from engine import Batch, Program
from featdsl.types import Kind, Type, parse_type

SCALARS = {
    Kind.BOOL: pa.bool_(),
    Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(),
    Kind.FLOAT32: pa.float32(),
    Kind.FLOAT64: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    Kind.ID: pa.int64(),
}


def arrow_type(type: Type) -> pa.DataType:
    if type.kind is Kind.LIST:
        return pa.list_(arrow_type(type.item))
    if type.kind is Kind.VECTOR:
        return pa.list_(arrow_type(type.item), type.size)
    if type.kind is Kind.MAP:
        assert type.key is not None
        return pa.map_(arrow_type(type.key), arrow_type(type.item))
    return SCALARS[type.kind]


def record_batch(columns: Mapping[str, tuple[str, list[Any]]]) -> pa.RecordBatch:
    arrays = [pa.array(values, arrow_type(parse_type(type))) for type, values in columns.values()]
    return pa.record_batch(arrays, names=list(columns))


def batch(columns: Mapping[str, tuple[str, list[Any]]]) -> Batch:
    """`batch({"age": ("int32?", [1, None])})`."""
    return Batch.from_arrow(record_batch(columns), [(name, type) for name, (type, _) in columns.items()])


def run(
    program: Program | bytes, columns: Mapping[str, tuple[str, list[Any]]], num_rows: int
) -> dict[str, list[Any]]:
    """The outputs by name, as Python values; all inputs in one batch."""
    loaded = program if isinstance(program, Program) else Program(program)
    out = loaded.run([batch(columns)], num_rows)
    return {name: out.values(name) for name in out.names}
