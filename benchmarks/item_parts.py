"""What an item's own part of a model is worth, kept beside the item.

    .venv/bin/python -m benchmarks.item_parts [--quick] [--json FILE]

Whole calls of known items, by gRPC to a scoring server in this process with rows in LMDB, in turns: the model run
whole, with the request's part once a call (`--model-split`), and with the items' parts kept (`--model-item-parts`).
Milliseconds of the wall, medians; of the processor in the model's process, and in this one (client and server); and
what is sent to the model's process. Then the same with a tenth of the items changed before each call. Three models:

`wide`: 512 numbers and 20 ids (tables of 16) of an item, 64 numbers of a pair, 128 of the request, 1024-256-64-1.
`narrow`: 16 numbers and 4 ids (tables of 8), 8 and 16 numbers, 72-32-1.
`towers`: the items' inputs of `wide` in a tower 832-256-64, times one of the request.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import machine, processor_seconds, report
from compiler.bundle import Bundle, build
from featdsl.torch import save_model
from model_sync import open_registry
from online.client import ScorerClient
from online.model_server import EmbeddedModelServer, ModelOptions
from online.server import ScoringServer, ServerOptions
from store.encode import RowEncoder
from store.interface import open_store

_ITEMS = 6000
_IDS = 5000
_WAYS = {
    "whole": ModelOptions(),
    "--model-split": ModelOptions(split=True),
    "--model-item-parts": ModelOptions(item_parts=True),
}


@dataclass(frozen=True)
class Sizes:
    """Numbers and ids of an item (`table` wide each), numbers of a pair and of the request; layers behind these."""

    numbers: int
    ids: int
    table: int
    pair: int
    request: int
    layers: tuple[int, ...]
    towers: bool = False

    @property
    def of_item(self) -> int:
        return self.numbers + self.ids * self.table


_MODELS = {
    "wide": Sizes(512, 20, 16, 64, 128, (256, 64)),
    "narrow": Sizes(16, 4, 8, 8, 16, (32,)),
    "towers": Sizes(512, 20, 16, 64, 128, (256, 64), True),
}


class Ranker(torch.nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.sizes = sizes
        self.tables = torch.nn.Embedding(_IDS, sizes.table)
        if sizes.towers:
            self.item, self.user = _layers(sizes.of_item, sizes.layers), _layers(sizes.request, sizes.layers)
        else:
            self.top = _layers(sizes.of_item + sizes.pair + sizes.request, (*sizes.layers, 1))

    def forward(
        self, numbers: torch.Tensor, ids: torch.Tensor, pair: torch.Tensor, taste: torch.Tensor
    ) -> torch.Tensor:
        of_item = torch.cat([numbers, self.tables(ids).flatten(1)], 1)
        if self.sizes.towers:
            like: torch.Tensor = (self.item(of_item) * self.user(taste)).sum(1) + pair[:, 0]
            return like
        like = self.top(torch.cat([of_item, pair, taste.expand(numbers.shape[0], -1)], 1)).squeeze(1)
        return like


def _layers(width: int, sizes: Sequence[int]) -> torch.nn.Sequential:
    made: list[torch.nn.Module] = []
    for size in sizes:
        made += [torch.nn.Linear(width, size), torch.nn.ReLU()]
        width = size
    return torch.nn.Sequential(*made[:-1])


def main() -> int:
    parser = argparse.ArgumentParser(description="An item's own part of a model, kept beside the item.")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    report({"item parts": item_parts(2.0 if args.quick else 10.0)}, args.json)
    return 0


def item_parts(seconds: float) -> dict[str, dict[str, Any]]:
    """The figures by model, items and way."""
    found: dict[str, dict[str, Any]] = {}
    print(f"\n{'':<52} {'whole call':>10} {'model':>7} {'server':>7} {'sent KB':>8}   largest error")
    for name, sizes in _MODELS.items():
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            bundle = _program(Path(folder), sizes)
            _filled(Path(folder), bundle, sizes)
            saved = save_model(Ranker(sizes), bundle, Path(folder) / "model")
            scenes = [
                stack.enter_context(_scene(Path(folder), bundle, saved, options))
                for options in _WAYS.values()
            ]
            for items in (500, 2000):
                for new in (0, items // 10):
                    rows = _timed(scenes, items, new, seconds)
                    for (way, row), scene in zip(zip(_WAYS, rows, strict=True), scenes, strict=True):
                        row |= {"sent KB": scene.sent(items) / 1e3, "error": scene.error()}
                        title = f"{name}, {items:,} items{f', {new} changed' if new else ''}, {way}"
                        found[title] = row
                        print(
                            f"  {title:<50} {row['ms']:>10.2f} {row['model ms']:>7.2f} {row['server ms']:>7.2f} "
                            f"{row['sent KB']:>8.0f}   {row['error']}",
                            flush=True,
                        )
    return found


class Scene:
    """A scoring server, and a client of it."""

    def __init__(
        self, server: ScoringServer, models: EmbeddedModelServer, client: ScorerClient, bundle: Bundle
    ) -> None:
        self.models, self._client = models, client
        self._signature = bundle.model("ranker")
        self._server = server

    def ask(self, items: Sequence[int]) -> Any:
        return self._client.score(
            {"user": 1, "item": [f"i{i}" for i in items]}, candidate={"boost": [0.5] * len(items)}
        )

    def forget(self, count: int) -> None:
        """Tells the server that so many items have changed."""
        assert self._server.items is not None
        self._server.items.changed("movie", [f"i{i}" for i in range(count)])

    def error(self) -> str:
        facts = self.models.facts(1)
        told = facts.get("largest error, with item parts") or facts.get("largest error", "0")
        return told.partition(" (")[0]

    def sent(self, items: int) -> float:
        """Bytes of a call's tensors."""
        parts = self.models.item_parts(1)
        total = 0.0
        for tensor in self._signature.inputs:
            if parts is None or tensor.name in parts.beside:
                sizes = [items if size is None else size for size in tensor.shape]
                total += float(np.prod(sizes)) * np.dtype(tensor.dtype).itemsize
        for dtype, shape in () if parts is None else parts.parts.values():
            total += items * float(np.prod(shape)) * np.dtype(dtype).itemsize
        return total

    def warm(self) -> None:
        until = time.monotonic() + 20
        assert self._server.items is not None
        while not self._server.items.trusted and time.monotonic() < until:
            time.sleep(0.01)
        for first in range(0, _ITEMS, 1000):
            self.ask(range(first, first + 1000))


