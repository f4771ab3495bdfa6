"""Asks a model server with our light client, then with the real ones, imported later into the same process.

Run with the Python of `.venv-tensorflow`: `imported_later.py HOST:PORT SCHEME`. Prints the weight that each of three
saw: ours, the real client, ours again.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from compiler.signature import ModelSignature, TensorSignature
from featdsl.program import Column
from featdsl.types import FLOAT32
from online.model_server.opening import open_model_server
from online.models import ModelNotReady

address, scheme = sys.argv[1:]
signature = ModelSignature(
    "ranker",
    (
        TensorSignature("dense", "float32", (None, 5)),
        TensorSignature("tags", "int64", (None, 3)),
        TensorSignature("shopper_once", "float32", (1, 2), per_request=True),
    ),
    (),
    (Column("like", FLOAT32), Column("buy", FLOAT32)),
    has_keep=False,
    has_score=False,
)
tensors = {
    "dense": np.ones((3, 5), np.float32),
    "tags": np.zeros((3, 3), np.int64),
    "shopper_once": np.zeros((1, 2), np.float32),
}
server = open_model_server(f"{scheme}://{address}/shop", signature)
while True:
    try:
        server.load(1, None)
        break
    except ModelNotReady:
        time.sleep(0.05)
ours = server.predict(1, tensors, 10.0)["buy"]
assert not {"tensorflow", "tritonclient", "tensorflow_serving"} & set(sys.modules)

import grpc  # noqa: E402
import tensorflow as tf  # noqa: E402
import tritonclient.grpc as triton  # noqa: E402
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc  # noqa: E402

if scheme == "tfs":
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "shop"
    for name, tensor in tensors.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(address))
    real = tf.make_ndarray(stub.Predict(request, timeout=10).outputs["buy"])
else:
    given = []
    for name, tensor in tensors.items():
        given.append(triton.InferInput(name, tensor.shape, triton._utils.np_to_triton_dtype(tensor.dtype)))
        given[-1].set_data_from_numpy(tensor)
    real = triton.InferenceServerClient(address).infer("shop", given).as_numpy("buy")
again = server.predict(1, tensors, 10.0)["buy"]
server.close()
print(*(float(values.ravel()[0]) for values in (ours, real, again)))
