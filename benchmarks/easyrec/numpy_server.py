"""The numpy service in front of the same model: the scorer's own gRPC face, rows by one MGET of redis-py.

    python -m benchmarks.easyrec.numpy_server MIX REDIS_URL MODEL [--keep]

Prints its port. The model runs in the process itself, on one thread. `--keep`: what items give is kept, ready to
gather; nothing is ever forgotten.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import redis
import torch

import benchmarks.one_thread  # noqa: F401  before numpy's first product
from benchmarks.easyrec.mix import ITEM, MIXES, USER, Mix
from benchmarks.easyrec.numpy_features import Kept, NumpyFeatures, Tensors
from featdsl.torch import load_model
from online.proto import SERVICE
from online.proto.scorer_pb2 import RowStatus, ScoreAnswer, ScoreRequest

_THREADS = 2


class NumpyService:
    """From a request's bytes to the model's inputs, and on to an answer's bytes."""

    def __init__(self, mix: Mix, url: str, model: Any, *, keep: bool) -> None:
        """`model`: takes tensors by name and gives those of its outputs."""
        self._features = NumpyFeatures(mix)
        self._redis: Any = redis.Redis.from_url(url)
        self._model = model
        self._kept = _KeptItems() if keep else None

    def tensors(self, request: bytes) -> Tensors:
        """The model's inputs."""
        message = ScoreRequest.FromString(request)
        user = f"{USER}:{message.keys['user'].integers.values[0]}"
        items = list(message.keys["item"].strings.values)
        wanted = items if self._kept is None else self._kept.absent(items)
        rows = self._redis.mget([user, *(f"{ITEM}:{key}" for key in wanted)])
        if self._kept is None:
            return self._features.tensors(rows[0], self._features.items(rows[1:]))
        if wanted:
            self._kept.add(wanted, self._features.items(rows[1:]))
        return self._features.tensors(rows[0], self._kept.gather(items))

    def answer(self, request: bytes) -> bytes:
        scores = self._model(self.tensors(request))["like"]
        answer = ScoreAnswer(
            scores=scores.tolist(), positions=range(len(scores)), statuses=[RowStatus.ROW_OK] * len(scores)
        )
        return bytes(answer.SerializeToString())


class _KeptItems:
    """Rows of what items give, and the place of each item."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._kept: Kept | None = None
        self._lock = threading.Lock()

    def absent(self, items: Sequence[str]) -> list[str]:
        return [item for item in items if item not in self._places]

    def add(self, items: Sequence[str], made: Kept) -> None:
        with self._lock:
            if self._kept is not None:
                ids, buckets, numbers, keys = self._kept
                made = (
                    np.concatenate([ids, made[0]]),
                    np.concatenate([buckets, made[1]]),
                    np.concatenate([numbers, made[2]]),
                    keys + made[3],
                )
            first = len(made[3]) - len(items)
            self._kept = made
            self._places |= {item: first + k for k, item in enumerate(items)}

    def gather(self, items: Sequence[str]) -> Kept:
        assert self._kept is not None
        places = [self._places[item] for item in items]
        ids, buckets, numbers, keys = self._kept
        return ids[places], buckets[places], numbers[places], [keys[place] for place in places]


class _Face(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, service: NumpyService) -> None:
        self._service = service

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != f"/{SERVICE}/Score":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda data, _: self._service.answer(data))


def main() -> None:
    parser = argparse.ArgumentParser(description="The numpy service.")
    parser.add_argument("mix", choices=list(MIXES))
    parser.add_argument("redis")
    parser.add_argument("model")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    saved = load_model(args.model)
    saved.warm()

    def predict(tensors: Tensors) -> Any:
        given = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()}
        return {name: tensor.numpy() for name, tensor in saved.predict(given).items()}

    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers(
        [_Face(NumpyService(MIXES[args.mix], args.redis, predict, keep=args.keep))]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
