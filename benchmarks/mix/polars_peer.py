"""The mix as polars expressions. It has no XXH64: its own hash stands in, and those ids are not compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.mix.data import COUNTS, LISTS, MEANS, TEXTS, Call
from benchmarks.mix.python_peer import COUNT_EDGES, MEAN_EDGES
from benchmarks.peers import of_make_peers

with of_make_peers():
    import polars as pl

STAND_INS = tuple(
    [f"hash_{k}" for k in range(20)]
    + [f"cross_{k}" for k in range(20)]
    + [f"list_cross_{k}" for k in range(10)]
    + [f"list_hash_{k}" for k in range(10)]
)
_PRIME = 0x9E3779B185EBCA87


class Polars:
    name = "polars (its own hash)"

    def __init__(self, vocabs: list[list[str]]) -> None:
        self._vocabs = vocabs
        self._numbers = [pl.Series(range(2, len(words) + 2), dtype=pl.Int64) for words in vocabs]
        self._entries = [pl.Series(words) for words in vocabs]

    def prepare(self, call: Call) -> tuple[dict[str, Any], pl.DataFrame]:
        frame = pl.from_arrow(call.item_columns)
        assert isinstance(frame, pl.DataFrame)
        return call.user, frame.rename({name: name.partition(".")[2] for name in frame.columns})

    def run(self, given: tuple[dict[str, Any], pl.DataFrame]) -> pl.DataFrame:
        user, frame = given
        counts = [pl.col(f"count_{k}") for k in range(COUNTS)]
        means = [pl.col(f"mean_{k}") for k in range(MEANS)]
        texts = [pl.col(f"text_{k}") for k in range(TEXTS)]
        tags = [pl.col(f"tags_{k}") for k in range(LISTS)]
        words = [_hash_of(user[f"word_{k}"]) for k in range(5)]
        likes = [[_hash_of(word) for word in user[f"likes_{k}"]] for k in range(5)]
        out = [count.log1p().alias(f"scaled_{k}") for k, count in enumerate(counts)]
        out += [((mean.fill_null(5.0) - 5.0) / 2.5).alias(f"scaled_{10 + k}") for k, mean in enumerate(means)]
        out += [_bucket(counts[k], COUNT_EDGES).alias(f"bucket_{k}") for k in range(5)]
        out += [_bucket(means[k].fill_null(0.0), MEAN_EDGES).alias(f"bucket_{5 + k}") for k in range(5)]
        out += [(counts[k] / (counts[(k + 1) % 10] + 1)).alias(f"ratio_{k}") for k in range(10)]
        for k, text in enumerate(texts):
            code = pl.when(text.is_not_null()).then(text.hash(42))
            out.append((code % 99_999 + 1).fill_null(0).alias(f"hash_{k}"))
            word = words[k % 5]
            mixed = (
                code.xor(pl.lit(word, pl.UInt64)).hash(42) if word is not None else pl.lit(None, pl.UInt64)
            )
            out.append((mixed % 999_999 + 1).fill_null(0).alias(f"cross_{k}"))
        for k, tag in enumerate(tags):
            codes = tag.list.eval(pl.element().hash(42))
            crossed = [
                codes.list.eval(pl.element().xor(pl.lit(one, pl.UInt64)) % 999_999 + 1)
                for one in likes[k % 5]
            ]
            out.append(_padded(pl.concat_list(crossed), 16).alias(f"list_cross_{k}"))
            out.append(_padded(codes.list.eval(pl.element() % 49_999 + 1), 6).alias(f"list_hash_{k}"))
        for k in range(5):
            number = texts[k].replace_strict(
                self._entries[k], self._numbers[k], default=1, return_dtype=pl.Int64
            )
            out.append(pl.when(texts[k].is_null()).then(0).otherwise(number).alias(f"lookup_{k}"))
            mine = pl.lit(pl.Series([user[f"likes_{k}"]], dtype=pl.List(pl.String)))
            out.append(tags[k].list.set_intersection(mine).list.len().alias(f"overlap_{k}"))
        out += [(counts[k] > user["n_ratings"]).alias(f"compare_{k}") for k in range(4)]
        out += [(means[k].fill_null(0.0) > (user["mean"] or 0.0)).alias(f"compare_{4 + k}") for k in range(3)]
        out += [
            (texts[k] == pl.lit(user[f"word_{k}"], pl.String)).fill_null(False).alias(f"compare_{7 + k}")
            for k in range(3)
        ]
        return frame.select(out)

    def outputs(self, made: pl.DataFrame) -> dict[str, np.ndarray]:
        return {name: made[name].to_numpy() for name in made.columns if name not in STAND_INS}


def _hash_of(word: str | None) -> int | None:
    """Of the user, once a call: any 64 bits do."""
    return None if word is None else (hash(word) * _PRIME) % 2**64


def _bucket(value: pl.Expr, edges: tuple[float, ...]) -> pl.Expr:
    return pl.lit(pl.Series(edges)).search_sorted(value, "right")


def _padded(values: pl.Expr, width: int) -> pl.Expr:
    places = pl.lit(pl.Series([list(range(width))]))
    return (
        values.list.gather(places, null_on_oob=True).list.eval(pl.element().fill_null(0)).list.to_array(width)
    )
