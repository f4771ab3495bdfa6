"""The mix in plain Python, a row at a time: what the others are compared with."""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from typing import Any

import numpy as np
from xxhash import xxh64_intdigest

from benchmarks.mix.data import Call, Row

COUNT_EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
MEAN_EDGES = tuple(float(k) for k in range(1, 10))


class PythonRows:
    name = "plain Python"

    def __init__(self, vocabs: list[list[str]]) -> None:
        self._vocabs = [{word: 2 + i for i, word in enumerate(words)} for words in vocabs]

    def prepare(self, call: Call) -> Call:
        return call

    def run(self, call: Call) -> list[list[Any]]:
        user = call.user
        words = [_chain(42, _hash(user[f"word_{k}"])) for k in range(5)]
        likes = [[_chain(42, _hash(word)) for word in user[f"likes_{k}"]] for k in range(5)]
        return [self._row(user, words, likes, row) for row in call.items]

    def _row(self, user: Row, words: list[int | None], likes: list[list[int]], row: Row) -> list[Any]:
        counts = [row[f"count_{k}"] for k in range(10)]
        means = [row[f"mean_{k}"] for k in range(10)]
        texts = [row[f"text_{k}"] for k in range(20)]
        tags = [row[f"tags_{k}"] for k in range(10)]
        hashes = [_hash(text) for text in texts]
        tag_hashes = [[_hash(tag) for tag in some] for some in tags]
        out: list[Any] = [math.log1p(count) for count in counts]
        out += [((5.0 if mean is None else mean) - 5.0) / 2.5 for mean in means]
        out += [bisect_right(COUNT_EDGES, counts[k]) for k in range(5)]
        out += [bisect_right(MEAN_EDGES, means[k] or 0.0) for k in range(5)]
        out += [counts[k] / (counts[(k + 1) % 10] + 1) for k in range(10)]
        out += [_fold(code, 100_000) for code in hashes]
        out += [_fold(_chain(words[k % 5], code), 1_000_000) for k, code in enumerate(hashes)]
        for k in range(10):
            crossed = [_fold(_chain(one, two), 1_000_000) for one in likes[k % 5] for two in tag_hashes[k]][
                :16
            ]
            out.append(crossed + [0] * (16 - len(crossed)))
        for some in tag_hashes:
            folded = [_fold(code, 50_000) for code in some[:6]]
            out.append(folded + [0] * (6 - len(folded)))
        for k in range(5):
            out.append(0 if texts[k] is None else self._vocabs[k].get(texts[k], 1))
        out += [len(set(user[f"likes_{k}"]) & set(tags[k])) for k in range(5)]
        out += [counts[k] > user["n_ratings"] for k in range(4)]
        out += [(means[k] or 0.0) > (user["mean"] or 0.0) for k in range(3)]
        out += [texts[k] is not None and texts[k] == user[f"word_{k}"] for k in range(3)]
        return out

    def outputs(self, rows: list[list[Any]]) -> dict[str, np.ndarray]:
        return {name: np.array([row[i] for row in rows]) for i, name in enumerate(NAMES)}


NAMES = [
    *(f"scaled_{k}" for k in range(20)),
    *(f"bucket_{k}" for k in range(10)),
    *(f"ratio_{k}" for k in range(10)),
    *(f"hash_{k}" for k in range(20)),
    *(f"cross_{k}" for k in range(20)),
    *(f"list_cross_{k}" for k in range(10)),
    *(f"list_hash_{k}" for k in range(10)),
    *(f"lookup_{k}" for k in range(5)),
    *(f"overlap_{k}" for k in range(5)),
    *(f"compare_{k}" for k in range(10)),
]


def _hash(text: str | None) -> Any:
    return None if text is None else xxh64_intdigest(text.encode(), 42)


def _chain(seed: int | None, code: int | None) -> Any:
    return None if seed is None or code is None else xxh64_intdigest(struct.pack("<Q", code), seed)


def _fold(code: int | None, buckets: int) -> int:
    if code is None:
        return 0
    return 1 + (code - 2**64 if code >= 2**63 else code) % (buckets - 1)
