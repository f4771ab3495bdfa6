"""The embedded model server on a CUDA device, against the bytes that must move and the products that must be made.

    .venv/bin/python -m benchmarks.on_device [--quick] [--json FILE]

Two rankers of 1,024 inputs a candidate, 500 and 2,000 candidates a call, random calls in turns, one at a time, medians
by the clock:

`whole way`: from the caller's arrays to its answer, over shared memory, to the model's process and back.
`run`: the same inside the model's process: copy to the device, model, copy back, memory pinned. `kernels`: the model
alone, by the device's own clock, inputs there.
`floor`: the call's bytes at the rate that a copy of pinned memory to the device was measured at, and then the larger of
the model's bytes (parameters and activations, each written and read once) at the measured rate of a copy on the device,
and its products at the measured rate of a large one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compiler.bundle import build
from featdsl.torch import load_model, save_model
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.graphs import graphs_of
from online.model_server.on_cuda import pin
from online.model_server.region import Region
from online.model_server.runner import Runner

_ITEMS = (500, 2000)
_WAYS = {
    "float32": ModelOptions(device="cuda", cuda_graphs=False),
    "float32, CUDA graphs": ModelOptions(device="cuda"),
    "tf32, CUDA graphs": ModelOptions(device="cuda", tf32=True),
    "bfloat16": ModelOptions(device="cuda", cuda_graphs=False, dtype="bfloat16"),
    "bfloat16, CUDA graphs": ModelOptions(device="cuda", dtype="bfloat16"),
    "processor, 8 threads, float32": ModelOptions(threads=8),
}
RANKERS = {"1024-256-64-1": (1024, 256, 64, 1), "1024-2048-1024-512-1": (1024, 2048, 1024, 512, 1)}


class Mlp(torch.nn.Module):
    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for given, made in pairwise(sizes):
            layers += [torch.nn.Linear(given, made), torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        like: torch.Tensor = self.net(dense).squeeze(1)
        return like


def main() -> int:
    parser = argparse.ArgumentParser(description="The embedded model server on a CUDA device.")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    results = on_device(1.0 if args.quick else 5.0)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def on_device(seconds: float) -> dict[str, Any]:
    """The figures by ranker, candidates and way; none where there is no device, which is said."""
    if not torch.cuda.is_available():
        print("\non a CUDA device: none is at hand, so nothing was measured")
        return {}
    rates = _rates()
    print(f"\n{torch.cuda.get_device_name()}, torch {torch.__version__}:", ", ".join(_told(rates)))
    found: dict[str, Any] = {"device": torch.cuda.get_device_name(), "rates": rates}
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(1)
        saved = [_saved(Path(folder) / name, Mlp(sizes)) for name, sizes in RANKERS.items()]
        print(f"\n{'':<62} {'whole way':>9} {'p99':>8} {'run':>8} {'kernels':>8} {'floor':>8}   error")
        for way, options in _WAYS.items():
            for ranker, rows in zip(RANKERS, _measured(saved, options, rates, seconds), strict=True):
                for items, row in rows.items():
                    found[f"{ranker}, {items:,} items, {way}"] = row
                    print(f"  {f'{ranker}, {items:,} items, {way}':<60} {_row(row)}", flush=True)
        found["32 callers of 20 items"] = _many(saved[0], seconds)
    return found


def _measured(
    saved: Sequence[Path], options: ModelOptions, rates: dict[str, float], seconds: float
) -> list[dict[int, dict[str, Any]]]:
    """Of each ranker, by candidates."""
    found: list[dict[int, dict[str, Any]]] = [{items: {} for items in _ITEMS} for _ in saved]
    calls = {items: [_call(items, seed) for seed in range(16)] for items in _ITEMS}
    server = EmbeddedModelServer(options)
    try:
        for version, directory in enumerate(saved):
            server.load(version, directory)
            for items, row in found[version].items():
                taken = _timed(partial(_asked, server, version), calls[items], seconds)
                row |= {"whole way": statistics.median(taken), "p99": float(np.percentile(taken, 99))}
                row["facts"] = server.facts(version)
    finally:
        server.close()
    if options.device == "cpu":
        return found
    here = {items: _in_shared_memory(some) for items, some in calls.items()}
    for directory, sizes, rows in zip(saved, RANKERS.values(), found, strict=True):
        runner = Runner(load_model(directory), ModelOptions(**{**options.as_json(), "runners": 1}))
        for items, row in rows.items():
            row["floor"] = _floor_ms(sizes, items, options, rates)
            row["run"] = statistics.median(_timed(partial(_run, runner), here[items], seconds))
            row["kernels"] = _kernels_ms(directory, options, calls[items][0], seconds)
    return found


def _asked(server: EmbeddedModelServer, version: int, call: dict[str, Any]) -> None:
    server.predict(version, call, 10.0)


def _run(runner: Runner, call: dict[str, Any]) -> None:
    runner.run([call])


def _kernels_ms(saved: Path, options: ModelOptions, call: dict[str, Any], seconds: float) -> float:
    """The model alone, as one CUDA graph of exactly these rows, which leaves no gaps between its operators."""
    device = torch.device("cuda", 0)
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    form = graphs_of(load_model(saved), options, on_device=True).form().moved(device)
    rows = len(call["dense"])
    given = [t.to(device) for t in form.tensors([{n: torch.from_numpy(a) for n, a in call.items()}], [rows])]
    with torch.inference_mode():
        stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            form.run(given)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            made = form.run(given)
    assert made
    return _device_ms(graph.replay, seconds / 5)


def _device_ms(run: Callable[[], Any], seconds: float) -> float:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    for _ in range(3):
        run()
    while time.perf_counter() < end or len(taken) < 10:
        first, last = _event(), _event()
        first.record()
        run()
        last.record()
        last.synchronize()
        taken.append(float(first.elapsed_time(last)))
    return statistics.median(taken)


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _rates() -> dict[str, float]:
    """GB/s of copies (on the device bytes read and bytes written are both counted), TFLOP/s of products."""
    size = 256 << 20
    there, other = (torch.empty(size, dtype=torch.uint8, device="cuda").random_() for _ in range(2))
    pinned, plain = torch.empty(size, dtype=torch.uint8).pin_memory(), torch.ones(size, dtype=torch.uint8)
    rates = {
        "to the device, pinned GB/s": size
        / 1e6
        / _device_ms(lambda: there.copy_(pinned, non_blocking=True), 1),
        "to the device, not pinned GB/s": size / 1e6 / _device_ms(lambda: there.copy_(plain), 1),
        "on the device GB/s": 2 * size / 1e6 / _device_ms(lambda: there.copy_(other), 1),
    }
    square = 8192
    for name, dtype, tf32 in (
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(square, square, device="cuda").to(dtype) for _ in range(2))
        taken = _device_ms(partial(torch.mm, a, b), 1)
        rates[f"{name} TFLOP/s"] = 2 * square**3 / 1e9 / taken
    torch.backends.cuda.matmul.allow_tf32 = False
    return rates


def _floor_ms(sizes: Sequence[int], items: int, options: ModelOptions, rates: dict[str, float]) -> float:
    width = 2 if options.dtype == "bfloat16" else 4
    copied = items * sizes[0] * 4 / 1e6 / rates["to the device, pinned GB/s"]
    parameters = sum(given * made for given, made in pairwise(sizes)) * width
    activations = items * (sizes[0] + 2 * sum(sizes[1:-1]) + sizes[-1]) * 4
    moved = (parameters + activations) / 1e6 / rates["on the device GB/s"]
    kind = "tf32" if options.tf32 else options.dtype
    made = 2 * items * sum(a * b for a, b in pairwise(sizes)) / 1e9 / rates[f"{kind} TFLOP/s"]
    return copied + max(moved, made)


def _many(saved: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Calls a second of many callers at once, each call by itself and run together."""
    from benchmarks.model_server import asked_at_once

    calls = [_call(20, seed) for seed in range(64)]
    found = {}
    for way, options in {
        "device, each by itself": ModelOptions(device="cuda", max_rows=0),
        "device, together": ModelOptions(device="cuda"),
        "processor, together": ModelOptions(threads=4),
    }.items():
        times, counts = asked_at_once(saved, options, calls, 32, seconds)
        p50, p99 = np.percentile(times, (50, 99))
        a_run = counts["calls"] / max(counts["runs"], 1)
        found[way] = {"calls/s": len(times) / seconds, "p50": p50, "p99": p99, "calls a run": a_run}
        said = f"{len(times) / seconds:,.0f} calls/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, {a_run:.1f} calls a run"
        print(f"  {next(iter(RANKERS))}, 32 callers of 20 items, {way}: {said}", flush=True)
    return found


