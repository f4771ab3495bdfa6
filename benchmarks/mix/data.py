"""Batches for the mix, drawn from one catalogue: the same values as Arrow columns and as Python rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

VOCAB_SIZES = (100, 1_000, 5_000, 10_000, 30_000)
USER_WORDS, USER_LISTS = 5, 5
COUNTS, MEANS, TEXTS, LISTS = 10, 10, 20, 10

USER_TYPES = {
    "n_ratings": ("int32", pa.int32()),
    "mean": ("float64?", pa.float64()),
    **{f"word_{k}": ("string?", pa.string()) for k in range(USER_WORDS)},
    **{f"likes_{k}": ("list<string>", pa.list_(pa.string())) for k in range(USER_LISTS)},
}
ITEM_TYPES = {
    **{f"count_{k}": ("int32", pa.int32()) for k in range(COUNTS)},
    **{f"mean_{k}": ("float64?", pa.float64()) for k in range(MEANS)},
    **{f"text_{k}": ("string?", pa.string()) for k in range(TEXTS)},
    **{f"tags_{k}": ("list<string>", pa.list_(pa.string())) for k in range(LISTS)},
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One call: a user's row, and the rows of the items."""

    user: Row
    items: list[Row]

    @cached_property
    def user_columns(self) -> pa.RecordBatch:
        return _columns("profile", USER_TYPES, [self.user])

    @cached_property
    def item_columns(self) -> pa.RecordBatch:
        return _columns("movie", ITEM_TYPES, self.items)


@dataclass(frozen=True)
class Lists:
    """How many elements the lists have, drawn evenly from a range: the user's likes, the items' tags."""

    likes: range
    tags: range


SHORT = Lists(range(1, 4), range(3))
"""At 500 items 15,000 texts to hash and 10,000 combinations of list crosses a call."""
LONG = Lists(range(3, 8), range(6))
"""22,500 texts and 60,000 combinations."""


class Catalogue:
    """Items and users of which calls are drawn. About 5 % of the values are null, texts have 4 to 30 bytes."""

    def __init__(self, items: int = 20_000, users: int = 500, seed: int = 1, lists: Lists = SHORT) -> None:
        self._lists = lists
        rng = random.Random(seed)
        self.vocabs = [_words(rng, size) for size in VOCAB_SIZES]
        self._words = [*self.vocabs, *(_words(rng, 2_000) for _ in range(TEXTS - len(self.vocabs)))]
        self._tags = [_words(rng, 40) for _ in range(USER_LISTS)]
        self.users = [self._user(rng) for _ in range(users)]
        self.items = [self._item(rng) for _ in range(items)]

    def calls(self, count: int, size: int, seed: int = 2) -> list[Call]:
        """`count` calls of `size` items each."""
        rng = random.Random(seed * 1_000_003 + size)
        return [Call(rng.choice(self.users), rng.sample(self.items, size)) for _ in range(count)]

    def _user(self, rng: random.Random) -> Row:
        return {
            "n_ratings": rng.randrange(1_000),
            "mean": _or_null(rng, round(rng.uniform(1, 10), 3)),
            **{f"word_{k}": _or_null(rng, rng.choice(self._words[k])) for k in range(USER_WORDS)},
            **{
                f"likes_{k}": rng.sample(self._tags[k], rng.choice(self._lists.likes))
                for k in range(USER_LISTS)
            },
        }

    def _item(self, rng: random.Random) -> Row:
        unknown = f"{rng.getrandbits(40):x}"
        return {
            **{f"count_{k}": int(rng.paretovariate(0.5)) % 100_000 for k in range(COUNTS)},
            **{f"mean_{k}": _or_null(rng, round(rng.uniform(1, 10), 3)) for k in range(MEANS)},
            **{
                f"text_{k}": _or_null(rng, rng.choice(self._words[k]) if rng.random() < 0.95 else unknown)
                for k in range(TEXTS)
            },
            **{
                f"tags_{k}": rng.sample(self._tags[k % USER_LISTS], rng.choice(self._lists.tags))
                for k in range(LISTS)
            },
        }


def _or_null(rng: random.Random, value: Any) -> Any:
    return None if rng.random() < 0.05 else value


def _words(rng: random.Random, count: int) -> list[str]:
    """Different words of 4 to 30 bytes, some not ASCII."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_ éüß中"
    found: dict[str, None] = {}
    while len(found) < count:
        found[
            "".join(rng.choices(letters, [9] * 36 + [3] * 3 + [1] * 4, k=rng.randrange(4, 25))).strip() or "x"
        ] = None
    return list(found)


def _columns(prefix: str, types: dict[str, tuple[str, pa.DataType]], rows: list[Row]) -> pa.RecordBatch:
    arrays = [pa.array([row[name] for row in rows], type) for name, (_, type) in types.items()]
    return pa.RecordBatch.from_arrays(arrays, [f"{prefix}.{name}" for name in types])
