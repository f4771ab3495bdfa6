"""One model on three model servers behind the same feature step: the embedded one, Triton's Python backend and
TorchServe."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

import benchmarks.one_thread  # noqa: F401  before numpy's first product
from benchmarks.call.shop import shop
from benchmarks.measure import ROOT
from benchmarks.model_servers.ranker import Ranker
from benchmarks.model_servers.torchserve import torchserve
from benchmarks.served import Service, all_of, ask_each, ask_in_turns, feat_serve, started
from compiler.bundle import write_bundle
from featdsl.torch import save_model
from model_sync import open_registry
from online.proto.scorer_pb2 import ScoreAnswer
from store.interface import open_store
from tests.services import free_port, redis_server

SIZE = 500
CLIENTS = (1, 4)
_CALLS = 64
_START_S = 120.0


def measure(quick: bool) -> dict[str, Any]:
    """By clients at once and model server: p50 and p99 in ms, ms of the processor a call, calls a second and core."""
    catalogue = shop(2_000 if quick else 10_000, 100)
    with redis_server("--appendonly", "no") as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(server.url, catalogue.bundle.schema.namespace, 30.0, writable=True)
        catalogue.fill(store)
        store.close()
        model = save_model(Ranker(), catalogue.bundle, folder / "model")
        registry, bundle = folder / "registry", folder / "mix.featb"
        open_registry(f"dir://{registry}", create=True).publish(model, now_us=0)
        write_bundle(catalogue.bundle, bundle)
        contestants = {
            "embedded": feat_serve(bundle, server.url, registry),
            "Triton, Python backend": _before_triton(bundle, server.url, registry, folder / "triton"),
            "TorchServe 0.12": _before_torchserve(bundle, server.url, registry, model),
        }
        with all_of(contestants) as services:
            calls = catalogue.calls(_CALLS, SIZE)
            _compare(services, calls)
            return {f"{clients} at once": _asked(services, calls, clients, quick) for clients in CLIENTS}


def _asked(services: dict[str, Service], calls: Sequence[bytes], clients: int, quick: bool) -> dict[str, Any]:
    seconds, rounds = (1.5, 4) if quick else (2.0, 12)
    results = ask_in_turns(services, calls, clients=clients, seconds=seconds, rounds=rounds)
    ours = results["embedded"]
    print(f"\n{SIZE} items, 120 features, {clients} at once")
    print(f"{'':<24} {'p50 ms':>8} {'p99 ms':>8} {'processor ms':>13} {'calls/s a core':>15}   times ours")
    for name, found in results.items():
        ratios = [found[key] / ours[key] for key in ("p50", "p99", "processor")]
        print(
            f"{name:<24} {found['p50']:8.2f} {found['p99']:8.2f} {found['processor']:13.2f} "
            f"{found['per_core']:15.1f}   {' '.join(f'{ratio:.2f}' for ratio in ratios)}"
        )
    return dict(results)


def _compare(services: dict[str, Service], calls: Sequence[bytes]) -> None:
    """Every call once, so that all items are kept. Errors: `SystemExit` where scores differ."""
    wanted: list[Any] = []
    for name, service in services.items():
        scores = [np.array(ScoreAnswer.FromString(data).scores) for data in ask_each(service, calls)]
        wanted = wanted or scores
        for found, first in zip(scores, wanted, strict=True):
            if not np.allclose(found, first, rtol=1e-4, atol=1e-5):
                raise SystemExit(f"the scores of {name} differ by {np.abs(found - first).max()}")


@contextmanager
def _before_triton(bundle: Path, store: str, registry: Path, models: Path) -> Iterator[Service]:
    python = ROOT / ".venv-triton" / "bin" / "python"
    if not python.exists():
        raise SystemExit("the environment of Triton is missing; make it with `make model-servers`")
    examples = ROOT / "examples" / "triton"
    models.mkdir()
    port = free_port()
    place = ["--repository", str(models), "--port", str(port)]
    with started([str(python), str(examples / "triton_server.py"), *place], says=False) as (triton, _):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(_START_S)
        url = f"triton://127.0.0.1:{port}/ranker"
        given = ["--registry", f"dir://{registry}", "--to", url, "--models", str(models), "--once"]
        subprocess.run([sys.executable, "-m", "featdsl.cli", "export", *given], cwd=ROOT, check=True)
        with feat_serve(bundle, store, registry, "--model-server", url) as front:
            yield Service(front.address, (*front.processes, triton.pid))


@contextmanager
def _before_torchserve(bundle: Path, store: str, registry: Path, model: Path) -> Iterator[Service]:
    with torchserve(model) as (address, pid):
        place = [str(bundle), store, f"dir://{registry}", address]
        command = [sys.executable, "-m", "benchmarks.model_servers.front", *place]
        with started(command) as (front, port):
            yield Service(f"127.0.0.1:{port.strip()}", (front.pid, pid))
