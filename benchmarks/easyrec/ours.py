"""What a server of ours gives the model, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.easyrec.data import World
from online.changes import ChangeFollower
from online.executor import Executor
from online.item_cache import ItemCache
from online.observe.record import CallRecord
from online.rows import RowSource
from online.store_link import StoreLink

_CACHE_BYTES = 256 << 20


class Ours:
    """As `feat serve` makes tensors, with the item cache or without."""

    def __init__(self, world: World, url: str, *, keep: bool) -> None:
        link = StoreLink(url, world.mix.name, 5.0)
        cache = ItemCache(_CACHE_BYTES, 3600.0) if keep else None
        if cache is not None:
            ChangeFollower(link, cache).read_on(0)
        rows = RowSource(world.bundle.schema, link, defaults_when_down=False, cache=cache)
        self._model = _Watched()
        model: Any = self._model
        versions: Any = _OneVersion()
        signature = world.bundle.model("ranker")
        self._executor = Executor(
            world.bundle, signature, rows, model, versions, max_items=10_000, default_timeout_s=10.0
        )

    def answer(self, request: bytes) -> bytes:
        """The answer, all scores 0."""
        return self._executor.score(request, CallRecord("Score"))

    def tensors(self, request: bytes) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs."""
        self.answer(request)
        return {name: np.array(tensor) for name, tensor in self._model.tensors.items()}


class _Watched:
    """Answers 0 at once, and keeps what it was given."""

    def __init__(self) -> None:
        self.tensors: Mapping[str, npt.NDArray[Any]] = {}

    def predict(self, version: int, tensors: Any, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
        self.tensors = tensors
        return {"like": np.zeros(len(tensors["item_ids"]), np.float32)}


class _OneVersion:
    @contextmanager
    def pin(self) -> Iterator[Any]:
        yield SimpleNamespace(model="ranker", version=1, fingerprint="f", handle=1)
