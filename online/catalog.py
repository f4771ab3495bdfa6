"""`GetModels`: the program, the model, its versions and their states."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from compiler.bundle import Bundle
from compiler.signature import ModelSignature
from featdsl.errors import FeatError
from featdsl.program import Field
from online.observe.record import CallRecord
from online.proto.scorer_pb2 import (
    EntityInfo,
    FieldInfo,
    GetModelsAnswer,
    Model,
    ModelVersion,
    ProgramInfo,
)
from online.store_link import StoreLink
from online.versions import VersionState, VersionWatcher


class Catalog:
    """What a server has to offer. Thread safe."""

    def __init__(
        self, bundle: Bundle, model: ModelSignature, versions: VersionWatcher, store: StoreLink
    ) -> None:
        self._model = model
        self._versions = versions
        self._store = store
        schema = bundle.schema
        self._program = ProgramInfo(
            namespace=schema.namespace,
            fingerprint=bundle.fingerprint,
            entities=[
                EntityInfo(name=e.name, type=str(e.type), per_candidate=e.per_candidate)
                for e in schema.entities
            ],
            request=_fields(schema.request),
            candidate=_fields(schema.candidate),
        )

    def get_models(self, data: bytes, record: CallRecord) -> bytes:
        """A `GetModelsAnswer`, whatever is asked."""
        serving = self._versions.serving
        problem = self._versions.problem
        try:
            states = self._versions.states()
        except (FeatError, OSError) as fault:
            states, problem = [], str(fault)
        store_ok = self._store.check()
        answer: GetModelsAnswer = GetModelsAnswer(
            models=[
                Model(
                    name=self._model.name,
                    serving_version=0 if serving is None else serving.version,
                    versions=[_version(state) for state in states],
                    outputs=[column.name for column in self._model.outputs],
                    problem=problem,
                )
            ],
            program=self._program,
            store_ok=store_ok,
            store_problem=self._store.problem,
        )
        return bytes(answer.SerializeToString())


def _fields(fields: Iterable[Field]) -> list[FieldInfo]:
    return [FieldInfo(name=f.name, type=str(f.type), required=f.required) for f in fields]


def _version(state: VersionState) -> ModelVersion:
    info = state.info
    created = datetime.fromtimestamp(info.created_at_us / 1e6, UTC) if info.created_at_us else None
    return ModelVersion(
        version=info.number,
        state=state.state.upper(),
        reason=state.reason,
        parent=info.parent or 0,
        fingerprint=info.fingerprint,
        created_at="" if created is None else created.isoformat(timespec="seconds"),
        size_bytes=info.size,
    )
