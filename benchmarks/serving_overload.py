"""More calls than a server can answer: how many still get their answer in time.

`feat serve` with a model, over Redis. 16 calls that are always asked say what it can (its capacity); then calls come at
random times that do not wait for answers (open loop, Poisson), at multiples of that, each with a deadline.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import benchmarks.one_thread  # noqa: F401  before numpy's first product
from benchmarks.call.shop import Shop, shop
from benchmarks.model_servers.ranker import Ranker
from benchmarks.open_loop import answered_a_second, send
from benchmarks.served import Service, ask_each, feat_serve
from compiler.bundle import write_bundle
from featdsl.torch import save_model
from model_sync import open_registry
from store.interface import open_store
from tests.services import redis_server

SIZES = (100, 500)
"""Candidates a call."""

OFFERED = (0.7, 1.0, 2.0, 5.0)
"""Times the capacity."""

DEADLINE_S = 0.5
_AT_ONCE = 16
_CALLS = 64
_LEAST = 0.8
"""Of the capacity, what is answered in time when more comes, at least: to refuse takes its share."""


def measure(quick: bool) -> dict[str, Any]:
    """By candidates a call: the capacity, and by what is offered the calls a second that were answered in time, those
    that were not by reason, p50 and p99 in ms of those that were, and the server's processor seconds a second."""
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
        with feat_serve(bundle, server.url, registry) as service:
            return {f"{size} items": _of_size(service, catalogue, size, quick) for size in SIZES}


def _of_size(service: Service, catalogue: Shop, size: int, quick: bool) -> dict[str, Any]:
    seconds = 5.0 if quick else 15.0
    calls = catalogue.calls(_CALLS, size)
    ask_each(service, calls)  # all items are kept then
    capacities = [answered_a_second(service.address, calls, _AT_ONCE, seconds)]
    steps = {}
    for times in OFFERED:
        steps[f"{times:g}"] = _step(service, calls, times * capacities[0], seconds)
        capacities.append(answered_a_second(service.address, calls, _AT_ONCE, seconds / 2))
    found = {"capacity": statistics.median(capacities), "offered": steps}
    _print(size, found)
    return found


def _step(service: Service, calls: Sequence[bytes], rate: float, seconds: float) -> dict[str, Any]:
    before = service.processor_seconds()
    came = send(service.address, calls, rate, seconds, DEADLINE_S)
    spent = service.processor_seconds() - before
    return {
        "offered_a_second": came.calls / seconds,
        "in_time_a_second": len(came.in_time) / seconds,
        "others_a_second": {
            status: count / seconds for status, count in sorted(came.others.items()) if count
        },
        "p50_ms": _quantile(came.in_time, 0.5),
        "p99_ms": _quantile(came.in_time, 0.99),
        "cores": spent / seconds,
        "sent_late_ms": came.late * 1e3,
    }


def _quantile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3 if ordered else 0.0


def _print(size: int, found: dict[str, Any]) -> None:
    capacity = found["capacity"]
    print(f"\n{size} items a call, {capacity:.0f} calls/s at most; deadline {DEADLINE_S * 1e3:.0f} ms")
    print("offered/s  times in time/s  share   p50 ms   p99 ms  cores  not in time/s")
    for times, step in found["offered"].items():
        share = step["in_time_a_second"] / min(step["offered_a_second"], capacity)
        others = ", ".join(f"{status} {count:.1f}" for status, count in step["others_a_second"].items())
        print(
            f"{step['offered_a_second']:9.1f} {times:>6} {step['in_time_a_second']:9.1f} {share:6.2f} "
            f"{step['p50_ms']:8.1f} {step['p99_ms']:8.1f} {step['cores']:6.2f}  {others}"
            + ("" if share >= _LEAST else f"  (bar {_LEAST})")
        )
