"""The way of a call, from what it asks for to its answer, on one version of the model."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.bundle import Bundle
from compiler.inputs import inputs_read
from compiler.ir import reachable
from compiler.signature import ModelSignature
from featdsl.types import list_of
from online.answers import Scored, answer_of
from online.budget import Budget
from online.errors import CallError, Reason, cancelled, deadline_exceeded
from online.item_parts import VersionParts
from online.models import (
    CallerGone,
    ModelFailed,
    ModelNotReady,
    ModelOverloaded,
    ModelRefusedInputs,
    ModelServer,
    ModelServerDown,
    ModelTimeout,
    PartingModelServer,
)
from online.observe.record import CallRecord
from online.proto.scorer_pb2 import (
    ExplainAnswer,
    ExplainedFeature,
    ExplainRequest,
    NamedValue,
    RowStatus,
    ScoreRequest,
    SourceRow,
    StoredRow,
    Value,
)
from online.request import Asked, Call, CallReader
from online.rows import FetchedRows, RowSource
from online.stages import Computed, Inputs, Stages
from online.values import value_of
from online.versions import Serving, VersionWatcher
from store.avro_schema import written_with

log = logging.getLogger("featdsl.executor")

_SAY_EVERY_S = 60.0


class Executor:
    """Answers `Score` and `Explain` for one program, one model of it and one store. Thread safe."""

    def __init__(
        self,
        bundle: Bundle,
        model: ModelSignature,
        rows: RowSource,
        server: ModelServer,
        versions: VersionWatcher,
        *,
        max_items: int,
        default_timeout_s: float,
        now_micros: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._bundle = bundle
        self._model = model
        self._rows = rows
        self._server = server
        self._versions = versions
        self._calls = CallReader(bundle.schema, max_items)
        self._default_timeout_s = default_timeout_s
        self._now = now_micros
        self._scoring = Stages(bundle, f"model/{model.name}")
        self._scoring_plan = rows.plan(self._scoring.programs, cached=True)
        self._repeated = [
            tensor.name
            for tensor in model.inputs
            if tensor.name in self._scoring.of_request and not tensor.per_request
        ]
        items = self._scoring_plan.items
        self._parts = (
            items.parts(server, self._scoring.of_items)
            if items is not None and isinstance(server, PartingModelServer)
            else None
        )
        self._of_request = [entity.name for entity in bundle.schema.entities if not entity.per_candidate]
        self._features = Stages(bundle, "features")
        self._features_plan = rows.plan(self._features.programs)
        roots = bundle.outputs("features")
        self._reads = {name: sorted(inputs_read([root.node])) for name, root in roots.items()}
        self._input_types = {
            str(node.attribute("name")): node.type
            for node in reachable(root.node for root in roots.values())
            if node.op == "input"
        }
        self.nonfinite_total = 0
        self._lock = threading.Lock()
        self._silent_until = 0.0

    def score(self, data: bytes, record: CallRecord) -> bytes:
        """A `ScoreRequest` in, a `ScoreAnswer` out. Errors: `CallError`."""
        budget = Budget(record, self._default_timeout_s)
        with budget.stage("admit"):
            asked = Asked.of(ScoreRequest, data)
            message: Any = asked.message
            if message.model not in ("", self._model.name):
                raise CallError(
                    Reason.UNKNOWN_MODEL,
                    f"the server has no such model: {message.model}",
                    help=f"it serves `{self._model.name}`",
                    metadata={"model": message.model},
                )
            call = self._calls.read(asked, self._now())
            record.items, record.distinct_items, record.keys = call.num_candidates, call.num_items, call.keys
        scored, serving = self._on_one_version(call, budget, record)
        with budget.stage("answer"):
            return answer_of(
                scored,
                message.top_k,
                message.want_outputs,
                budget.timings if message.want_timings else None,
                model=serving.model,
                version=serving.version,
                fingerprint=serving.fingerprint,
            )

    def _on_one_version(self, call: Call, budget: Budget, record: CallRecord) -> tuple[Scored, Serving]:
        """The whole call on the version that serves; where a model server has lost that one, on the next."""
        user = self._user(call)
        with self._versions.pin(user=user) as serving:
            record.version = serving.version
            try:
                return self._score(call, serving, budget), serving
            except CallError as error:
                if error.reason is not Reason.MODEL_VERSION_GONE:
                    raise
                gone = error
        self._versions.wait_for_another(serving, budget.left())
        with self._versions.pin(user=user) as other:
            if other is serving:
                raise gone
            record.version = other.version
            return self._score(call, other, budget), other

    def _user(self, call: Call) -> str:
        """Who asks, as far as the choice of a version goes: the keys that are one a request."""
        return "\0".join(str(call.keys[name][0]) for name in self._of_request)

    def _score(self, call: Call, serving: Serving, budget: Budget) -> Scored:
        size = call.num_candidates
        if size == 0:
            outputs = {column.name: np.zeros(0) for column in self._model.outputs}
            return Scored(np.zeros(0), None, np.zeros(0, np.uint8), 0, outputs)
        read = self._rows.read(self._scoring_plan, call, budget, self._parts_of(serving))
        with budget.stage("features"):
            computed = self._scoring.compute(read.inputs)
            tensors = computed.tensors()
            for name in self._repeated:
                tensors[name] = np.broadcast_to(tensors[name], (size, *tensors[name].shape[1:]))
        with budget.stage("model"), _traced(budget.record):
            outputs = self._predict(serving, tensors, read.inputs, budget)
        with budget.stage("after"):
            finite = all(map(_all_finite, outputs.values()))
            if not finite:
                self._tell_nonfinite(outputs, serving.version, budget.record)
            keep, scores = self._after(computed, read.inputs, outputs)
            if not finite or (self._model.has_score and not _all_finite(scores)):
                scores = np.where(np.isfinite(scores), scores, 0.0)
        statuses = read.inputs.item_statuses
        if call.items_repeat:
            statuses = statuses[call.item_rows]
        return Scored(scores, keep, statuses, read.request_status, outputs)

    def _parts_of(self, serving: Serving) -> VersionParts | None:
        """What the version reads of items in place of their inputs; None where it is run whole."""
        if self._parts is None:
            return None
        try:
            return self._parts.of(serving.handle)
        except ModelServerDown:  # which is told when it is asked for more
            return None

    def _predict(
        self, serving: Serving, tensors: Mapping[str, npt.NDArray[Any]], inputs: Inputs, budget: Budget
    ) -> dict[str, npt.NDArray[Any]]:
        version, size = serving.version, inputs.num_candidates
        parts = None if inputs.known is None else inputs.known.parts
        try:
            if self._parts is None or parts is None:
                given = self._server.predict(serving.handle, tensors, budget.left())
            else:
                given = self._parts.predict(serving.handle, parts, inputs.item_rows, tensors, budget.left)
        except ModelTimeout as fault:
            raise deadline_exceeded("model") from fault
        except CallerGone as gone:
            raise (cancelled if budget.left() > 0 else deadline_exceeded)("model") from gone
        except ModelNotReady as fault:
            raise CallError(
                Reason.MODEL_VERSION_GONE,
                f"the model server no longer has version {version}: {fault}",
                metadata={"version": str(version)},
            ) from fault
        except ModelOverloaded as fault:
            raise CallError(
                Reason.MODEL_SERVER_FULL, f"the model server has too many calls waiting: {fault}"
            ) from fault
        except ModelServerDown as fault:
            raise CallError(
                Reason.MODEL_SERVER_DOWN, f"the model server does not answer, version {version}: {fault}"
            ) from fault
        except ModelRefusedInputs as fault:
            raise CallError(
                Reason.MODEL_REFUSED_INPUTS,
                f"version {version} takes other tensors than the program makes: {fault}",
                metadata={"version": str(version)},
            ) from fault
        except ModelFailed as fault:
            raise CallError(
                Reason.MODEL_FAILED,
                f"version {version} of the model failed: {fault}",
                metadata={"version": str(version)},
            ) from fault
        for column in self._model.outputs:
            if column.name not in given or given[column.name].shape != (size,):
                shape = "nothing" if column.name not in given else str(list(given[column.name].shape))
                raise CallError(
                    Reason.MODEL_FAILED,
                    f"version {version} of the model gave {shape} for `{column.name}`, wanted [{size}]",
                    metadata={"version": str(version)},
                )
        return {column.name: given[column.name] for column in self._model.outputs}

    def _after(
        self, computed: Computed, inputs: Inputs, outputs: Mapping[str, npt.NDArray[Any]]
    ) -> tuple[npt.NDArray[np.bool_] | None, npt.NDArray[np.float64]]:
        keep = None
        scores = np.asarray(outputs[self._model.outputs[0].name], np.float64)
        if self._model.has_keep or self._model.has_score:
            made = self._scoring.after(computed, inputs, self._model, outputs)
            if self._model.has_keep:
                keep = made["keep"].astype(np.bool_)
            if self._model.has_score:
                scores = made["score"]
        return keep, scores

    def _tell_nonfinite(
        self, outputs: Mapping[str, npt.NDArray[Any]], version: int, record: CallRecord
    ) -> None:
        """Counts outputs of the model that are no numbers, and tells of them once a minute."""
        counts = {name: int((~np.isfinite(values)).sum()) for name, values in outputs.items()}
        record.nonfinite = {name: count for name, count in counts.items() if count}
        with self._lock:
            self.nonfinite_total += sum(record.nonfinite.values())
            now = time.monotonic()
            if now < self._silent_until:
                return
            self._silent_until = now + _SAY_EVERY_S
        log.warning(
            "version %d of the model gives what is not finite for %s (%d values since the start); "
            "a score that comes out so is answered as 0",
            version,
            ", ".join(record.nonfinite),
            self.nonfinite_total,
        )

    def explain(self, data: bytes, record: CallRecord) -> bytes:
        """An `ExplainRequest` in, an `ExplainAnswer` out. Errors: `CallError`."""
        budget = Budget(record, self._default_timeout_s)
        with budget.stage("admit"):
            call = self._calls.read(Asked.of(ExplainRequest, data), self._now())
            if call.num_candidates != 1:
                raise CallError(
                    Reason.BAD_KEY_COUNT, f"one candidate can be explained a call: {call.num_candidates}"
                )
        read = self._rows.read(self._features_plan, call, budget)
        with budget.stage("features"):
            columns = self._features.compute(read.inputs).columns
        answer: ExplainAnswer = ExplainAnswer(
            features=[
                ExplainedFeature(
                    name=name,
                    type=str(type),
                    value=value_of(columns[name].values(name)[0], type),
                    inputs=self._reads[name],
                )
                for name, type in self._bundle.features.items()
            ],
            inputs=[
                NamedValue(
                    name=name, type=str(type), value=value_of(read.inputs.holding(name).values(name)[0], type)
                )
                for name, type in sorted(self._input_types.items())
            ],
            rows=[
                SourceRow(
                    source=one.source.name,
                    key=_key_of(one),
                    statuses=[RowStatus.Name(status) for status in one.statuses.tolist()],
                    stored=[
                        StoredRow(data=data or b"", writer_schema=written_with(data)) for data in one.stored
                    ],
                )
                for one in read.rows
            ],
            fingerprint=self._bundle.fingerprint,
        )
        return bytes(answer.SerializeToString())


def _key_of(rows: FetchedRows) -> Value:
    """The key of the rows of one candidate; for a source keyed by a list, all of them."""
    source = rows.source
    if source.per_element:
        return value_of(list(rows.keys), list_of(source.key_type))
    return value_of(rows.keys[0], source.key_type)


def _all_finite(values: npt.NDArray[Any]) -> bool:
    return bool(np.logical_and.reduce(np.isfinite(values)))


def _traced(record: CallRecord) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if record.trace is None else record.trace.hop()
