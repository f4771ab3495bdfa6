"""The two mixes of EasyRec through a whole server, a model behind it, beside a numpy service with the same model."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import redis
import torch

import benchmarks.one_thread  # noqa: F401  before numpy's first product
from benchmarks.easyrec.data import World
from benchmarks.easyrec.mix import MATCHED, SEQUENCED, Mix
from benchmarks.easyrec.model import Ranker
from benchmarks.easyrec.numpy_features import NumpyFeatures
from benchmarks.easyrec.numpy_server import NumpyService
from benchmarks.in_process import InProcess
from benchmarks.measure import in_turns, processor_seconds
from benchmarks.served import Service, all_of, ask_each, ask_in_turns, feat_serve, started
from compiler.bundle import write_bundle
from featdsl.torch import load_model, save_model
from model_sync import open_registry
from online.proto.scorer_pb2 import ScoreAnswer
from store.interface import open_store
from tests.services import redis_server

BARS = {"numpy": 10.0, "published": 20.0}
"""Calls a second and core: so many times those of the numpy service, and of EasyRec's own figures."""

_MODEL_OPTIONS = ("--model-split", "--model-dtype", "bfloat16", "--model-compile")
_OPTIONS_ERROR = 0.02
"""Of a service more, beside the one with the defaults, and how far its scores may lie from theirs, of the largest."""

_WITH_OPTIONS = "featdsl, model's options"
_WITH_PARTS = "featdsl, items' parts kept"
"""`--model-item-parts`: what the model makes of an item alone lies beside its row."""
_CALLS = 64
_CLIENTS = 2
_CACHE_MB = 256


def measure(quick: bool) -> dict[str, Any]:
    """By mix and service: p50 and p99 in ms, ms of the processor a call, calls a second and core."""
    return {mix.name: _measure(mix, quick) for mix in (SEQUENCED, MATCHED)}


def _measure(mix: Mix, quick: bool) -> dict[str, Any]:
    world = World(mix, 16, 400) if quick else World(mix, 200, 4_000)
    with stage(world) as (url, model, registry, bundle, store):
        calls = world.calls(_CALLS)
        compare_tensors(world, url, calls[:8])
        alone = without_servers(world, url, model, calls, 4.0 if quick else 20.0)
        numpy = [sys.executable, "-m", "benchmarks.easyrec.numpy_server", mix.name, url, str(model)]
        contestants = {
            "featdsl": feat_serve(bundle, url, registry),
            "featdsl, no item cache": feat_serve(bundle, url, registry, "--cache-mb", "0"),
            _WITH_PARTS: feat_serve(bundle, url, registry, "--model-item-parts"),
            _WITH_OPTIONS: feat_serve(bundle, url, registry, *_MODEL_OPTIONS),
            "numpy, items kept": _numpy([*numpy, "--keep"]),
            "numpy": _numpy(numpy),
        }
        with all_of(contestants) as services:
            compare_scores(services, calls)
            before = processor_seconds(store)
            results: dict[str, Any] = ask_in_turns(
                services, calls, clients=_CLIENTS, seconds=1.0 if quick else 4.0, rounds=3 if quick else 6
            )
            asked = sum(int(one["calls"]) for one in results.values())
            redis_ms = (processor_seconds(store) - before) / asked * 1e3
    _print(mix, results, redis_ms, alone)
    return {**results, "published": {"per_core": mix.published}, "redis ms": redis_ms, "alone ms": alone}


@contextmanager
def stage(world: World) -> Iterator[tuple[str, Path, Path, Path, int]]:
    """The URL of a Redis with everybody's rows, a saved model, a registry with it, the bundle; Redis' process."""
    with redis_server("--appendonly", "no") as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(server.url, world.mix.name, 30.0, writable=True)
        world.fill(store)
        store.close()
        with redis.Redis.from_url(server.url) as client:
            for key, row in NumpyFeatures(world.mix).pack(world):
                client.set(key, row)
        model = save_model(Ranker(world.mix), world.bundle, folder / "model")
        open_registry(f"dir://{folder / 'registry'}", create=True).publish(model, now_us=0)
        write_bundle(world.bundle, folder / "mix.featb")
        yield server.url, model, folder / "registry", folder / "mix.featb", server.pid


@contextmanager
def _numpy(command: Sequence[str]) -> Iterator[Service]:
    with started(command) as (process, port):
        yield Service(f"127.0.0.1:{port.strip()}", (process.pid,))


