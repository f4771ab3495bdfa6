"""Services that a team would write in Python, in front of one store and one model. Each takes a
request's bytes and gives an answer's; what the model was given is in `tensors`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import redis

from benchmarks.call.shop import IDS, LIST_INPUTS, NUMBERS, Shop
from benchmarks.mix.data import Call, Row
from benchmarks.mix.numpy_peer import NumpyVectorized
from benchmarks.mix.python_peer import NAMES, PythonRows
from benchmarks.peers import of_make_peers
from online.proto.scorer_pb2 import RowStatus, ScoreAnswer, ScoreRequest

with of_make_peers():
    import msgpack

Tensors = Mapping[str, npt.NDArray[Any]]


class NoModel:
    """Answers 0 at once: what is measured is the way to it and back."""

    def __init__(self) -> None:
        self.tensors: Tensors = {}

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
        self.tensors = tensors
        return {"like": np.zeros(len(tensors["ids"]), np.float32)}


class _Peer:
    """Rows as JSON or msgpack under keys of its own, all of a call in one MGET (redis-py with hiredis)."""

    form = "json"

    def __init__(self, shop: Shop, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(url)
        self._model = NoModel()

    @staticmethod
    def fill(shop: Shop, url: str) -> None:
        with redis.Redis.from_url(url) as client:
            for form, pack in _PACKED.items():
                client.mset({f"{form}:user:{key}": pack(row) for key, row in shop.users.items()})
                client.mset({f"{form}:item:{key}": pack(row) for key, row in shop.items.items()})

    def answer(self, request: bytes) -> bytes:
        message = ScoreRequest.FromString(request)
        user = message.keys["user"].integers.values[0]
        items = [f"{self.form}:item:{key}" for key in message.keys["item"].strings.values]
        rows = [*map(_READ[self.form], self._redis.mget([f"{self.form}:user:{user}", *items]))]
        scores = self._model.predict(1, self._features(Call(rows[0], rows[1:])), 1.0)["like"]
        answer = ScoreAnswer(
            scores=scores.tolist(), positions=range(len(scores)), statuses=[RowStatus.ROW_OK] * len(scores)
        )
        data: bytes = answer.SerializeToString()
        return data

    def tensors(self, request: bytes) -> dict[str, npt.NDArray[Any]]:
        self.answer(request)
        return dict(self._model.tensors)

    def _features(self, call: Call) -> Tensors:
        raise NotImplementedError


class RowByRow(_Peer):
    """A loop over the candidates, features in plain Python."""

    def __init__(self, shop: Shop, url: str) -> None:
        super().__init__(shop, url)
        self._python = PythonRows(shop.vocabs)

    def _features(self, call: Call) -> Tensors:
        return _side_by_side(dict(zip(NAMES, zip(*self._python.run(call), strict=True), strict=True)))


class NumpyService(_Peer):
    """Features by columns: pyarrow, vectorized XXH64, numpy."""

    def __init__(self, shop: Shop, url: str) -> None:
        super().__init__(shop, url)
        self._numpy = NumpyVectorized(shop.vocabs)

    def _features(self, call: Call) -> Tensors:
        return _side_by_side(self._numpy.run(self._numpy.prepare(call)))


class NumpyMsgpack(NumpyService):
    """The same with rows in msgpack, the quickest form that Python reads into dicts."""

    form = "msgpack"


def _side_by_side(columns: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    made = {f"in_{name}": np.asarray(columns[name], np.int64) for name in LIST_INPUTS}
    made["numbers"] = np.stack([np.asarray(columns[name], np.float32) for name in NUMBERS], 1)
    made["ids"] = np.stack([np.asarray(columns[name], np.int64) for name in IDS], 1)
    return made


def _json(row: Row) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


_PACKED: Mapping[str, Callable[[Row], bytes]] = {"json": _json, "msgpack": msgpack.packb}
_READ: Mapping[str, Callable[[bytes], Row]] = {"json": json.loads, "msgpack": msgpack.unpackb}
