"""From the trainer to the server: how long, at what cost, and what a caller notices.

    .venv/bin/python -m benchmarks.sync [--quick] [--json FILE]

A table of 10 million rows of 32 float32 (a million with `--quick`) is trained here and published by `Publisher` to a
registry in a directory; `feat serve` in a process of its own follows it, and a third process asks for 500 items fifty
times a second. All share this machine's cores, so the trainer runs where nothing else does (SCHED_IDLE), as if it were
elsewhere.

commit to servable: from the moment that HEAD has moved until the first answer of that version has come to a client.
build and swap: what the model's process takes from the order to load a version until calls may name it.
reader pause: what a gather of 500 rows takes in one process while versions are made and swapped of the table that it
reads, beside the same gathers while they are made of another.
calls: p99 and the longest call while versions come twelve times a second, beside the same calls while the same trainer
publishes as much to a registry that nobody follows: so what its work costs the cores is the same.
rollback: from the moment that HEAD has moved back, to the first answer of that version, asked without a pause.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import ROOT, machine, report
from benchmarks.reader_pause import reader_pause
from benchmarks.served import Service, feat_serve
from compiler.bundle import Bundle, build, write_bundle
from featdsl.torch import EmbeddingTable
from model_sync import Publisher, Registry, Version, open_registry
from online.client import ScorerClient
from online.model_server import EmbeddedModelServer

_WIDTH = 32
_ITEMS = 500
_PACE = 50.0
_WITHOUT_PAUSE = 1e6
_VERSIONS_A_SECOND = 12.0
_TURNS = 4
_BARS = {
    "commit to servable, 10,000 rows, p99 ms": 1000.0,
    "build and swap, 10,000 rows, ms": 10.0,
    "rollback to the first answer, p50 ms": 10.0,
    "p99 of calls more where it follows, %": 10.0,
}


def _run_where_nothing_else_does() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class Ranker(torch.nn.Module):
    """A table of items, and a small tower on it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.items = EmbeddingTable("items", _WIDTH)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(_WIDTH, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
        )

    def forward(self, item_ids: torch.Tensor, user_id: torch.Tensor) -> torch.Tensor:
        like: torch.Tensor = self.layers(self.items(item_ids)).squeeze(1) + 0.0 * user_id.sum()
        return like


