"""Rows and calls of a mix, seeded: popular values are drawn often, one value in twenty is missing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.easyrec.mix import ALL, CATEGORY, ITEM, KEY_FIELDS, LENGTH, SEQUENCES, USER, Mix
from compiler.bundle import Bundle, compile_program
from featdsl.check import check
from online.proto.scorer_pb2 import ScoreRequest
from store.encode import RowEncoder
from store.interface import Store

Row = dict[str, Any]

ENTRIES = 8
"""Of a user's map on average, at most twice as many; those of a map of maps lie under up to four categories."""

_MISSING = 0.05
_WILDCARDS = 0.02


@dataclass(frozen=True)
class World:
    """A mix with its users and items; the same for the same numbers."""

    mix: Mix
    num_users: int
    num_items: int

    @cached_property
    def bundle(self) -> Bundle:
        checked = check("mix.feat", overlay={"mix.feat": self.mix.text()})
        assert checked.program is not None, checked.diagnostics[:3]
        return compile_program(checked.program)

    @cached_property
    def users(self) -> dict[int, Row]:
        rng = np.random.default_rng(self.mix.seed)
        return {number: self._user(rng) for number in range(self.num_users)}

    @cached_property
    def items(self) -> dict[str, Row]:
        rng = np.random.default_rng(self.mix.seed + 1)
        return {f"i{number:07}": self._item(rng) for number in range(self.num_items)}

    def fill(self, store: Store) -> None:
        """Writes every row, as `feat load` does."""
        for source in self.bundle.schema.sources:
            encoder = RowEncoder(source)
            store.put_schema(encoder.fingerprint, encoder.schema)
            rows = self.users if source.name == USER else self.items
            store.put_many(source.name, ((key, encoder.encode(row)) for key, row in rows.items()))

    def calls(self, count: int, items: int | None = None, seed: int = 3) -> list[bytes]:
        """`count` requests as they come off the wire, each of `items` different items (the mix's batch)."""
        rng = random.Random(seed)
        keys, users = list(self.items), list(self.users)
        made = []
        for _ in range(count):
            message = ScoreRequest()
            message.keys["user"].integers.values.append(rng.choice(users))
            message.keys["item"].strings.values.extend(rng.sample(keys, items or self.mix.batch))
            made.append(bytes(message.SerializeToString()))
        return made

    def _user(self, rng: np.random.Generator) -> Row:
        row = self._side(USER, rng)
        for lookup in self.mix.lookup_features:
            names = _several(lookup.key, rng)
            row[lookup.map] = dict(zip(names, _numbers(len(names), rng), strict=True))
        for match in self.mix.match_features:
            names = _several(match.key, rng)
            outer = [ALL] if match.way == "all" else _values(CATEGORY, int(rng.integers(1, 5)), rng)
            nested: dict[str, dict[str, float]] = {}
            for place, (name, number) in enumerate(zip(names, _numbers(len(names), rng), strict=True)):
                nested.setdefault(outer[place % len(outer)], {})[name] = number
            row[match.map] = nested
        for name in SEQUENCES if self.mix.attributes else ():
            size = int(rng.integers(LENGTH // 2, LENGTH + 1))
            row[name] = {
                f"at_{k}": _texts(rng.integers(0, buckets, size).tolist())
                for k, buckets in enumerate(self.mix.attribute_buckets)
            }
        return row

    def _item(self, rng: np.random.Generator) -> Row:
        row = self._side(ITEM, rng)
        for key in KEY_FIELDS:
            row[key] = _values(key, 1, rng)[0] if rng.random() > _MISSING else None
        if rng.random() < _WILDCARDS:
            row[CATEGORY] = ALL
        return row

    def _side(self, side: str, rng: np.random.Generator) -> Row:
        ids = [one for one in self.mix.id_features if one.side == side]
        raws = [one.field for one in self.mix.raw_features if one.side == side]
        drawn = _texts((rng.random(len(ids)) ** 2 * [one.buckets for one in ids]).astype(int).tolist())
        row: Row = dict(zip((one.field for one in ids), drawn, strict=True))
        row |= zip(raws, _numbers(len(raws), rng), strict=True)
        return {name: value if rng.random() > _MISSING else None for name, value in row.items()}


def _numbers(count: int, rng: np.random.Generator) -> list[float]:
    """Counts and amounts, as a float32 holds them."""
    drawn: list[float] = np.round(rng.exponential(8.0, count), 2).astype(np.float32).tolist()
    return drawn


def _several(key: str, rng: np.random.Generator) -> list[str]:
    return _values(key, int(rng.integers(0, 2 * ENTRIES + 1)), rng)


def _values(key: str, count: int, rng: np.random.Generator) -> list[str]:
    """So many draws of a key's values, each once."""
    drawn = (rng.random(count) ** 2 * KEY_FIELDS[key]).astype(int).tolist()
    return list(dict.fromkeys(f"{key[:2]}{number:05}" for number in drawn))


def _texts(numbers: list[int]) -> list[str]:
    return [f"{number * 7919 % 1_000_003:07}" for number in numbers]
