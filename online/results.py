"""What a client gets: plain Python values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from online.proto.scorer_pb2 import (
    ExplainAnswer,
    FieldInfo,
    GetModelsAnswer,
    Model,
    ModelVersion,
    RowStatus,
    ScoreAnswer,
)
from online.values import plain_of


@dataclass(frozen=True, slots=True)
class Scores:
    """`scores[i]` is the score of the call's candidate `positions[i]`, `statuses[i]` tells of its rows: `ok`,
    `missing`, `unreadable` or `store_down`; `request_status` of the request's own. `dropped`: positions that
    `keep` dropped. `outputs` are in the order of `scores`; `timings` in milliseconds by stage."""

    scores: list[float]
    positions: list[int]
    statuses: list[str]
    dropped: list[int]
    request_status: str
    model: str
    version: int
    fingerprint: str
    outputs: dict[str, list[float]] = field(default_factory=dict)
    timings: list[tuple[str, float]] = field(default_factory=list)

    @staticmethod
    def of(answer: ScoreAnswer) -> Scores:
        return Scores(
            scores=list(answer.scores),
            positions=list(answer.positions),
            statuses=_statuses(answer.statuses),
            dropped=list(answer.dropped),
            request_status=_statuses([answer.request_status])[0],
            model=answer.model,
            version=answer.version,
            fingerprint=answer.fingerprint,
            outputs={output.name: list(output.values) for output in answer.outputs},
            timings=[(timing.stage, timing.milliseconds) for timing in answer.timings],
        )


@dataclass(frozen=True, slots=True)
class Explained:
    """A feature's value, its type, and the names of the inputs that it was computed from."""

    value: Any
    type: str
    inputs: list[str]


@dataclass(frozen=True, slots=True)
class SourceRows:
    """A source's key in the call (a list for a source keyed by a list), its rows' statuses, their bytes as they lie
    in the store (Avro single objects, None for no row), and the fingerprints of the schemas that they were
    written with (16 hex digits, None where there is none)."""

    key: Any
    statuses: list[str]
    stored: list[bytes | None]
    writer_schemas: list[str | None]


@dataclass(frozen=True, slots=True)
class Explanation:
    """By name. Values are Python's: int, float (a double), str, list, dict; a timestamp is int
    microseconds."""

    features: dict[str, Explained]
    inputs: dict[str, Any]
    input_types: dict[str, str]
    rows: dict[str, SourceRows]
    fingerprint: str

    @staticmethod
    def of(answer: ExplainAnswer) -> Explanation:
        return Explanation(
            features={f.name: Explained(plain_of(f.value), f.type, list(f.inputs)) for f in answer.features},
            inputs={given.name: plain_of(given.value) for given in answer.inputs},
            input_types={given.name: given.type for given in answer.inputs},
            rows={
                row.source: SourceRows(
                    plain_of(row.key),
                    _statuses(row.statuses),
                    [stored.data or None for stored in row.stored],
                    [stored.writer_schema or None for stored in row.stored],
                )
                for row in answer.rows
            },
            fingerprint=answer.fingerprint,
        )


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """`state`: `published`, `ready` (resident), `serving` or `refused`, then with a `reason`."""

    version: int
    state: str
    reason: str
    parent: int | None
    fingerprint: str
    created_at: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`serving_version` is None while nothing serves; `problem` says why, or what is wrong with HEAD."""

    name: str
    serving_version: int | None
    versions: list[VersionInfo]
    outputs: list[str]
    problem: str

    @staticmethod
    def of(model: Model) -> ModelInfo:
        return ModelInfo(
            name=model.name,
            serving_version=model.serving_version or None,
            versions=[_version(version) for version in model.versions],
            outputs=list(model.outputs),
            problem=model.problem,
        )


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the program's `request` or `candidate` block."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of the program; `type`: of its keys."""

    name: str
    type: str
    per_candidate: bool


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server serves. `store_problem` says why the store does not answer."""

    models: list[ModelInfo]
    namespace: str
    fingerprint: str
    entities: list[Entity]
    request: list[Field]
    candidate: list[Field]
    store_ok: bool
    store_problem: str

    @staticmethod
    def of(answer: GetModelsAnswer) -> ServerInfo:
        program = answer.program
        return ServerInfo(
            models=[ModelInfo.of(model) for model in answer.models],
            namespace=program.namespace,
            fingerprint=program.fingerprint,
            entities=[Entity(e.name, e.type, e.per_candidate) for e in program.entities],
            request=_fields(program.request),
            candidate=_fields(program.candidate),
            store_ok=answer.store_ok,
            store_problem=answer.store_problem,
        )


def _statuses(statuses: Iterable[int]) -> list[str]:
    return [RowStatus.Name(status).removeprefix("ROW_").lower() for status in statuses]


def _version(version: ModelVersion) -> VersionInfo:
    return VersionInfo(
        version=version.version,
        state=ModelVersion.State.Name(version.state).lower(),
        reason=version.reason,
        parent=version.parent or None,
        fingerprint=version.fingerprint,
        created_at=version.created_at,
        size_bytes=version.size_bytes,
    )


def _fields(fields: Iterable[FieldInfo]) -> list[Field]:
    return [Field(f.name, f.type, f.required) for f in fields]
