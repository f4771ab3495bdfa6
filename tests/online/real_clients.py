"""Asks a model server with the real clients: `.venv-tensorflow/bin/python tests/online/real_clients.py ADDRESS`.

Prints what they got as JSON. The model is the one of `test_model_faces.py`.
"""

import json
import sys

import grpc
import numpy as np
import tensorflow as tf
import tritonclient.grpc as triton
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tritonclient.grpc import service_pb2, service_pb2_grpc

address = sys.argv[1]
wide = np.arange(12, dtype=np.float32).reshape(3, 4)
once = np.array([7], np.int64)
got = {}


def refusal(call, *args, **named):
    try:
        call(*args, **named)
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    except triton.InferenceServerException as error:
        return [error.status().removeprefix("StatusCode."), error.message()]
    return None


# --- TensorFlow Serving -----------------------------------------------------------------------------
channel = grpc.insecure_channel(address)
prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
models = model_service_pb2_grpc.ModelServiceStub(channel)


def predict(version=None, name="ranker", typed=False, outputs=(), **inputs):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = "serving_default"
    if version is not None:
        request.model_spec.version.value = version
    for key, value in {"wide": wide, "once": once, **inputs}.items():
        tensor = tf.make_tensor_proto(value)
        if typed:
            for field in ("tensor_content", "float_val", "int64_val"):
                tensor.ClearField(field)
            (tensor.float_val if value.dtype == np.float32 else tensor.int64_val).extend(
                value.ravel().tolist()
            )
        request.inputs[key].CopyFrom(tensor)
    return prediction.Predict(request, timeout=30)


answer = predict()
got["tfs"] = {name: tf.make_ndarray(tensor).tolist() for name, tensor in answer.outputs.items()}
got["tfs version"] = answer.model_spec.version.value
got["tfs typed"] = tf.make_ndarray(predict(typed=True).outputs["like"]).tolist()
got["tfs one output"] = list(predict(outputs=["second"]).outputs)
got["tfs version 1"] = tf.make_ndarray(predict(version=1).outputs["like"]).tolist()
got["tfs refused"] = {
    "version": refusal(predict, version=9),
    "model": refusal(predict, name="other"),
    "shape": refusal(predict, wide=wide[:, :3]),
    "type": refusal(predict, wide=wide.astype(np.float64)),
    "output": refusal(predict, outputs=["third"]),
    "input": refusal(predict, extra=wide),
}
request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
request.model_spec.name = "ranker"
described = prediction.GetModelMetadata(request, timeout=30)
signatures = get_model_metadata_pb2.SignatureDefMap()
assert described.metadata["signature_def"].Unpack(signatures)
signature = signatures.signature_def["serving_default"]
got["tfs inputs"] = {
    name: [tf.as_dtype(info.dtype).name, [dim.size for dim in info.tensor_shape.dim]]
    for name, info in signature.inputs.items()
}
got["tfs outputs"] = sorted(signature.outputs)
status = get_model_status_pb2.GetModelStatusRequest()
status.model_spec.name = "ranker"
states = models.GetModelStatus(status, timeout=30).model_version_status
kind = get_model_status_pb2.ModelVersionStatus.State
got["tfs states"] = {one.version: kind.Name(one.state) for one in states}

# --- KServe v2 ---------------------------------------------------------------------------------------
client = triton.InferenceServerClient(address)
got["kserve live"] = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("ranker")]
got["kserve not ready"] = [client.is_model_ready("other"), client.is_model_ready("ranker", "9")]
got["kserve server"] = client.get_server_metadata().name
metadata = client.get_model_metadata("ranker")
got["kserve inputs"] = {one.name: [one.datatype, list(one.shape)] for one in metadata.inputs}
got["kserve versions"] = list(metadata.versions)


def infer(version="", name="ranker", outputs=None, **inputs):
    given = []
    for key, value in {"wide": wide, "once": once, **inputs}.items():
        kinds = {"float32": "FP32", "int64": "INT64", "float64": "FP64"}
        one = triton.InferInput(key, list(value.shape), kinds[value.dtype.name])
        one.set_data_from_numpy(value)
        given.append(one)
    asked = [triton.InferRequestedOutput(one) for one in outputs or []]
    return client.infer(name, given, version, outputs=asked or None, request_id="7", client_timeout=30)


answer = infer()
got["kserve"] = {name: answer.as_numpy(name).tolist() for name in ("like", "second")}
got["kserve answer"] = [answer.get_response().model_version, answer.get_response().id]
got["kserve version 1"] = infer("1").as_numpy("like").tolist()
got["kserve one output"] = [one.name for one in infer(outputs=["second"]).get_response().outputs]
got["kserve refused"] = {
    "version": refusal(infer, "9"),
    "no number": refusal(infer, "newest"),
    "model": refusal(infer, name="other"),
    "shape": refusal(infer, wide=wide[:, :3]),
    "type": refusal(infer, wide=wide.astype(np.float64)),
}
typed = service_pb2.ModelInferRequest(model_name="ranker")
one = typed.inputs.add(name="wide", datatype="FP32", shape=[3, 4])
one.contents.fp32_contents.extend(wide.ravel().tolist())
one = typed.inputs.add(name="once", datatype="INT64", shape=[1])
one.contents.int64_contents.append(7)
answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(typed, timeout=30)
got["kserve typed"] = list(answer.outputs[0].contents.fp32_contents)
print(json.dumps(got))
