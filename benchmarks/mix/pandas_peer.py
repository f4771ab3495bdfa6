"""The mix in pandas: expressions on columns, texts and lists as objects, hashes by xxhash a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from xxhash import xxh64_intdigest

from benchmarks.mix.data import COUNTS, LISTS, MEANS, TEXTS, Call, Row
from benchmarks.mix.numpy_peer import fold, list_cross, overlap, padded
from benchmarks.mix.python_peer import COUNT_EDGES, MEAN_EDGES
from benchmarks.mix.vector_xxh64 import SEED, hash_words


class Pandas:
    name = "pandas"

    def __init__(self, vocabs: list[list[str]]) -> None:
        self._vocabs = [{word: 2 + i for i, word in enumerate(words)} for words in vocabs]

    def prepare(self, call: Call) -> tuple[Row, pd.DataFrame]:
        return call.user, pd.DataFrame(call.items)

    def run(self, given: tuple[Row, pd.DataFrame]) -> pd.DataFrame:
        user, frame = given
        out: dict[str, Any] = {}
        for k in range(COUNTS):
            out[f"scaled_{k}"] = np.log1p(frame[f"count_{k}"])
        for k in range(MEANS):
            out[f"scaled_{10 + k}"] = (frame[f"mean_{k}"].fillna(5.0) - 5.0) / 2.5
        for k in range(5):
            out[f"bucket_{k}"] = np.searchsorted(COUNT_EDGES, frame[f"count_{k}"], "right")
            out[f"bucket_{5 + k}"] = np.searchsorted(MEAN_EDGES, frame[f"mean_{k}"].fillna(0.0), "right")
        for k in range(10):
            out[f"ratio_{k}"] = frame[f"count_{k}"] / (frame[f"count_{(k + 1) % 10}"] + 1)
        for k in range(TEXTS):
            text = frame[f"text_{k}"]
            codes = _codes(text.fillna(""))
            out[f"hash_{k}"] = np.where(text.isna(), 0, fold(codes, 100_000))
            word = user[f"word_{k % 5}"]
            chain = hash_words(_codes([word or ""]), SEED)
            crossed = fold(hash_words(codes, chain), 1_000_000)
            out[f"cross_{k}"] = np.where(text.isna() | (word is None), 0, crossed)
        lists: dict[str, Any] = {}
        for k in range(LISTS):
            tags = frame[f"tags_{k}"]
            offsets = np.concatenate([[0], tags.str.len().cumsum()])
            codes = _codes(tags.explode().dropna())
            likes = _codes(user[f"likes_{k % 5}"])
            lists[f"list_cross_{k}"] = list(list_cross(hash_words(likes, SEED), codes, offsets, 16))
            lists[f"list_hash_{k}"] = list(padded(fold(codes, 50_000), offsets, 6))
            if k < 5:
                out[f"overlap_{k}"] = overlap(likes, codes, offsets)
        for k in range(5):
            text = frame[f"text_{k}"]
            out[f"lookup_{k}"] = text.map(self._vocabs[k]).fillna(1).where(text.notna(), 0).astype("int64")
        for k in range(4):
            out[f"compare_{k}"] = frame[f"count_{k}"] > user["n_ratings"]
        for k in range(3):
            out[f"compare_{4 + k}"] = frame[f"mean_{k}"].fillna(0.0) > (user["mean"] or 0.0)
            out[f"compare_{7 + k}"] = frame[f"text_{k}"] == (user[f"word_{k}"] or "\0")
        return pd.DataFrame(out | lists)

    def outputs(self, made: pd.DataFrame) -> dict[str, np.ndarray]:
        return {
            name: np.array(column.to_list()) if column.dtype == object else column.to_numpy()
            for name, column in made.items()
        }


def _codes(texts: Any) -> np.ndarray:
    return np.array([xxh64_intdigest(text.encode(), 42) for text in texts], np.uint64)