def _timed(run: Callable[[Any], Any], calls: Sequence[Any], seconds: float) -> list[float]:
    """Milliseconds of each call by the clock."""
    for given in calls[:4]:
        run(given)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        given = calls[len(taken) % len(calls)]
        start = time.perf_counter_ns()
        run(given)
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken


def _in_shared_memory(calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same calls, each in a region as a model's process has it."""
    found = []
    for call in calls:
        made = Region.create()
        region = Region(os.dup(made.descriptor), pin)
        layout, _ = region.put(call, 0)
        found.append(region.tensors(layout))
        _REGIONS.append(region)
    return found


_REGIONS: list[Region] = []
"""Kept while their tensors are in use."""


def _call(items: int, seed: int) -> dict[str, Any]:
    return {"dense": np.random.default_rng(seed).standard_normal((items, 1024), np.float32)}


def _saved(folder: Path, module: torch.nn.Module) -> Path:
    folder.mkdir()
    (folder / "wide.feat").write_text(
        "entity user: int64 per request\nentity item: string per candidate\n"
        "source movie of item { embedding: list<float32> }\n"
        "model ranker { dense: float32 = movie.embedding |> pad(1024)  output like: float32 }\n"
    )
    return save_model(module, build(folder / "wide.feat"), folder / "model")


def _told(rates: dict[str, float]) -> list[str]:
    return [
        f"{name.rpartition(' ')[0]} {rate:,.0f} {name.rpartition(' ')[2]}" for name, rate in rates.items()
    ]


def _row(row: dict[str, Any]) -> str:
    figures = [row["whole way"], row["p99"], row.get("run"), row.get("kernels"), row.get("floor")]
    error = row["facts"].get("largest error", "0").partition(" (")[0]
    return " ".join(f"{'' if f is None else f'{f:.3f}':>8}" for f in figures) + f"   {error}"


if __name__ == "__main__":
    raise SystemExit(main())
