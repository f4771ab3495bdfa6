"""The embedded model server.

    .venv/bin/python -m benchmarks.model_server [--quick] [--json FILE]

`transport`: a call of a model that does next to nothing, so what is left is the way of its tensors to the model's
process and back: over shared memory, and over a socket in safetensors form (`benchmarks.socket_peer`). Milliseconds
of the wall, medians, the contestants in turns, one call at a time.

`batching`: small calls (20 candidates, 1024-256-64-1) from 1 to 32 callers at once, each call by itself and run
together; calls a second and milliseconds by the clock.

`options`: the model alone (1024-256-64-1, a third of its inputs per request), float32 and bfloat16, with and without
the request's part computed once, and compiled; milliseconds of the processor, one thread, in turns, and the largest
error.

`item parts`: `benchmarks.item_parts`, whole calls with what is an item's alone kept beside it.

`device`: `benchmarks.on_device`, where a CUDA device is at hand.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import socket_peer
from benchmarks.item_parts import item_parts
from benchmarks.measure import in_turns, machine, report
from benchmarks.on_device import RANKERS, Mlp, on_device
from compiler.bundle import build
from featdsl.torch import save_model
from featdsl.torch.saved_model import load_model
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.runner import Runner

MEGABYTE = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description="The embedded model server.")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    seconds = 1.0 if args.quick else 5.0
    results = {
        "transport": transport(seconds),
        "batching": batching(seconds),
        "options": ways_to_run(seconds),
        "item parts": item_parts(seconds * 2),
        "device": on_device(seconds),
    }
    report(results, args.json)
    return 0


def transport(seconds: float) -> dict[str, dict[str, float]]:
    """Milliseconds a call, by items and megabytes."""
    found = {}
    print(f"\n{'the way of the tensors, ms':<32} {'shared memory':>14} {'socket':>8} {'ratio':>6}")
    for items in (500, 2000):
        for megabytes in (1, 4):
            width = megabytes * MEGABYTE // 4 // items
            with tempfile.TemporaryDirectory() as folder:
                saved = _saved(Path(folder), width, First())
                calls = [_rows(items, width, seed) for seed in range(8)]
                with _shared(saved) as shared, _over_socket(saved, Path(folder)) as peer:
                    ours, theirs = in_wall_turns([(shared, calls), (peer, calls)], seconds)
            name = f"{items:,} items, {megabytes} MB"
            found[name] = {"shared memory": ours, "socket": theirs, "ratio": theirs / ours}
            print(f"  {name:<30} {ours:>14.3f} {theirs:>8.3f} {theirs / ours:>6.1f}")
    return found


def batching(seconds: float) -> dict[str, dict[str, float]]:
    """Calls a second, p50 and p99, by callers and by the way they are run."""
    ways = {
        "each by itself": ModelOptions(max_rows=0),
        "together": ModelOptions(),
        "together, 1 ms for others": ModelOptions(max_delay_ms=1.0),
    }
    found = {}
    print(f"\n{'20 candidates a call':<38} {'calls/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'calls a run':>12}")
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(1)
        saved = _saved(Path(folder), 1024, Mlp(RANKERS["1024-256-64-1"]))
        calls = [_rows(20, 1024, seed) for seed in range(64)]
        for callers in (1, 4, 32):
            for way, options in ways.items():
                times, counts = asked_at_once(saved, options, calls, callers, seconds)
                p50, p99 = np.percentile(times, (50, 99))
                a_run = counts["calls"] / max(counts["runs"], 1)
                name = f"{callers} callers, {way}"
                found[name] = {"calls/s": len(times) / seconds, "p50": p50, "p99": p99, "calls a run": a_run}
                print(f"  {name:<36} {len(times) / seconds:>8.0f} {p50:>8.2f} {p99:>8.2f} {a_run:>12.1f}")
    return found


def asked_at_once(
    saved: Path, options: ModelOptions, calls: Sequence[Any], callers: int, seconds: float
) -> tuple[list[float], dict[str, int]]:
    server = EmbeddedModelServer(options)
    server.load(1, saved)
    times: list[float] = []

    def ask(first: int) -> None:
        end = time.perf_counter() + seconds
        number = first
        while (start := time.perf_counter()) < end:
            server.predict(1, calls[number % len(calls)], 10.0)
            times.append((time.perf_counter() - start) * 1e3)
            number += 1

    threads = [threading.Thread(target=ask, args=(i * 7,)) for i in range(callers)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times, server.counts(1)
    finally:
        server.close()


def ways_to_run(seconds: float) -> dict[str, dict[str, Any]]:
    """Milliseconds of a run by itself, and what was measured of its exactness."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    found: dict[str, dict[str, Any]] = {}
    print(f"\n{'1024-256-64-1, 341 of the inputs per request':<48} {'ms':>7} {'ratio':>6}   largest error")
    with tempfile.TemporaryDirectory() as folder:
        saved = _saved(Path(folder), 683, OneUser(), per_request=341)
        model = load_model(saved)
        model.warm()
        runners = {
            f"{dtype}{', split' if split else ''}{', compiled' if compile else ''}": Runner(
                model,
                ModelOptions(dtype=dtype, split=split, compile=compile, max_rows=0, tolerance=1.0),
                saved,
            )
            for dtype in ("float32", "bfloat16")
            for split in (False, True)
            for compile in (False, True)
        }
        for items in (20, 500, 2000):
            calls = [
                [{**_rows(items, 683, seed), "taste": _rows(1, 341, seed)["dense"]}] for seed in range(16)
            ]
            times = in_turns([(runner.run, calls) for runner in runners.values()], seconds * 2)
            for (way, runner), taken in zip(runners.items(), times, strict=True):
                error = runner.facts.get("largest error", "0").partition(" (")[0]
                ratio = times[0] / taken
                found[f"{items} items, {way}"] = {"ms": taken * 1e3, "ratio": ratio, "error": error}
                print(f"  {f'{items:,} items, {way}':<46} {taken * 1e3:>7.2f} {ratio:>6.1f}   {error}")
    return found


