"""Arrays as TensorFlow's `TensorProto`, and back: raw bytes and typed fields, as other servers write them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from online.proto.tensorflow_serving_pb2 import DataType, TensorProto, TensorShapeProto

DTYPES: dict[str, DataType] = {
    "bool": DataType.DT_BOOL,
    "int32": DataType.DT_INT32,
    "int64": DataType.DT_INT64,
    "float32": DataType.DT_FLOAT,
    "float64": DataType.DT_DOUBLE,
}
"""By the name of a scalar type of the language."""

_BFLOAT16 = DataType.DT_BFLOAT16
_NUMPY: dict[int, str] = {
    DataType.DT_FLOAT: "<f4",
    DataType.DT_DOUBLE: "<f8",
    DataType.DT_HALF: "<f2",
    _BFLOAT16: "<u2",  # the upper half of a float32
    DataType.DT_INT8: "<i1",
    DataType.DT_INT16: "<i2",
    DataType.DT_INT32: "<i4",
    DataType.DT_INT64: "<i8",
    DataType.DT_UINT8: "<u1",
    DataType.DT_UINT16: "<u2",
    DataType.DT_UINT32: "<u4",
    DataType.DT_UINT64: "<u8",
    DataType.DT_BOOL: "?",
}
_FIELDS: dict[int, str] = {
    DataType.DT_FLOAT: "float_val",
    DataType.DT_DOUBLE: "double_val",
    DataType.DT_HALF: "half_val",
    _BFLOAT16: "half_val",
    DataType.DT_INT64: "int64_val",
    DataType.DT_UINT32: "uint32_val",
    DataType.DT_UINT64: "uint64_val",
    DataType.DT_BOOL: "bool_val",
}
"""Where typed values are; those of all small integers are in `int_val`."""

_MOST_ELEMENTS = 1 << 28


class NotATensor(ValueError):
    """A message that says one thing of a tensor and holds another."""


def encode(array: npt.NDArray[Any], message: TensorProto) -> None:
    """Fills an empty message, with raw bytes. Errors: `KeyError` for a type that no model takes."""
    message.dtype = DTYPES[array.dtype.name]
    for size in array.shape:
        message.tensor_shape.dim.add().size = size
    message.tensor_content = array.tobytes()


def decode(message: TensorProto) -> npt.NDArray[Any]:
    """The array of a message, read-only where it is made of raw bytes; 16-bit floats come as float32. Errors:
    `NotATensor`."""
    dtype = message.dtype
    if dtype not in _NUMPY:
        raise NotATensor(f"a type that no model gives: {_name(dtype)}")
    shape = _shape(message.tensor_shape)
    size = math.prod(shape)
    if size > _MOST_ELEMENTS:
        raise NotATensor(f"of a size that is too large: {list(shape)}")
    if message.tensor_content:
        if len(message.tensor_content) != size * np.dtype(_NUMPY[dtype]).itemsize:
            raise NotATensor(f"{len(message.tensor_content)} bytes for {list(shape)} of {_name(dtype)}")
        flat = np.frombuffer(message.tensor_content, _NUMPY[dtype])
    else:
        flat = _of_typed(getattr(message, _FIELDS.get(dtype, "int_val")), dtype, size)
    if dtype == _BFLOAT16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    elif dtype == DataType.DT_HALF:
        flat = flat.astype(np.float32)
    return flat.reshape(shape)


def _of_typed(given: Any, dtype: int, size: int) -> npt.NDArray[Any]:
    """Values of a typed field: of fewer than the shape says the last one is repeated; of none, all are 0."""
    if len(given) > size:
        raise NotATensor(f"{len(given)} values for {size} elements of {_name(dtype)}")
    if dtype in (DataType.DT_HALF, _BFLOAT16):
        values = narrowed(given, np.dtype(np.uint16)).view(_NUMPY[dtype])
    else:
        values = narrowed(given, np.dtype(_NUMPY[dtype]))
    if len(values) == size:
        return values
    flat = np.full(size, values[-1] if len(values) else 0, values.dtype)
    flat[: len(values)] = values
    return flat


def narrowed(given: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Numbers of a field that is wider than their type. Errors: `NotATensor` for one that does not fit."""
    if dtype.kind not in "iu" or dtype.itemsize >= 4:
        return np.array(given, dtype)
    wide = np.array(given, np.int64)
    values = wide.astype(dtype)
    if (values != wide).any():
        raise NotATensor(f"a number that is no {dtype.name}")
    return values


def shape_of(shape: TensorShapeProto) -> tuple[int | None, ...] | None:
    """A declared shape: None for a size that is not known, None for all where not even the rank is."""
    if shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in shape.dim)


def _shape(message: TensorShapeProto) -> tuple[int, ...]:
    shape = tuple(dim.size for dim in message.dim)
    if message.unknown_rank or any(size < 0 for size in shape):
        raise NotATensor("its shape is not known")
    return shape


def _name(dtype: int) -> str:
    return DataType.Name(dtype) if dtype in DataType.values() else str(dtype)