@dataclass
class Trainer:
    """A table, and one that publishes it. `moved`: when HEAD moved to a version."""

    registry: Registry
    module: Ranker
    bundle: Bundle
    publisher: Publisher = field(init=False)
    moved: dict[int, float] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, initializer=_run_where_nothing_else_does)
    )
    """Its own: what the others start here is not to have its priority."""

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.registry, self.module, self.bundle)
        self._chance = np.random.default_rng(2)
        tell = self.registry.blobs.moved

        def moved() -> None:
            self._moved_at = time.monotonic()
            tell()

        self.registry.blobs.moved = moved  # type: ignore[method-assign]

    def publish(self, rows: int) -> Version:
        """Moves so many rows, and publishes."""
        return self._thread.submit(self._publish, rows).result()

    @torch.no_grad()
    def _publish(self, rows: int) -> Version:
        table = self.module.items
        places = torch.from_numpy(self._chance.choice(len(table), rows, replace=False))
        table.move(places, torch.full((rows, _WIDTH), 1e-3))
        started = time.monotonic()
        version = self.publisher.publish()
        self.took_s.append(time.monotonic() - started)
        self.moved[version.number] = self._moved_at
        return version

    def roll_back(self, to: int) -> float:
        self.registry.rollback(to, now_us=time.time_ns() // 1000)
        return self._moved_at


def main() -> int:
    parser = argparse.ArgumentParser(description="From the trainer to the server.")
    parser.add_argument("--quick", action="store_true", help="a million rows, a few versions")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    rows = 1_000_000 if args.quick else 10_000_000
    results = {"rows": rows, **measured(rows, 8 if args.quick else 40, 5.0 if args.quick else 30.0)}
    report({"sync": results}, args.json)
    return 0


def measured(rows: int, versions: int, seconds: float) -> dict[str, Any]:
    """All figures by name; `versions`: how many of each size; `seconds`: of each stretch of calls."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        folder = Path(name)
        bundle = _program(folder)
        module = _trained(rows)
        trainer = Trainer(open_registry(f"dir://{folder}/registry", create=True), module, bundle)
        started = time.monotonic()
        first = trainer.publisher.publish()
        _tell(found, "publishing all of it, s", time.monotonic() - started)
        _tell(found, "all of it, MB", first.size / 1e6)
        with _served(folder) as service:
            _by_size(found, service, trainer, rows, versions)
            _swaps(found, service, trainer, folder, seconds, rows)
            _rollbacks(found, service, trainer, rows, versions)
        _builds(found, trainer, folder, versions)
    _pauses(found, rows, seconds / 4)
    return found


def _tell(found: dict[str, Any], name: str, value: float) -> None:
    found[name] = value
    bar = f"  (bar {_BARS[name]:g})" if name in _BARS else ""
    print(f"  {name:<58} {value:>12,.2f}{bar}", flush=True)


def _by_size(found: dict[str, Any], service: Service, trainer: Trainer, rows: int, versions: int) -> None:
    for size in (1_000, 10_000, 100_000):
        trainer.took_s.clear()
        made = []
        with _asked(service, rows) as asked:
            for _ in range(versions):
                made.append(trainer.publish(size))
                time.sleep(0.5)
        waits = [_first(asked, version.number) - trainer.moved[version.number] for version in made]
        _tell(found, f"commit to servable, {size:,} rows, p50 ms", statistics.median(waits) * 1e3)
        _tell(found, f"commit to servable, {size:,} rows, p99 ms", _p99(waits) * 1e3)
        _tell(
            found, f"publishing {size:,} rows until HEAD moves, ms", statistics.median(trainer.took_s) * 1e3
        )
        new = [_new_bytes(trainer.registry, version) for version in made]
        _tell(found, f"bytes of {size:,} rows, of all of it, %", statistics.median(new) / made[0].size * 100)
        _no_failure(found, asked)


def _swaps(
    found: dict[str, Any], service: Service, trainer: Trainer, folder: Path, seconds: float, rows: int
) -> None:
    """Versions of 10,000 rows at a steady pace, in turns for the server and for nobody."""
    nobodys = Trainer(open_registry(f"dir://{folder}/nobody", create=True), trainer.module, trainer.bundle)
    before = 0.0
    latencies: dict[str, list[float]] = {"nobody follows": [], "it follows": []}
    counts = dict.fromkeys(latencies, 0)
    for turn in range(_TURNS):
        for name, one in (("nobody follows", nobodys), ("it follows", trainer)):
            one.publisher.take_over()
            anchor = one.publisher.publish()
            if one is trainer:
                _wait_for(service, anchor.number)
                before = before or _held_bytes(service)
            with _asked(service, rows) as asked:
                begun = time.monotonic()
                for due in range(round(seconds * _VERSIONS_A_SECOND)):
                    time.sleep(max(0.0, begun + due / _VERSIONS_A_SECOND - time.monotonic()))
                    if time.monotonic() > begun + seconds:
                        break
                    one.publish(10_000)
                    counts[name] += 1
            latencies[name] += [taken for _, taken, _ in asked["answered"]]
            _no_failure(found, asked)
        if not turn:
            held = 100 * _held_bytes(service) / before
            _tell(found, "memory of the server after versions, of before, %", held)
    for name, taken in latencies.items():
        _tell(found, f"calls while {name}, p50 ms", statistics.median(taken) * 1e3)
        _tell(found, f"calls while {name}, p99 ms", _p99(taken) * 1e3)
        _tell(found, f"calls while {name}, longest ms", max(taken) * 1e3)
        _tell(found, f"versions a second while {name}", counts[name] / seconds / _TURNS)
    more = _p99(latencies["it follows"]) / _p99(latencies["nobody follows"]) - 1
    _tell(found, "p99 of calls more where it follows, %", 100 * more)


def _rollbacks(found: dict[str, Any], service: Service, trainer: Trainer, rows: int, versions: int) -> None:
    """From the newest to the one before, and back."""
    trainer.publisher.take_over()
    pair = [trainer.publish(1000).number, trainer.publish(1000).number]
    with _asked(service, rows, _WITHOUT_PAUSE) as asked:
        time.sleep(2.0)
        moves = []
        for i in range(versions):
            to = pair[i % 2]
            moves.append((to, trainer.roll_back(to)))
            time.sleep(0.3)
    waits = [_first(asked, to, moved) - moved for to, moved in moves]
    _tell(found, "rollback to the first answer, p50 ms", statistics.median(waits) * 1e3)
    _no_failure(found, asked)


def _builds(found: dict[str, Any], trainer: Trainer, folder: Path, versions: int) -> None:
    """In a model's process by itself: from the order to load until the version may be named."""
    trainer.publisher.take_over()
    models = EmbeddedModelServer()
    try:
        handle = trainer.publisher.publish().number
        trainer.registry.fetch(handle, folder / f"{handle}")
        started = time.monotonic()
        models.load(handle, folder / f"{handle}")
        _tell(found, "loading all of it from nothing, s", time.monotonic() - started)
        for size in (1_000, 10_000, 100_000):
            inner, whole = [], []
            for _ in range(versions):
                number = trainer.publish(size).number
                trainer.registry.fetch(number, folder / f"{number}")
                started = time.monotonic()
                models.load(number, folder / f"{number}")
                whole.append(time.monotonic() - started)
                inner.append(models.counts(number)["load_us"])
                models.unload(handle)
                handle = number
            _tell(found, f"build and swap, {size:,} rows, ms", statistics.median(inner) / 1e3)
            _tell(
                found,
                f"build and swap, {size:,} rows, as the server sees it, ms",
                statistics.median(whole) * 1e3,
            )
    finally:
        models.close()


def _pauses(found: dict[str, Any], rows: int, seconds: float) -> None:
    for name, taken in reader_pause(rows, seconds, _VERSIONS_A_SECOND).items():
        _tell(found, f"gather of 500 rows, versions {name}, p50 us", float(np.quantile(taken, 0.5)) / 1e3)
        _tell(found, f"gather of 500 rows, versions {name}, p99.9 us", float(np.quantile(taken, 0.999)) / 1e3)
        _tell(found, f"gather of 500 rows, versions {name}, longest us", float(taken.max()) / 1e3)


def _wait_for(service: Service, number: int) -> None:
    """Returns when a version answers: all rows of a table take the server a while."""
    with ScorerClient(service.address) as client:
        while client.score({"user": 1, "item": [0]}).version != number:
            time.sleep(0.1)


def _first(asked: dict[str, Any], number: int, after: float = 0.0) -> float:
    """When the first answer of a version came."""
    return float(
        next(ended for ended, _, version in asked["answered"] if version == number and ended >= after)
    )


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def _no_failure(found: dict[str, Any], asked: dict[str, Any]) -> None:
    found["calls"] = found.get("calls", 0) + len(asked["answered"])
    found["failed calls"] = found.get("failed calls", 0) + len(asked["failed"])
    if asked["failed"]:
        print(f"  {len(asked['failed'])} calls failed, such as: {asked['failed'][0]}")


def _new_bytes(registry: Registry, version: Version) -> int:
    """Of what a version does not share with the one before it."""
    assert version.parent is not None
    there = {chunk.sha256 for chunk in registry.version(version.parent).chunks()}
    return sum({c.sha256: c.size for c in version.chunks() if c.sha256 not in there}.values())


def _held_bytes(service: Service) -> float:
    """Bytes of memory that the server and all that it started hold."""
    found, parents = 0.0, set(service.processes)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) in parents or int(stat.parent.name) in parents:
                parents.add(int(stat.parent.name))
                rollup = (stat.parent / "smaps_rollup").read_text()
                found += 1024 * float(rollup.partition("\nPss:")[2].split()[0])
        except (OSError, IndexError):
            continue
    return found