def without_servers(
    world: World, url: str, model: Path, calls: Sequence[bytes], seconds: float
) -> dict[str, float]:
    """Ms of the processor, in turns in this process: from a request's bytes to the model's inputs, by service, with
    neither gRPC nor a model; and the model alone."""
    kept = NumpyService(world.mix, url, None, keep=True)
    tensors = [kept.tensors(call) for call in calls]
    torch.set_num_threads(1)
    saved = load_model(model)
    contestants: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]] = {
        "featdsl": (InProcess(world.bundle, url, _CACHE_MB).answer, calls),
        "featdsl, no item cache": (InProcess(world.bundle, url).answer, calls),
        "numpy, items kept": (kept.tensors, calls),
        "numpy": (NumpyService(world.mix, url, None, keep=False).tensors, calls),
        "the model alone": (
            saved.predict,
            [{name: torch.from_numpy(np.ascontiguousarray(t)) for name, t in one.items()} for one in tensors],
        ),
    }
    for run, given in contestants.values():
        for one in given:
            run(one)
    taken = in_turns(list(contestants.values()), seconds)
    return {name: seconds * 1e3 for name, seconds in zip(contestants, taken, strict=True)}


def compare_tensors(world: World, url: str, calls: Sequence[bytes]) -> None:
    """Ids exactly, numbers to the last bits of a float32. Errors: `SystemExit` with the inputs that differ."""
    numpy = NumpyService(world.mix, url, None, keep=False)
    others: dict[str, Any] = {
        "featdsl, no item cache": InProcess(world.bundle, url),
        "featdsl": InProcess(world.bundle, url, _CACHE_MB),
        "numpy, items kept": NumpyService(world.mix, url, None, keep=True),
    }
    for call in (*calls, *calls):  # the second time from what was kept
        wanted = numpy.tensors(call)
        for name, service in others.items():
            found = service.tensors(call)
            different = [tensor for tensor in wanted if not _equal(found[tensor], wanted[tensor])]
            if different or set(found) != set(wanted):
                raise SystemExit(f"{name} differs in {', '.join(different) or 'names'}")


def _equal(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> bool:
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    if wanted.dtype.kind == "f":
        return bool(np.allclose(found, wanted, rtol=1e-6, atol=0.0))
    return bool(np.array_equal(found, wanted))


def compare_scores(services: dict[str, Service], calls: Sequence[bytes]) -> None:
    """Every call once, so that what can be kept is. Errors: `SystemExit` where scores differ."""
    wanted: list[Any] = []
    for name, service in services.items():
        scores = [np.array(ScoreAnswer.FromString(data).scores) for data in ask_each(service, calls)]
        wanted = wanted or scores
        for found, first in zip(scores, wanted, strict=True):
            allowed = _OPTIONS_ERROR * np.abs(first).max() if name == _WITH_OPTIONS else 1e-4
            if not np.allclose(found, first, rtol=1e-4, atol=allowed):
                raise SystemExit(f"the scores of {name} differ by {np.abs(found - first).max()}")


def _print(mix: Mix, results: dict[str, Any], redis_ms: float, alone: dict[str, float]) -> None:
    print(f"\n{mix.name}: {mix.features:,} features, {mix.batch} candidates a call, {_CLIENTS} clients")
    print(f"{'':<26} {'p50 ms':>8} {'p99 ms':>8} {'processor ms':>13} {'calls/s a core':>15}")
    for name, found in results.items():
        print(
            f"{name:<26} {found['p50']:8.2f} {found['p99']:8.2f} {found['processor']:13.2f} {found['per_core']:15.1f}"
        )
    print(f"{'published':<26} {'':>8} {'':>8} {'':>13} {mix.published:15.1f}")
    ours = results["featdsl"]["per_core"]
    cold = results["featdsl, no item cache"]["per_core"]
    print(
        f"featdsl: {ours / results['numpy']['per_core']:.1f} times numpy (bar {BARS['numpy']:g}), "
        f"{ours / mix.published:.0f} times the published (bar {BARS['published']:g}); "
        f"items kept on both sides {ours / results['numpy, items kept']['per_core']:.1f}, "
        f"on neither {cold / results['numpy']['per_core']:.1f}; Redis beside it {redis_ms:.2f} ms a call"
    )
    parts = results[_WITH_PARTS]["per_core"]
    print(
        f"with items' parts kept: {parts / results['numpy']['per_core']:.1f} times numpy, "
        f"{parts / mix.published:.0f} times the published"
    )
    print(
        "without gRPC and model, ms of the processor: "
        + ", ".join(f"{n} {ms:.2f}" for n, ms in alone.items())
    )
    free = results["featdsl"]["processor"] - alone["featdsl"]
    print(
        f"so the model's inputs {alone['numpy'] / alone['featdsl']:.1f} times as fast as numpy's; with features "
        f"free of cost a call would take {free:.1f} ms, "
        f"{results['numpy']['processor'] / free:.1f} times less than numpy's"
    )
