"""Compares our messages of other servers' protocols with the real ones: field by field, number by number.

Run with the Python of `.venv-tensorflow` (it has the real packages) and the project's folder on PYTHONPATH. First
ours are used; then TensorFlow and tritonclient are imported into the same process, which must work.
"""

from __future__ import annotations

import sys

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from online.proto import kserve_pb2 as our_kserve
from online.proto import tensorflow_serving_pb2 as our_tensorflow

used = our_tensorflow.PredictRequest(model_spec=our_tensorflow.ModelSpec(name="ranker"))
assert not {"tensorflow", "tritonclient"} & set(sys.modules)

import tensorflow  # noqa: E402, F401
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2  # noqa: E402
from tensorflow.core.protobuf import meta_graph_pb2  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,  # noqa: F401
    status_pb2,
)
from tensorflow_serving.config import (  # noqa: E402
    file_system_storage_path_source_pb2,
    log_collector_config_pb2,
    logging_config_pb2,
    model_server_config_pb2,
)
from tritonclient.grpc import model_config_pb2, service_pb2  # noqa: E402

REAL_TENSORFLOW = (
    tensor_pb2, tensor_shape_pb2, types_pb2, meta_graph_pb2, model_pb2, predict_pb2, get_model_status_pb2,
    get_model_metadata_pb2, status_pb2, model_management_pb2, model_server_config_pb2,
    file_system_storage_path_source_pb2, logging_config_pb2, log_collector_config_pb2,
)  # fmt: skip
REAL_KSERVE = (service_pb2, model_config_pb2)


def compare(ours: Descriptor, theirs: Descriptor) -> None:
    real = {field.number: field for field in theirs.fields}
    for field in ours.fields:
        there = f"{ours.full_name}.{field.name}"
        assert field.number in real, f"{there}: they have no field {field.number}"
        assert shape_of(field) == shape_of(real[field.number]), there
    for nested in ours.nested_types:
        compare(nested, theirs.nested_types_by_name[nested.name])
    for enum in ours.enum_types:
        compare_enums(enum, theirs.enum_types_by_name[enum.name])


def compare_enums(ours: EnumDescriptor, theirs: EnumDescriptor) -> None:
    for value in ours.values:
        assert theirs.values_by_name[value.name].number == value.number, f"{ours.full_name}.{value.name}"


def shape_of(field: FieldDescriptor) -> tuple[object, ...]:
    """What of a field shows on the wire (an enum is an int32 there), and its names."""
    kind = FieldDescriptor.TYPE_INT32 if field.enum_type is not None else field.type
    packed = field.is_repeated and field.is_packed
    message = field.message_type.name if field.message_type is not None else ""
    return field.name, kind, field.is_repeated, packed, message


def check(ours: object, theirs: tuple[object, ...]) -> int:
    messages = {n: m for file in theirs for n, m in file.DESCRIPTOR.message_types_by_name.items()}
    enums = {n: e for file in theirs for n, e in file.DESCRIPTOR.enum_types_by_name.items()}
    for name, message in ours.DESCRIPTOR.message_types_by_name.items():
        compare(message, messages[name])
    for name, enum in ours.DESCRIPTOR.enum_types_by_name.items():
        compare_enums(enum, enums[name])
    return len(ours.DESCRIPTOR.message_types_by_name)


print(check(our_tensorflow, REAL_TENSORFLOW), check(our_kserve, REAL_KSERVE))
assert predict_pb2.PredictRequest.FromString(used.SerializeToString()).model_spec.name == "ranker"