@contextmanager
def _asked(service: Service, rows: int, pace: float = _PACE) -> Iterator[dict[str, Any]]:
    """What came of calls at a steady pace in the block, there when it has ended."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.sync_asker",
        service.address,
        str(rows),
        str(_ITEMS),
        str(pace),
    ]
    asker = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert asker.stdout is not None
    asker.stdout.readline()
    time.sleep(0.5)
    asked: dict[str, Any] = {}
    try:
        yield asked
        time.sleep(1.0)
    finally:
        told, _ = asker.communicate(timeout=60)
        asked |= json.loads(told)


@contextmanager
def _served(folder: Path) -> Iterator[Service]:
    with feat_serve(
        folder / "ranker.featb", f"lmdb://{folder}/store", folder / "registry", "--cache-mb", "0"
    ) as service:
        yield service


def _trained(rows: int) -> Ranker:
    module = Ranker()
    for begin in range(0, rows, 500_000):
        module.items(torch.arange(begin, min(begin + 500_000, rows)))
    module.items.tick()
    return module


def _program(folder: Path) -> Bundle:
    (folder / "ranker.feat").write_text(
        """
namespace sync
entity user: int64 per request
entity item: int64 per candidate
model ranker {
  item_ids: int64 = item
  user_id: int64 per request = user
  output like: float32
}
"""
    )
    bundle = build(folder / "ranker.feat")
    write_bundle(bundle, folder / "ranker.featb")
    return bundle


if __name__ == "__main__":
    raise SystemExit(main())
