"""Programs of any number of features, mixed as real ones are, and rows for them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

SOURCES = ("profile", "habits", "movie", "stats")
"""The first two are of the user, the others of the item."""
NUMBERS = {"int32 = 0": pa.int32(), "float64?": pa.float64()}
KINDS = ("int32 = 0", "float64?", "string?", "list<string>[8]", "list<int64>[8]")
ARROW = {
    **NUMBERS,
    "string?": pa.string(),
    "list<string>[8]": pa.list_(pa.string()),
    "list<int64>[8]": pa.list_(pa.int64()),
}
WORDS = "comedy drama horror action romance thriller western musical documentary animation".split()


class LargeProgram:
    """A program of `features` features over `fields` source fields: text, and joined rows.

    Of ten features six call defs, operators or crosses on fields, two build on lets that many share, and two on
    lists. One model takes all of them.
    """

    def __init__(self, features: int, fields: int = 500, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._features = features
        self.fields = {
            source: [(f"{source[0]}_{k}", KINDS[k % len(KINDS)]) for k in range(fields // len(SOURCES))]
            for source in SOURCES
        }

    def text(self) -> str:
        """The `.feat` file."""
        return "\n".join(self._lines()) + "\n"

    def rows(self, count: int) -> pa.Table:
        """Joined rows, every tenth source row missing."""
        rng = random.Random(count)
        columns: dict[str, pa.Array] = {
            "user": pa.array(range(count), pa.int64()),
            "item": pa.array([f"tt{k:07d}" for k in range(count)]),
        }
        for source, fields in self.fields.items():
            kind = pa.struct([(name, ARROW[kind]) for name, kind in fields])
            rows = [None if rng.random() < 0.1 else self._row(fields, rng) for _ in range(count)]
            columns[source] = pa.array(rows, kind)
        return pa.table(columns)

    @staticmethod
    def _row(fields: list[tuple[str, str]], rng: random.Random) -> dict[str, Any]:
        def value(kind: str) -> Any:
            if kind == "int32 = 0":
                return rng.randrange(1000)
            if kind == "float64?":
                return rng.random() * 10 if rng.random() < 0.9 else None
            if kind == "string?":
                return f"{rng.choice(WORDS)} {rng.randrange(300)}"
            if kind == "list<string>[8]":
                return [rng.choice(WORDS) for _ in range(rng.randrange(5))]
            return [rng.randrange(100) for _ in range(rng.randrange(5))]

        return {name: value(kind) for name, kind in fields}

    def _lines(self) -> Iterator[str]:
        yield "namespace large"
        yield "entity user: int64 per request"
        yield "entity item: string per candidate"
        for source, fields in self.fields.items():
            yield f"source {source} of {'user' if source in SOURCES[:2] else 'item'} {{"
            yield from (f"  {name}: {kind}" for name, kind in fields)
            yield "}"
        yield "def smoothed(mean: float64?, n: int32) = ((mean ?? 7.0) * n + 140.0) / (n + 20) ?? 7.0"
        yield "def scaled(x, middle: float64, width: float64) = clip((x - middle) / width ?? 0.0, -4.0, 4.0)"
        lets = max(1, self._features // 25)
        for k in range(lets):
            yield f"let mean_{k} = smoothed({self._any('float64?')}, {self._any('int32 = 0')})"
        for k in range(self._features):
            if k % 50 == 0:
                yield f"## Feature {k} and those that follow."
            yield f"feature f_{k} = {self._feature(k, lets)}"
        yield "model ranker {"
        scalars = [f"f_{k}" for k in range(self._features) if k % 10 not in (4, 8, 9)]
        vectors = [f"f_{k}" for k in range(self._features) if k % 10 in (4, 8, 9)]
        yield f"  dense: float32 = [{', '.join(scalars)}]"
        yield from (f"  ids_{name}: int64 = {name}" for name in vectors)
        yield "  output like: float32"
        yield "}"

    def _feature(self, k: int, lets: int) -> str:
        any_of, rng = self._any, self._random
        match k % 10:
            case 0:
                return f"log1p({any_of('int32 = 0')} + {k}) ?? 0.0"
            case 1:
                return f"scaled(mean_{rng.randrange(lets)}, {k % 7}.5, 2.0)"
            case 2:
                return f"bucketize({any_of('int32 = 0')}, [1, 2, 5, 10, 20, 50, {100 + k}])"
            case 3:
                return f"hash({any_of('string?')}, {1000 + k})"
            case 4:
                return f"{any_of('list<string>[8]')} |> hash({5000 + k}) |> pad(6)"
            case 5:
                return f"cross({any_of('string?')}, {any_of('string?')}) |> hash({100_000 + k})"
            case 6:
                return f"if mean_{rng.randrange(lets)} > mean_{rng.randrange(lets)} then {k} else {any_of('int32 = 0')}"
            case 7:
                return f"overlap_count({any_of('list<string>[8]')}, {any_of('list<string>[8]')})"
            case 8:
                left, right = any_of("list<string>[8]", "profile"), any_of("list<string>[8]", "movie")
                return f"cross({left}, {right}) |> hash({10_000 + k}) |> pad(16)"
            case _:
                return f'{any_of("string?")} ?? "" |> lower |> words |> hash({50_000 + k}) |> pad(4)'

    def _any(self, kind: str, source: str | None = None) -> str:
        source = source or self._random.choice(SOURCES)
        return f"{source}.{self._random.choice([name for name, k in self.fields[source] if k == kind])}"
