from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RowStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_OK: _ClassVar[RowStatus]
    ROW_MISSING: _ClassVar[RowStatus]
    ROW_UNREADABLE: _ClassVar[RowStatus]
    ROW_STORE_DOWN: _ClassVar[RowStatus]
ROW_OK: RowStatus
ROW_MISSING: RowStatus
ROW_UNREADABLE: RowStatus
ROW_STORE_DOWN: RowStatus

class ScoreRequest(_message.Message):
    __slots__ = ("model", "keys", "request", "candidate", "top_k", "want_outputs", "want_timings")
    class KeysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Keys
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Keys, _Mapping]] = ...) -> None: ...
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    class CandidateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Values
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Values, _Mapping]] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    WANT_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    WANT_TIMINGS_FIELD_NUMBER: _ClassVar[int]
    model: str
    keys: _containers.MessageMap[str, Keys]
    request: _containers.MessageMap[str, Value]
    candidate: _containers.MessageMap[str, Values]
    top_k: int
    want_outputs: bool
    want_timings: bool
    def __init__(self, model: _Optional[str] = ..., keys: _Optional[_Mapping[str, Keys]] = ..., request: _Optional[_Mapping[str, Value]] = ..., candidate: _Optional[_Mapping[str, Values]] = ..., top_k: _Optional[int] = ..., want_outputs: _Optional[bool] = ..., want_timings: _Optional[bool] = ...) -> None: ...

class ScoreAnswer(_message.Message):
    __slots__ = ("scores", "positions", "statuses", "dropped", "request_status", "outputs", "model", "version", "fingerprint", "timings")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_STATUS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    positions: _containers.RepeatedScalarFieldContainer[int]
    statuses: _containers.RepeatedScalarFieldContainer[RowStatus]
    dropped: _containers.RepeatedScalarFieldContainer[int]
    request_status: RowStatus
    outputs: _containers.RepeatedCompositeFieldContainer[Output]
    model: str
    version: int
    fingerprint: str
    timings: _containers.RepeatedCompositeFieldContainer[Timing]
    def __init__(self, scores: _Optional[_Iterable[float]] = ..., positions: _Optional[_Iterable[int]] = ..., statuses: _Optional[_Iterable[_Union[RowStatus, str]]] = ..., dropped: _Optional[_Iterable[int]] = ..., request_status: _Optional[_Union[RowStatus, str]] = ..., outputs: _Optional[_Iterable[_Union[Output, _Mapping]]] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., fingerprint: _Optional[str] = ..., timings: _Optional[_Iterable[_Union[Timing, _Mapping]]] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("name", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("stage", "milliseconds")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    milliseconds: float
    def __init__(self, stage: _Optional[str] = ..., milliseconds: _Optional[float] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("keys", "request", "candidate")
    class KeysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Keys
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Keys, _Mapping]] = ...) -> None: ...
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    class CandidateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Values
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Values, _Mapping]] = ...) -> None: ...
    KEYS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.MessageMap[str, Keys]
    request: _containers.MessageMap[str, Value]
    candidate: _containers.MessageMap[str, Values]
    def __init__(self, keys: _Optional[_Mapping[str, Keys]] = ..., request: _Optional[_Mapping[str, Value]] = ..., candidate: _Optional[_Mapping[str, Values]] = ...) -> None: ...

