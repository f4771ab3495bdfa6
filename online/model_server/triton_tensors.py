"""Arrays as tensors of the KServe v2 protocol, and back: raw contents and typed ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from online.model_server.tfserving_tensors import NotATensor, narrowed
from online.proto.kserve_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse

DTYPES = {"bool": "BOOL", "int32": "INT32", "int64": "INT64", "float32": "FP32", "float64": "FP64"}
"""By the name of a scalar type of the language."""

_NUMPY = {
    "BOOL": "?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "FP32": "<f4",
    "FP64": "<f8",
}
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}
"""Where typed contents are; 16-bit floats have none."""


def encode(name: str, array: npt.NDArray[Any], message: ModelInferRequest) -> None:
    """Adds an input to a request, with raw contents. Errors: `KeyError` for a type that no model takes."""
    message.inputs.add(name=name, datatype=DTYPES[array.dtype.name], shape=array.shape)
    message.raw_input_contents.append(array.tobytes())


def encode_typed(name: str, array: npt.NDArray[Any], message: ModelInferRequest) -> None:
    """Adds an input to a request, with typed contents. Errors: `KeyError` for a type that no model takes."""
    _fill(message.inputs.add(name=name, datatype=DTYPES[array.dtype.name], shape=array.shape), array)


def decode(message: ModelInferResponse) -> dict[str, npt.NDArray[Any]]:
    """The outputs of an answer, read-only where they are made of raw bytes; 16-bit floats come as float32. Errors:
    `NotATensor`."""
    raw = message.raw_output_contents
    if raw and len(raw) != len(message.outputs):
        raise NotATensor(f"{len(raw)} raw contents for {len(message.outputs)} outputs")
    return {
        output.name: _decoded(output.datatype, output.shape, output.contents, raw[place] if raw else None)
        for place, output in enumerate(message.outputs)
    }


def add_output(name: str, array: npt.NDArray[Any], message: ModelInferResponse, *, raw: bool) -> None:
    """Adds an output to an answer. Errors: `KeyError` for a type that no model gives."""
    output = message.outputs.add(name=name, datatype=DTYPES[array.dtype.name], shape=array.shape)
    if raw:
        message.raw_output_contents.append(array.tobytes())
    else:
        _fill(output, array)


def _fill(tensor: Any, array: npt.NDArray[Any]) -> None:
    getattr(tensor.contents, _FIELDS[tensor.datatype]).extend(array.ravel().tolist())


def decode_inputs(message: ModelInferRequest) -> dict[str, npt.NDArray[Any]]:
    """The inputs of a request, as `decode` gives the outputs of an answer. Errors: `NotATensor`."""
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise NotATensor(f"{len(raw)} raw contents for {len(message.inputs)} inputs")
    return {
        given.name: _decoded(given.datatype, given.shape, given.contents, raw[place] if raw else None)
        for place, given in enumerate(message.inputs)
    }


def _decoded(datatype: str, shape: Any, contents: InferTensorContents, raw: bytes | None) -> npt.NDArray[Any]:
    if datatype not in _NUMPY:
        raise NotATensor(f"a type that no model gives: {datatype}")
    dtype, sizes = np.dtype(_NUMPY[datatype]), tuple(shape)
    if any(size < 0 for size in sizes):
        raise NotATensor("its shape is not known")
    if raw is None:
        if datatype not in _FIELDS:
            raise NotATensor(f"typed contents of {datatype}")
        flat = narrowed(getattr(contents, _FIELDS[datatype]), dtype)
        found = flat.nbytes
    else:
        found = len(raw)
    if found != math.prod(sizes) * dtype.itemsize:
        raise NotATensor(f"{found} bytes for {list(sizes)} of {datatype}")
    if raw is not None:
        flat = np.frombuffer(raw, dtype)
    if datatype == "BF16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    elif datatype == "FP16":
        flat = flat.astype(np.float32)
    return flat.reshape(sizes)
