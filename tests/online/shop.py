"""The program of these tests, rows for it, and a model whose version shows in what it answers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.bundle import Bundle, build, write_bundle
from model_sync import open_registry
from online.client import ScorerClient
from online.models import ModelNotReady, ModelRefused, Tensors
from online.proto.scorer_pb2 import ScoreRequest
from online.server import ScoringServer, ServerOptions
from store.encode import RowEncoder
from store.interface import Store

PROGRAM = Path(__file__).with_name("shop.feat")
AT = 1_600_000_000_000_000
"""The time of the calls: 2020-09-13."""

ROWS: dict[str, dict[Any, dict[str, Any]]] = {
    "profile": {
        1: {"visits": 3, "mood": 0.25, "liked": ["b", "zz", "c"], "maker": "acme"},
        2: {"visits": 7, "mood": None, "liked": [], "maker": None},
    },
    "goods": {
        "a": {"title": "Añil", "price": 1.5, "maker": "acme", "tags": ["x", "y"]},
        "b": {"title": "Bell", "price": 10.0, "maker": "bolt", "tags": []},
        "c": {"title": None, "price": None, "maker": None, "tags": ["x"]},
        "d": {"title": "Drum", "price": 4.0, "maker": "nobody", "tags": ["z", "y", "x", "w"]},
    },
    "maker": {"acme": {"founded": 1920}, "bolt": {"founded": 2001}},
    "home": {"acme": {"founded": 1920}},
}


@cache
def bundle() -> Bundle:
    return build(PROGRAM)


def fill(store: Store) -> None:
    """Writes all rows; a source that reads another's rows has none of its own."""
    for source in bundle().schema.sources:
        if source.rows_of == source.name:
            encoder = RowEncoder(source)
            store.put_schema(encoder.fingerprint, encoder.schema)
            rows = ROWS[source.name].items()
            store.put_many(source.name, [(key, encoder.encode(row)) for key, row in rows])


class WeightModel:
    """A `ModelServer` in the process: `like` is the sum of `dense` times the version's weight, `buy` is the
    weight. `hold` lets a test stop calls inside of it."""

    load_starts_threads = False

    def __init__(self) -> None:
        self.weights: dict[int, float] = {}
        self.unloaded: list[int] = []
        self.loads: list[int] = []
        self.gone: set[int] = set()
        """Versions that it has not yet, or no more."""
        self.hold = threading.Event()
        self.hold.set()

    def load(self, version: int, directory: Path) -> None:
        if version in self.gone:
            raise ModelNotReady(f"there is no version {version} yet")
        self.loads.append(version)
        try:
            self.weights[version] = float((directory / "weight.txt").read_text())
        except ValueError as error:
            raise ModelRefused(f"weight.txt does not read: {error}") from error

    def unload(self, version: int) -> None:
        self.unloaded.append(version)
        self.weights.pop(version, None)

    def predict(self, version: int, tensors: Tensors, deadline_s: float) -> dict[str, npt.NDArray[Any]]:
        self.hold.wait(deadline_s)
        dense, weight = tensors["dense"], np.float32(self.weights[version])
        assert tensors["shopper_once"].shape == (1, 2)
        return {"like": dense.sum(axis=1) * weight, "buy": np.full(len(dense), weight, np.float32)}

    def ping(self, version: int) -> None:
        pass

    def has(self, version: int) -> bool:
        return version not in self.gone

    def followed(self) -> int | None:
        return None

    def close(self) -> None:
        pass


def url_of(registry: Path | str) -> str:
    """The URL of a registry: of a folder, or as it is."""
    return registry if isinstance(registry, str) else f"dir://{registry}"


def publish(
    registry: Path | str,
    folder: Path,
    weight: object,
    fingerprint: str | None = None,
    program: Bundle | None = None,
) -> int:
    """Publishes a version of `WeightModel`; returns its number."""
    made = folder / f"model-{weight}"
    made.mkdir(parents=True, exist_ok=True)
    (made / "weight.txt").write_text(f"{weight}")
    files = ["weight.txt"]
    if program is not None:
        write_bundle(program, made / "bundle.featb")
        files.append("bundle.featb")
    description = {
        "model": "ranker",
        "fingerprint": bundle().fingerprint if fingerprint is None else fingerprint,
        "files": {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in files},
    }
    (made / "model.json").write_text(json.dumps(description))
    return open_registry(url_of(registry), create=True).publish(made, now_us=AT).number


@contextmanager
def serving(
    store_url: str, registry: Path | str, model: WeightModel | None = None, **options: Any
) -> Iterator[tuple[ScoringServer, ScorerClient]]:
    """A server of the shop, in this process, and a client of it."""
    server = ScoringServer(
        bundle(),
        bundle().model("ranker"),
        store_url,
        url_of(registry),
        model or WeightModel(),
        ServerOptions(**options),
    )
    port = server.start()
    try:
        with ScorerClient(f"127.0.0.1:{port}") as client:
            yield server, client
    finally:
        server.stop(grace_s=5)


REQUEST: Mapping[str, Any] = {"country": "NL"}


def request_of(items: list[str]) -> bytes:
    """A call of `Score` for shopper 1, as it is on the wire."""
    message = ScoreRequest()
    message.keys["shopper"].integers.values.append(1)
    message.keys["item"].strings.values.extend(items)
    message.request["country"].string_value = "NL"
    return bytes(message.SerializeToString())