class ExplainAnswer(_message.Message):
    __slots__ = ("features", "inputs", "rows", "fingerprint")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[ExplainedFeature]
    inputs: _containers.RepeatedCompositeFieldContainer[NamedValue]
    rows: _containers.RepeatedCompositeFieldContainer[SourceRow]
    fingerprint: str
    def __init__(self, features: _Optional[_Iterable[_Union[ExplainedFeature, _Mapping]]] = ..., inputs: _Optional[_Iterable[_Union[NamedValue, _Mapping]]] = ..., rows: _Optional[_Iterable[_Union[SourceRow, _Mapping]]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class ExplainedFeature(_message.Message):
    __slots__ = ("name", "type", "value", "inputs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    value: Value
    inputs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ..., inputs: _Optional[_Iterable[str]] = ...) -> None: ...

class NamedValue(_message.Message):
    __slots__ = ("name", "type", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    value: Value
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class SourceRow(_message.Message):
    __slots__ = ("source", "key", "statuses", "stored")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    source: str
    key: Value
    statuses: _containers.RepeatedScalarFieldContainer[RowStatus]
    stored: _containers.RepeatedCompositeFieldContainer[StoredRow]
    def __init__(self, source: _Optional[str] = ..., key: _Optional[_Union[Value, _Mapping]] = ..., statuses: _Optional[_Iterable[_Union[RowStatus, str]]] = ..., stored: _Optional[_Iterable[_Union[StoredRow, _Mapping]]] = ...) -> None: ...

class StoredRow(_message.Message):
    __slots__ = ("data", "writer_schema")
    DATA_FIELD_NUMBER: _ClassVar[int]
    WRITER_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    writer_schema: str
    def __init__(self, data: _Optional[bytes] = ..., writer_schema: _Optional[str] = ...) -> None: ...

class GetModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelsAnswer(_message.Message):
    __slots__ = ("models", "program", "store_ok", "store_problem")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    STORE_OK_FIELD_NUMBER: _ClassVar[int]
    STORE_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    program: ProgramInfo
    store_ok: bool
    store_problem: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., program: _Optional[_Union[ProgramInfo, _Mapping]] = ..., store_ok: _Optional[bool] = ..., store_problem: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "serving_version", "versions", "outputs", "problem")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVING_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    name: str
    serving_version: int
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    problem: str
    def __init__(self, name: _Optional[str] = ..., serving_version: _Optional[int] = ..., versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("version", "state", "reason", "parent", "fingerprint", "created_at", "size_bytes")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ModelVersion.State]
        PUBLISHED: _ClassVar[ModelVersion.State]
        READY: _ClassVar[ModelVersion.State]
        SERVING: _ClassVar[ModelVersion.State]
        REFUSED: _ClassVar[ModelVersion.State]
    STATE_UNSPECIFIED: ModelVersion.State
    PUBLISHED: ModelVersion.State
    READY: ModelVersion.State
    SERVING: ModelVersion.State
    REFUSED: ModelVersion.State
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    version: int
    state: ModelVersion.State
    reason: str
    parent: int
    fingerprint: str
    created_at: str
    size_bytes: int
    def __init__(self, version: _Optional[int] = ..., state: _Optional[_Union[ModelVersion.State, str]] = ..., reason: _Optional[str] = ..., parent: _Optional[int] = ..., fingerprint: _Optional[str] = ..., created_at: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ProgramInfo(_message.Message):
    __slots__ = ("namespace", "fingerprint", "entities", "request", "candidate")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    fingerprint: str
    entities: _containers.RepeatedCompositeFieldContainer[EntityInfo]
    request: _containers.RepeatedCompositeFieldContainer[FieldInfo]
    candidate: _containers.RepeatedCompositeFieldContainer[FieldInfo]
    def __init__(self, namespace: _Optional[str] = ..., fingerprint: _Optional[str] = ..., entities: _Optional[_Iterable[_Union[EntityInfo, _Mapping]]] = ..., request: _Optional[_Iterable[_Union[FieldInfo, _Mapping]]] = ..., candidate: _Optional[_Iterable[_Union[FieldInfo, _Mapping]]] = ...) -> None: ...

class EntityInfo(_message.Message):
    __slots__ = ("name", "type", "per_candidate")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PER_CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    per_candidate: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., per_candidate: _Optional[bool] = ...) -> None: ...

class FieldInfo(_message.Message):
    __slots__ = ("name", "type", "required")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    required: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., required: _Optional[bool] = ...) -> None: ...

class Keys(_message.Message):
    __slots__ = ("integers", "strings")
    INTEGERS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    integers: Integers
    strings: Strings
    def __init__(self, integers: _Optional[_Union[Integers, _Mapping]] = ..., strings: _Optional[_Union[Strings, _Mapping]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("null_value", "bool_value", "int_value", "float_value", "string_value", "timestamp_micros", "list_value", "map_value")
    NULL_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MICROS_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAP_VALUE_FIELD_NUMBER: _ClassVar[int]
    null_value: Null
    bool_value: bool
    int_value: int
    float_value: float
    string_value: str
    timestamp_micros: int
    list_value: Values
    map_value: Map
    def __init__(self, null_value: _Optional[_Union[Null, _Mapping]] = ..., bool_value: _Optional[bool] = ..., int_value: _Optional[int] = ..., float_value: _Optional[float] = ..., string_value: _Optional[str] = ..., timestamp_micros: _Optional[int] = ..., list_value: _Optional[_Union[Values, _Mapping]] = ..., map_value: _Optional[_Union[Map, _Mapping]] = ...) -> None: ...

class Null(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Values(_message.Message):
    __slots__ = ("bools", "integers", "doubles", "floats", "strings", "timestamps_micros", "lists", "maps", "present")
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    INTEGERS_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_MICROS_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    MAPS_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    bools: Bools
    integers: Integers
    doubles: Doubles
    floats: Floats
    strings: Strings
    timestamps_micros: Integers
    lists: Lists
    maps: Maps
    present: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, bools: _Optional[_Union[Bools, _Mapping]] = ..., integers: _Optional[_Union[Integers, _Mapping]] = ..., doubles: _Optional[_Union[Doubles, _Mapping]] = ..., floats: _Optional[_Union[Floats, _Mapping]] = ..., strings: _Optional[_Union[Strings, _Mapping]] = ..., timestamps_micros: _Optional[_Union[Integers, _Mapping]] = ..., lists: _Optional[_Union[Lists, _Mapping]] = ..., maps: _Optional[_Union[Maps, _Mapping]] = ..., present: _Optional[_Iterable[bool]] = ...) -> None: ...

class Bools(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, values: _Optional[_Iterable[bool]] = ...) -> None: ...

class Integers(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class Doubles(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Floats(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Strings(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class Lists(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Values]
    def __init__(self, values: _Optional[_Iterable[_Union[Values, _Mapping]]] = ...) -> None: ...

class Maps(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Map]
    def __init__(self, values: _Optional[_Iterable[_Union[Map, _Mapping]]] = ...) -> None: ...

class Map(_message.Message):
    __slots__ = ("keys", "values")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    keys: Values
    values: Values
    def __init__(self, keys: _Optional[_Union[Values, _Mapping]] = ..., values: _Optional[_Union[Values, _Mapping]] = ...) -> None: ...