class OneUser(torch.nn.Module):
    """The same, with the user's part brought to every candidate, as one trains it."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = Mlp(RANKERS["1024-256-64-1"])

    def forward(self, dense: torch.Tensor, taste: torch.Tensor) -> torch.Tensor:
        like: torch.Tensor = self.mlp(torch.cat([dense, taste.expand(dense.shape[0], -1)], 1))
        return like


class First(torch.nn.Module):
    """The first column."""

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        return dense[:, 0] * 1.0


def in_wall_turns(
    contestants: Sequence[tuple[Callable[[Any], Any], Sequence[Any]]], seconds: float, rounds: int = 5
) -> list[float]:
    """The median milliseconds of a call of each, by the clock."""
    times: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for (run, inputs), taken in zip(contestants, times, strict=True):
            end = time.perf_counter() + seconds / rounds / len(contestants)
            while time.perf_counter() < end:
                given = inputs[len(taken) % len(inputs)]
                start = time.perf_counter_ns()
                run(given)
                taken.append((time.perf_counter_ns() - start) / 1e6)
    return [statistics.median(taken) for taken in times]


def _rows(items: int, width: int, seed: int) -> dict[str, Any]:
    return {"dense": np.random.default_rng(seed).standard_normal((items, width), np.float32)}


def _saved(folder: Path, width: int, module: torch.nn.Module, per_request: int = 0) -> Path:
    user = "source profile of user { taste: list<float32> }\n" if per_request else ""
    taste = f"taste: float32 per request = profile.taste |> pad({per_request})  " if per_request else ""
    (folder / "wide.feat").write_text(
        "entity user: int64 per request\nentity item: string per candidate\n"
        f"{user}source movie of item {{ embedding: list<float32> }}\n"
        f"model ranker {{ dense: float32 = movie.embedding |> pad({width})  {taste}output like: float32 }}\n"
    )
    return save_model(module, build(folder / "wide.feat"), folder / "model")


@contextmanager
def _shared(saved: Path) -> Iterator[Callable[[Any], Any]]:
    server = EmbeddedModelServer()
    server.load(1, saved)
    try:
        yield lambda tensors: server.predict(1, tensors, 10.0)
    finally:
        server.close()


@contextmanager
def _over_socket(saved: Path, folder: Path) -> Iterator[Callable[[Any], Any]]:
    path = str(folder / "peer.sock")
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.socket_peer", str(saved), path], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()

    def call(tensors: Any) -> Any:
        socket_peer.send(connection, {"op": "predict"}, tensors)
        return socket_peer.receive(connection)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        yield call
    process.wait(10)
    process.stdout.close()


if __name__ == "__main__":
    raise SystemExit(main())