def _timed(
    scenes: Sequence[Scene], items: int, new: int, seconds: float, rounds: int = 5
) -> list[dict[str, Any]]:
    chance = np.random.default_rng(3)
    calls = [chance.permutation(np.arange(new, _ITEMS))[: items - new].tolist() for _ in range(16)]
    calls = [[*range(new), *call] for call in calls]
    walls: list[list[float]] = [[] for _ in scenes]
    model, here = [0.0] * len(scenes), [0.0] * len(scenes)
    for _ in range(rounds):
        for number, scene in enumerate(scenes):
            pid = int(scene.models.place(1)["pid"])
            end = time.perf_counter() + seconds / rounds / len(scenes)
            there, before = processor_seconds(pid), time.process_time()
            done = 0
            while time.perf_counter() < end or done < 4:
                if new:
                    scene.forget(new)
                start = time.perf_counter()
                scene.ask(calls[(len(walls[number])) % len(calls)])
                walls[number].append((time.perf_counter() - start) * 1e3)
                done += 1
            model[number] += processor_seconds(pid) - there
            here[number] += time.process_time() - before
    return [
        {
            "ms": statistics.median(taken),
            "model ms": model[number] / len(taken) * 1e3,
            "server ms": here[number] / len(taken) * 1e3,
        }
        for number, taken in enumerate(walls)
    ]


@contextmanager
def _scene(folder: Path, bundle: Bundle, saved: Path, options: ModelOptions) -> Iterator[Scene]:
    models = EmbeddedModelServer(options)
    url = f"dir://{folder}/registry"
    registry = open_registry(url, create=True)
    if registry.head() is None:
        registry.publish(saved, now_us=time.time_ns() // 1000)
    server = ScoringServer(
        bundle,
        bundle.model("ranker"),
        f"lmdb://{folder}/store",
        url,
        models,
        ServerOptions(cache_bytes=256 << 20),
    )
    try:
        with ScorerClient(f"127.0.0.1:{server.start()}") as client:
            scene = Scene(server, models, client, bundle)
            scene.warm()
            yield scene
    finally:
        server.stop(grace_s=5)


def _program(folder: Path, sizes: Sizes) -> Bundle:
    (folder / "ranker.feat").write_text(
        f"""
namespace parts
entity user: int64 per request
entity item: string per candidate
source movie of item {{ plot: list<float32>  words: list<int64> }}
source profile of user {{ taste: list<float32> }}
candidate {{ boost: float32 = 0.0 }}
model ranker {{
  numbers: float32 = movie.plot |> pad({sizes.numbers})
  ids: int64 = movie.words |> pad({sizes.ids})
  pair: float32 = [{", ".join(f"candidate.boost + {k}.0" for k in range(sizes.pair))}]
  taste: float32 per request = profile.taste |> pad({sizes.request})
  output like: float32
}}
"""
    )
    return build(folder / "ranker.feat")


def _filled(folder: Path, bundle: Bundle, sizes: Sizes) -> None:
    chance = np.random.default_rng(1)
    store = open_store(f"lmdb://{folder}/store", "parts", writable=True)
    rows: dict[str, list[tuple[Any, dict[str, Any]]]] = {
        "movie": [
            (
                f"i{i}",
                {
                    "plot": chance.standard_normal(sizes.numbers, np.float32).tolist(),
                    "words": chance.integers(0, _IDS, sizes.ids).tolist(),
                },
            )
            for i in range(_ITEMS)
        ],
        "profile": [(1, {"taste": chance.standard_normal(sizes.request, np.float32).tolist()})],
    }
    for source in bundle.schema.sources:
        encoder = RowEncoder(source)
        store.put_schema(encoder.fingerprint, encoder.schema)
        store.put_many(source.name, [(key, encoder.encode(row)) for key, row in rows[source.name]])
    store.close()


if __name__ == "__main__":
    raise SystemExit(main())
