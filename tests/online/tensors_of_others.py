"""TensorFlow's own tensors read as ours, and ours as TensorFlow's, in every type; with `.venv-tensorflow`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from online.model_server.tfserving_tensors import DTYPES, decode, encode
from online.proto.tensorflow_serving_pb2 import TensorProto

FIELDS = {
    "float16": "half_val", "bfloat16": "half_val", "float32": "float_val", "float64": "double_val", "int8": "int_val",
    "int16": "int_val", "int32": "int_val", "int64": "int64_val", "uint8": "int_val", "uint16": "int_val",
    "uint32": "uint32_val", "uint64": "uint64_val", "bool": "bool_val",
}  # fmt: skip
checked = 0
for shape in ((4,), (2, 3), (1, 1), (0,), (0, 3), ()):
    for name, field in FIELDS.items():
        dtype = tf.as_dtype(name)
        values = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype.as_numpy_dtype)
        raw = tf.make_tensor_proto(values)  # raw bytes, but for scalars
        typed = tensor_pb2.TensorProto(
            dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape(shape).as_proto()
        )
        bits = values.view(np.uint16) if field == "half_val" else values
        getattr(typed, field).extend(bits.ravel().tolist())
        short = tensor_pb2.TensorProto()  # the last value stands for all that follow
        short.CopyFrom(typed)
        same = np.full(shape, values.ravel()[0] if values.size else 0, dtype.as_numpy_dtype)
        del getattr(short, field)[1:]
        for proto, wanted in ((raw, values), (typed, values), (short, same)):
            found = decode(TensorProto.FromString(proto.SerializeToString()))
            assert found.shape == wanted.shape, (name, shape, found.shape)
            assert (found == wanted.astype(found.dtype)).all(), (name, shape, found)
            checked += 1
    for name in DTYPES:
        values = np.arange(int(np.prod(shape))).reshape(shape).astype(name)
        message = TensorProto()
        encode(values, message)
        theirs = tf.make_ndarray(tensor_pb2.TensorProto.FromString(message.SerializeToString()))
        assert (theirs.dtype, theirs.shape) == (values.dtype, values.shape), name
        assert (theirs == values).all(), name
        checked += 1
print(checked)
