"""A whole call of 500 items without the model and without gRPC: request bytes in, rows from Redis or LMDB, 120
features, tensors, answer bytes out. Ours without a cache (cold) and with one that has the items (warm), beside a
service that goes row by row in Python and one that is written well in numpy with redis-py.

    .venv/bin/python -m benchmarks.serving_call [--quick] [--json FILE]

Starts a Redis of its own. Tensors are compared before anything is timed: ids exactly, numbers to the last bits of a
float32. 64 calls rotate, services take turns. Times are wall clock and of the service's processor.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks.call.services import NumpyMsgpack, NumpyService, RowByRow, Tensors
from benchmarks.call.shop import Shop, shop
from benchmarks.in_process import InProcess
from benchmarks.measure import machine, report
from store.interface import open_store
from tests.services import redis_server

SIZE = 500
CALLS = 64
CACHE_MB = 256
BARS = {"row by row, Redis": 15, "numpy, Redis": 5, "numpy, Redis, msgpack": 5}
"""How many times as long as ours, cold over Redis, they take at least."""


def main() -> int:
    parser = argparse.ArgumentParser(description="A whole call without the model, beside Python services.")
    parser.add_argument("--quick", action="store_true", help="fewer items and rounds, under a minute")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    report({"ms": measure(args.quick)}, args.json)
    return 0


def measure(quick: bool) -> dict[str, dict[str, float]]:
    """By service: p50, p99 and time of the processor, in ms."""
    catalogue = shop(2_000, 100) if quick else shop()
    with redis_server("--appendonly", "no") as server, tempfile.TemporaryDirectory() as folder:
        return _measure(catalogue, server.url, f"lmdb://{folder}/rows", 8 if quick else 25)


def _measure(catalogue: Shop, redis_url: str, lmdb_url: str, rounds: int) -> dict[str, dict[str, float]]:
    for url in (redis_url, lmdb_url):
        store = open_store(url, "mix", 10.0, writable=True)
        catalogue.fill(store)
        store.close()
    RowByRow.fill(catalogue, redis_url)
    services: dict[str, Any] = {
        "featdsl cold, Redis": InProcess(catalogue.bundle, redis_url, 0),
        "featdsl warm, Redis": InProcess(catalogue.bundle, redis_url, CACHE_MB),
        "featdsl cold, LMDB": InProcess(catalogue.bundle, lmdb_url, 0),
        "featdsl warm, LMDB": InProcess(catalogue.bundle, lmdb_url, CACHE_MB),
        "row by row, Redis": RowByRow(catalogue, redis_url),
        "numpy, Redis": NumpyService(catalogue, redis_url),
        "numpy, Redis, msgpack": NumpyMsgpack(catalogue, redis_url),
    }
    calls = catalogue.calls(CALLS, SIZE)
    _compare(services, calls)
    wall: dict[str, list[float]] = {name: [] for name in services}
    processor: dict[str, list[float]] = {name: [] for name in services}
    for number in range(rounds):
        for name, service in services.items():
            for call in calls[number % 4 :: 4]:
                started, taken = time.perf_counter_ns(), time.process_time_ns()
                service.answer(call)
                processor[name].append((time.process_time_ns() - taken) / 1e6)
                wall[name].append((time.perf_counter_ns() - started) / 1e6)
    results = {
        name: {
            "p50": statistics.median(wall[name]),
            "p99": statistics.quantiles(wall[name], n=100)[98],
            "processor": statistics.median(processor[name]),
        }
        for name in services
    }
    _print(results)
    return results


def _print(results: dict[str, dict[str, float]]) -> None:
    ours = results["featdsl cold, Redis"]
    print(f"\n{'ms, 500 items':<22} {'p50':>8} {'p99':>8} {'processor':>10} {'times cold':>11}")
    for name, found in results.items():
        ratio = found["processor"] / ours["processor"]
        bar = f"  (bar {BARS[name]})" if name in BARS else ""
        print(
            f"{name:<22} {found['p50']:8.2f} {found['p99']:8.2f} {found['processor']:10.2f} {ratio:11.1f}{bar}"
        )


def _compare(services: dict[str, Any], calls: Sequence[bytes]) -> None:
    """Answers every call once, so that what can be cached is. Errors: `SystemExit` with the tensors that differ."""
    for call in calls:
        wanted: Tensors = {}
        for name, service in services.items():
            found = service.tensors(call)
            wanted = wanted or found
            different = [tensor for tensor in wanted if not _equal(found[tensor], wanted[tensor])]
            if different:
                raise SystemExit(f"{name} differs in {', '.join(different)}")


def _equal(found: np.ndarray, wanted: np.ndarray) -> bool:
    if wanted.dtype.kind == "f":
        return bool(np.allclose(found, wanted, rtol=1e-6, atol=0.0))
    return bool(np.array_equal(found, wanted))


if __name__ == "__main__":
    raise SystemExit(main())
