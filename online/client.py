"""`ScorerClient`: asks a scoring server, with plain Python and numpy values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import grpc
import numpy as np

from featdsl.errors import InputError
from online.errors import from_call
from online.messages import column_message, keys_message, value_message
from online.observe.client_trace import client_span
from online.proto import MAX_MESSAGE_BYTES, SERVICE
from online.proto.scorer_pb2 import (
    ExplainAnswer,
    ExplainRequest,
    GetModelsAnswer,
    GetModelsRequest,
    ScoreAnswer,
    ScoreRequest,
)
from online.results import Explanation, Scores, ServerInfo

_MOST = (1 << 32) - 1

_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": SERVICE}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.03s",
                "maxBackoff": "0.3s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}
"""A call that met a server which died or stops is asked again: it changes nothing. What gRPC has taken and not yet
handed on when a server stops, it ends as cancelled. Where most calls fail there are no retries (gRPC counts), and
where one would be useless the server says so."""


class ScorerClient:
    """To be kept and shared among threads. Every method may raise `CallError` (`online.errors`), whose `reason`
    says which kind of failure it is, and `InputError` for a value that cannot be sent."""

    def __init__(self, address: str, timeout_s: float = 10.0, *, connections: int = 1) -> None:
        """`address`: `host:port`. Nothing is contacted before the first call. `connections`: how many calls
        are spread over, in turn; a connection stays with one worker of the server, so a client that alone asks
        more than one worker can answer needs several for each."""
        if connections < 1:
            raise InputError(f"a client needs a connection: {connections}")
        self.address = address
        self.timeout_s = timeout_s
        self._turns = itertools.count()
        self._channels = [
            grpc.insecure_channel(
                address,
                options=[
                    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.min_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 1000),
                    ("grpc.service_config", json.dumps(_RETRIES)),
                    ("grpc.use_local_subchannel_pool", 1),
                ],
            )
            for _ in range(connections)
        ]
        self._score = self._method("Score", ScoreAnswer)
        self._explain = self._method("Explain", ExplainAnswer)
        self._get_models = self._method("GetModels", GetModelsAnswer)

    def score(
        self,
        keys: Mapping[str, Any],
        request: Mapping[str, Any] | None = None,
        candidate: Mapping[str, Sequence[Any]] | None = None,
        *,
        model: str = "",
        top_k: int = 0,
        want_outputs: bool = False,
        want_timings: bool = False,
        timeout_s: float | None = None,
    ) -> Scores:
        """Scores a call's candidates. `keys`: by entity a key, or a sequence of keys (numpy too), one a
        candidate. `candidate`: by field a column, one value a candidate. `top_k`: the best so many, best first;
        0 for all in the call's order."""
        if not 0 <= top_k <= _MOST:
            raise InputError(f"top_k is not a number from 0 to {_MOST}: {top_k}")
        message = ScoreRequest(
            model=model,
            keys={name: keys_message(given) for name, given in keys.items()},
            request={name: value_message(value) for name, value in (request or {}).items()},
            candidate={name: column_message(column) for name, column in (candidate or {}).items()},
            top_k=top_k,
            want_outputs=want_outputs,
            want_timings=want_timings,
        )
        return Scores.of(self._call(self._score, message, timeout_s))

    def explain(
        self,
        keys: Mapping[str, Any],
        request: Mapping[str, Any] | None = None,
        candidate: Mapping[str, Any] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Explanation:
        """Every feature of one candidate: one key an entity, one value a field."""
        for name, key in keys.items():
            if not isinstance(key, int | str | np.generic):
                raise InputError(f"one candidate is explained, so `{name}` has one key: {key!r}")
        message = ExplainRequest(
            keys={name: keys_message([key]) for name, key in keys.items()},
            request={name: value_message(value) for name, value in (request or {}).items()},
            candidate={name: column_message([value]) for name, value in (candidate or {}).items()},
        )
        return Explanation.of(self._call(self._explain, message, timeout_s))

    def models(self, *, timeout_s: float | None = None) -> ServerInfo:
        """The program, the model, its versions and their states."""
        return ServerInfo.of(self._call(self._get_models, GetModelsRequest(), timeout_s))

    def close(self) -> None:
        """Lets go of the connections."""
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> ScorerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _method(self, name: str, answer: Any) -> list[Any]:
        return [
            channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            for channel in self._channels
        ]

    def _call(self, methods: Sequence[Any], message: Any, timeout_s: float | None) -> Any:
        method = methods[next(self._turns) % len(methods)]
        given = self.timeout_s if timeout_s is None else timeout_s
        try:
            with client_span(
                f"{SERVICE}/{type(message).DESCRIPTOR.name.removesuffix('Request')}"
            ) as metadata:
                return method(message, timeout=given, metadata=metadata)
        except grpc.RpcError as failed:
            raise from_call(failed, self.address) from None
