"""What a call costs as its items, the features, the users in the store and the items in the cache grow by 10 and 100
times, in this process, gRPC and the model apart."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import benchmarks.one_thread  # noqa: F401  before numpy's first product
from benchmarks.call.shop import Shop, shop
from benchmarks.growth_plot import Curve, plot
from benchmarks.in_process import InProcess
from benchmarks.large_program import SOURCES, LargeProgram
from benchmarks.measure import in_turns
from compiler.bundle import Bundle, compile_program
from featdsl.check import check
from online.proto.scorer_pb2 import ScoreRequest
from store.encode import RowEncoder
from store.interface import Key, open_store
from tests.services import redis_server

_CALLS = 32
_STEEPEST = {"items a call": 1.05, "features": 1.05, "users in the store": 0.15, "items in the cache": 0.35}
"""Exponents of the cost that are still fine: 1 is a straight line, 0 no growth. A cache of 100 times the size does not
fit the processor's own caches."""


@dataclass(frozen=True, slots=True)
class Point:
    """`size` of what grows, a service, and the calls to ask it."""

    size: int
    service: InProcess
    calls: Sequence[bytes]

    @property
    def memory_mb(self) -> float:
        """What the cache holds."""
        cache = self.service.cache
        return cache.stats().num_bytes / 1e6 if cache is not None else 0.0


def measure(quick: bool, svg: str | None = None) -> dict[str, Any]:
    """By what grows: ms of the processor a call by size, the exponent (the slope of the logarithms), and how much of a
    straight line the growth is (R²)."""
    results: dict[str, Any] = {}
    curves = []
    with redis_server("--appendonly", "no") as server, tempfile.TemporaryDirectory() as folder:
        kinds = {
            "items a call": _items(server.url, quick),
            "features": _features(f"lmdb://{folder}", quick),
            "users in the store": _users(server.url, quick),
            "items in the cache": _cached(server.url, quick),
        }
        for name, points in kinds.items():
            made = list(points)
            medians = in_turns(
                [(point.service.answer, point.calls) for point in made], seconds=6.0 if quick else 30.0
            )
            curve = Curve(name, [(p.size, median * 1e3) for p, median in zip(made, medians, strict=True)])
            curves.append(curve)
            memory = [point.memory_mb for point in made]
            results[name] = _told(curve, memory)
    if svg is not None:
        Path(svg).write_text(plot(curves), encoding="utf-8")
        print(f"\ncurves: {svg}")
    return results


def _told(curve: Curve, memory: Sequence[float]) -> dict[str, Any]:
    steepest = _STEEPEST[curve.name]
    print(f"\n{curve.name:<20} {'ms a call':>10}" + ("  MB held" if any(memory) else ""))
    for (size, ms), held in zip(curve.points, memory, strict=True):
        print(f"{size:>20,} {ms:10.3f}" + (f" {held:8.1f}" if held else ""))
    found: dict[str, Any] = {"ms": {str(size): ms for size, ms in curve.points}}
    found |= {"exponent": curve.exponent, "bar": steepest}
    told = f"  exponent {curve.exponent:.2f} (at most {steepest:g})"
    if steepest >= 1:
        fixed, each = curve.line
        found |= {"fixed ms": fixed, "ms each": each, "straightness": curve.straightness}
        told += f"; the line {fixed:.2f} ms + {each * 1e3:.2f} µs each, R² {curve.straightness:.4f}"
    if any(memory):
        found["MB"] = {str(size): held for (size, _), held in zip(curve.points, memory, strict=True)}
    print(told)
    return found


def _items(url: str, quick: bool) -> Iterator[Point]:
    """Of 120 features, without a cache."""
    catalogue = _filled(shop(3_000 if quick else 10_000, 100), f"{url[:-1]}0")
    service = InProcess(catalogue.bundle, f"{url[:-1]}0")
    for size in (20, 60, 200, 600, 2_000):
        yield Point(size, service, catalogue.calls(_CALLS, size))


def _features(url: str, quick: bool) -> Iterator[Point]:
    """Of programs over the same 500 fields, 100 items a call, without a cache."""
    for features in (50, 150, 500, 1_500, 5_000):
        program = LargeProgram(features)
        bundle = _bundle(program)
        place = f"{url}/{features}"
        keys = _put(program, bundle, place, 200)
        yield Point(features, InProcess(bundle, place), _calls(keys, 100))


def _users(url: str, quick: bool) -> Iterator[Point]:
    """Of 120 features, 100 items a call, without a cache."""
    for number, users in enumerate((200, 2_000, 20_000) if quick else (1_000, 10_000, 100_000), 1):
        place = f"{url[:-1]}{number}"
        catalogue = _filled(shop(500, users), place)
        yield Point(users, InProcess(catalogue.bundle, place), catalogue.calls(256, 100))


def _cached(url: str, quick: bool) -> Iterator[Point]:
    """Of 120 features, 100 items a call, all of which the cache has."""
    sizes = (150, 1_500, 15_000) if quick else (400, 4_000, 40_000)
    place = f"{url[:-1]}9"
    catalogue = _filled(shop(sizes[-1], 100), place)
    keys = list(catalogue.items)
    for size in sizes:
        service = InProcess(catalogue.bundle, place, 512)
        for first in range(0, size, 500):
            service.answer(_call(0, keys[first : min(first + 500, size)]))
        yield Point(size, service, catalogue.calls(256, 100, hot=size))


def _filled(catalogue: Shop, url: str) -> Shop:
    store = open_store(url, catalogue.bundle.schema.namespace, 30.0, writable=True)
    catalogue.fill(store)
    store.close()
    return catalogue


def _bundle(program: LargeProgram) -> Bundle:
    checked = check("large.feat", overlay={"large.feat": program.text()})
    assert checked.program is not None, checked.diagnostics[:3]
    return compile_program(checked.program)


def _put(program: LargeProgram, bundle: Bundle, url: str, rows: int) -> list[str]:
    """Writes rows of as many users and items; the items' keys."""
    table = program.rows(rows)
    keys: list[str] = table["item"].to_pylist()
    store = open_store(url, bundle.schema.namespace, 30.0, writable=True)
    for source in bundle.schema.sources:
        encoder = RowEncoder(source)
        store.put_schema(encoder.fingerprint, encoder.schema)
        given: Sequence[Key] = keys if SOURCES.index(source.name) >= 2 else range(rows)
        pairs = zip(given, table[source.name].to_pylist(), strict=True)
        store.put_many(source.name, [(key, encoder.encode(row)) for key, row in pairs if row is not None])
    store.close()
    return keys


def _calls(keys: Sequence[str], size: int) -> list[bytes]:
    rng = random.Random(size)
    return [_call(rng.randrange(len(keys)), rng.sample(keys, size)) for _ in range(_CALLS)]


def _call(user: int, items: Sequence[str]) -> bytes:
    message = ScoreRequest()
    message.keys["user"].integers.values.append(user)
    message.keys["item"].strings.values.extend(items)
    return bytes(message.SerializeToString())
