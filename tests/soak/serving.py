"""A server with two workers at 70 % of what it can, for as long as is asked: `python -m tests.soak.serving`.

Calls come at random (Poisson), from clients that keep their connections, and none may fail. Every five seconds the
memory of each process is read; what it grows by is the slope of the line through it (Theil and Sen's, the median of
the slopes between all pairs, which a spike does not move), once it has settled: after ten minutes, or a fifth of a run
of less than fifty. A process that then grew by more than 2 % or 3 MB, the greater of the two, fails the run.

What settles is what allocators keep: objects of Python do not grow. A worker at 60 calls/s, resident MB (medians of
five minutes): 149.1, 150.5, 151.6, 151.9, 151.8, 151.6, 151.7; allocated blocks of Python 362,640 and 362,740.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import combinations
from pathlib import Path
from typing import Any

from compiler.bundle import write_bundle
from featdsl.torch import save_model
from online.client import ScorerClient
from online.errors import CallError
from store.interface import open_store
from tests.online.shop import REQUEST, bundle, fill
from tests.online.test_serve import Ranker, Served, child_processes, feat
from tests.services import redis_server

SHARE = 0.7
CLIENTS = 4
ITEMS = ("a", "b", "c", "d", "nothing")
MEASURED_EVERY_S = 5.0
SETTLES_IN_S = 600.0
MOST_SHARE, MOST_MB = 0.02, 3.0
MOST_PAIRS = 200_000
CALIBRATION_S = 5.0


class Clients:
    """Threads that call, each on connections of its own. `pause`: seconds until the next call of a thread."""

    def __init__(self, address: str, pause: Callable[[], float]) -> None:
        self._address = address
        self._pause = pause
        self._done = threading.Event()
        self.latencies_ms: list[float] = []
        self.failed: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        chance = random.Random(threading.get_ident())
        with ScorerClient(self._address, connections=2) as client:
            due = time.perf_counter()
            while not self._done.is_set():
                due = max(due + self._pause(), time.perf_counter() - 1.0)
                time.sleep(max(0.0, due - time.perf_counter()))
                items = chance.choices(ITEMS, k=chance.randint(1, 400))
                try:
                    client.score({"shopper": chance.randint(1, 3), "item": items}, REQUEST)
                except CallError as failed:
                    self.failed[failed.reason.name] += 1
                self.latencies_ms.append((time.perf_counter() - due) * 1000)


def capacity(address: str) -> float:
    """Calls a second when every client asks without a pause."""
    clients = Clients(address, lambda: 0.0)
    clients.start()
    time.sleep(CALIBRATION_S)
    clients.stop()
    return len(clients.latencies_ms) / CALIBRATION_S


def memory_mb(server: Served) -> dict[str, float]:
    """Resident memory by process, named by what it is and its number."""
    found = {}
    for pid in [server.process.pid, *child_processes(server.process.pid)]:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        kind = next((part.decode() for part in command if part.startswith((b"featdsl.", b"online."))), "?")
        resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        found[f"{kind.rpartition('.')[2]} {pid}"] = int(resident) / 1024
    return found


def growth_mb(points: Sequence[tuple[float, float]]) -> float:
    """By how much the line through (seconds, MB) rises from its first point to its last."""
    pairs = list(combinations(points, 2))
    if len(pairs) > MOST_PAIRS:
        pairs = random.Random(1).sample(pairs, MOST_PAIRS)
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in pairs if t > s]
    return statistics.median(slopes) * (points[-1][0] - points[0][0]) if slopes else 0.0


def verdicts(memory: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, dict[str, Any]]:
    """By process: megabytes in the middle, growth, and whether that is flat."""
    found = {}
    for process, points in memory.items():
        began = points[0][0] + min(SETTLES_IN_S, (points[-1][0] - points[0][0]) / 5)
        settled = [point for point in points if point[0] >= began]
        middle, growth = statistics.median(mb for _, mb in settled), growth_mb(settled)
        flat = growth <= max(MOST_SHARE * middle, MOST_MB)
        found[process] = {"mb": middle, "growth_mb": growth, "flat": flat, "points": list(points)}
    return found


def soak(server: Served, minutes: float) -> dict[str, Any]:
    most = capacity(server.address)
    rate = SHARE * most
    say(f"{most:.0f} calls/s at most; {rate:.0f} calls/s for {minutes:g} minutes")
    clients = Clients(server.address, lambda: random.expovariate(rate / CLIENTS))
    started, memory = time.monotonic(), dict[str, list[tuple[float, float]]]()
    clients.start()
    told, seen = 1, 0
    while (passed := time.monotonic() - started) < minutes * 60:
        time.sleep(MEASURED_EVERY_S)
        for process, megabytes in memory_mb(server).items():
            memory.setdefault(process, []).append((passed, megabytes))
        if passed >= told * 60:
            latest, told = sorted(clients.latencies_ms[seen:]), told + 1
            seen += len(latest)
            total = sum(points[-1][1] for points in memory.values())
            say(
                f"minute {passed / 60:.0f}: {len(latest)} calls, p50 {quantile(latest, 0.5):.1f} ms, "
                f"p99 {quantile(latest, 0.99):.1f} ms, {total:.0f} MB in {len(memory)} processes"
            )
    clients.stop()
    every = sorted(clients.latencies_ms)
    return {
        "capacity_per_s": most,
        "calls": len(every),
        "calls_per_s": len(every) / (time.monotonic() - started),
        "p50_ms": quantile(every, 0.5),
        "p99_ms": quantile(every, 0.99),
        "failed": dict(clients.failed),
        "memory": verdicts(memory),
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.serving", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--store", choices=("lmdb", "redis"), default="lmdb", help="what rows are read from (lmdb)"
    )
    parser.add_argument("--json", metavar="FILE", type=Path)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="featdsl-soak-") as name,
        redis_server() if args.store == "redis" else nullcontext() as redis,
    ):
        folder = Path(name)
        url = f"lmdb://{folder / 'store'}" if redis is None else redis.url
        store = open_store(url, "shop", writable=True)
        fill(store)
        store.close()
        write_bundle(bundle(), folder / "shop.featb")
        model = save_model(Ranker(1.0), bundle(), folder / "model")
        feat("publish", model, "--registry", f"dir://{folder / 'registry'}")
        server = Served(folder, url, "--workers", str(args.workers))
        try:
            result = soak(server, args.minutes)
        finally:
            server.stop()
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    for process, found in result["memory"].items():
        flat = "flat" if found["flat"] else "GROWS"
        say(f"{process:<24} {found['mb']:8.1f} MB, grew by {found['growth_mb']:6.2f} MB: {flat}")
    say(f"{result['calls']} calls, p99 {result['p99_ms']:.1f} ms, failed: {result['failed'] or 'none'}")
    return 0 if not result["failed"] and all(found["flat"] for found in result["memory"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
