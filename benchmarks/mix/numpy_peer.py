"""The mix in numpy and pyarrow, written by columns; all hashes of a kind in one go."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh64_intdigest

from benchmarks.mix.data import COUNTS, LISTS, MEANS, TEXTS, Call, Row
from benchmarks.mix.python_peer import COUNT_EDGES, MEAN_EDGES
from benchmarks.mix.vector_xxh64 import SEED, hash_strings, hash_words

Columns = dict[str, npt.NDArray[Any]]
_COUNT_EDGES, _MEAN_EDGES = np.array(COUNT_EDGES), np.array(MEAN_EDGES)


class Numpy:
    """`prepare` gives numbers as arrays, texts and lists as Arrow holds them, and their texts as bytes too."""

    name = "numpy, xxhash a value"

    def __init__(self, vocabs: list[list[str]]) -> None:
        self._vocabs = [{word.encode(): 2 + i for i, word in enumerate(words)} for words in vocabs]

    def prepare(self, call: Call) -> dict[str, Any]:
        columns = {name.partition(".")[2]: column for name, column in _by_name(call.item_columns).items()}
        ready: dict[str, Any] = {"user": call.user, "rows": len(call.items)}
        for k in range(COUNTS):
            ready[f"count_{k}"] = columns[f"count_{k}"].to_numpy()
        for k in range(MEANS):
            ready[f"mean_{k}"] = columns[f"mean_{k}"].to_numpy(zero_copy_only=False)  # null is NaN
        ready["texts"] = [columns[f"text_{k}"] for k in range(TEXTS)]
        ready["tags"] = [columns[f"tags_{k}"] for k in range(LISTS)]
        ready["text_bytes"] = [column.cast(pa.binary()).to_pylist() for column in ready["texts"]]
        ready["tag_bytes"] = [column.values.cast(pa.binary()).to_pylist() for column in ready["tags"]]
        return ready

    def run(self, given: dict[str, Any]) -> Columns:
        user: Row = given["user"]
        words, likes, texts, tags = self._hashes(given)
        out: Columns = {}
        counts = [given[f"count_{k}"] for k in range(COUNTS)]
        means = [given[f"mean_{k}"] for k in range(MEANS)]
        for k in range(10):
            out[f"scaled_{k}"] = np.log1p(counts[k].astype(np.float64))
            out[f"scaled_{10 + k}"] = (np.where(np.isnan(means[k]), 5.0, means[k]) - 5.0) / 2.5
        filled = [np.where(np.isnan(mean), 0.0, mean) for mean in means[:5]]
        for k in range(5):
            out[f"bucket_{k}"] = np.searchsorted(_COUNT_EDGES, counts[k], "right")
            out[f"bucket_{5 + k}"] = np.searchsorted(_MEAN_EDGES, filled[k], "right")
        for k in range(10):
            out[f"ratio_{k}"] = counts[k] / (counts[(k + 1) % 10] + 1)
        valid = np.stack([_valid(column) for column in given["texts"]])
        hashed = np.where(valid, fold(texts, 100_000), 0)
        known = np.array([user[f"word_{k % 5}"] is not None for k in range(TEXTS)])
        chains = hash_words(words, SEED)[np.arange(TEXTS) % 5]
        crossed = np.where(valid & known[:, None], fold(hash_words(texts, chains[:, None]), 1_000_000), 0)
        for k in range(TEXTS):
            out[f"hash_{k}"], out[f"cross_{k}"] = hashed[k], crossed[k]
        for k in range(LISTS):
            offsets = given["tags"][k].offsets.to_numpy().astype(np.int64)
            out[f"list_cross_{k}"] = list_cross(hash_words(likes[k % 5], SEED), tags[k], offsets, 16)
            out[f"list_hash_{k}"] = padded(fold(tags[k], 50_000), offsets, 6)
            if k < 5:
                out[f"overlap_{k}"] = overlap(likes[k], tags[k], offsets)
        for k in range(5):
            out[f"lookup_{k}"] = self._lookup(k, given, texts[k], valid[k])
        for k in range(4):
            out[f"compare_{k}"] = counts[k] > user["n_ratings"]
        for k in range(3):
            out[f"compare_{4 + k}"] = filled[k] > (user["mean"] or 0.0)
            equal = pc.equal(given["texts"][k], pa.scalar(user[f"word_{k}"], pa.string()))
            out[f"compare_{7 + k}"] = equal.fill_null(False).to_numpy(zero_copy_only=False)
        return out

    def _hashes(self, given: dict[str, Any]) -> tuple[Any, list[Any], Any, list[Any]]:
        """The hashes of the user's words and likes, the items' texts and tags; of a null it is any."""
        user = given["user"]
        words = np.array([_hash(user[f"word_{k}"] or "") for k in range(5)], np.uint64)
        likes = [np.array([_hash(word) for word in user[f"likes_{k}"]], np.uint64) for k in range(5)]
        texts = np.array(
            [[xxh64_intdigest(s, 42) if s else 0 for s in column] for column in given["text_bytes"]],
            np.uint64,
        )
        tags = [
            np.array([xxh64_intdigest(s, 42) for s in column], np.uint64) for column in given["tag_bytes"]
        ]
        return words, likes, texts, tags

    def _lookup(self, k: int, given: dict[str, Any], hashes: Any, valid: Any) -> Any:
        number = self._vocabs[k].get
        return np.array([0 if text is None else number(text, 1) for text in given["text_bytes"][k]])

    def outputs(self, made: Columns) -> Columns:
        return made


class NumpyVectorized(Numpy):
    """Hashes by vectorized XXH64, vocab entries found by their hashes."""

    name = "numpy, vectorized XXH64"

    def __init__(self, vocabs: list[list[str]]) -> None:
        super().__init__(vocabs)
        self._sorted = []
        for words in vocabs:
            hashes = np.array([_hash(word) for word in words], np.uint64)
            order = np.argsort(hashes)
            self._sorted.append((hashes[order], order + 2))

    def _hashes(self, given: dict[str, Any]) -> tuple[Any, list[Any], Any, list[Any]]:
        user, rows = given["user"], given["rows"]
        own = [user[f"word_{k}"] or "" for k in range(5)] + [s for k in range(5) for s in user[f"likes_{k}"]]
        arrays = [*given["texts"], *(column.values for column in given["tags"]), pa.array(own)]
        starts, lengths, data = [], [], []
        base = 0
        for array in arrays:
            _, offset_buffer, bytes_buffer = array.buffers()
            offsets = np.frombuffer(offset_buffer, np.int32, len(array) + 1)
            starts.append(offsets[:-1] + np.int64(base))
            lengths.append(np.diff(offsets))
            data.append(np.frombuffer(bytes_buffer, np.uint8, offsets[-1]) if bytes_buffer else _NOTHING)
            base += int(offsets[-1])
        data.append(_ROOM)
        hashes = hash_strings(
            np.concatenate(data), np.concatenate(starts), np.concatenate(lengths).astype(np.int64)
        )
        texts = hashes[: TEXTS * rows].reshape(TEXTS, rows)
        parts = np.split(hashes[TEXTS * rows :], np.cumsum([len(part) for part in starts[TEXTS:]])[:-1])
        sizes = [5] + [len(user[f"likes_{k}"]) for k in range(5)]
        words, *likes = np.split(parts[LISTS], np.cumsum(sizes)[:-1])
        return words, likes, texts, parts[:LISTS]

    def _lookup(self, k: int, given: dict[str, Any], hashes: Any, valid: Any) -> Any:
        entries, numbers = self._sorted[k]
        at = np.minimum(np.searchsorted(entries, hashes), len(entries) - 1)
        return np.where(valid, np.where(entries[at] == hashes, numbers[at], 1), 0)


_NOTHING = np.zeros(0, np.uint8)
_ROOM = np.zeros(8, np.uint8)


def _by_name(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _hash(word: str) -> int:
    return xxh64_intdigest(word.encode(), 42)


def _valid(column: pa.Array) -> Any:
    return column.is_valid().to_numpy(zero_copy_only=False)


def fold(codes: Any, buckets: int) -> Any:
    return np.mod(codes.view(np.int64), buckets - 1) + 1


def padded(values: Any, offsets: Any, width: int) -> Any:
    place = np.arange(width)
    at = offsets[:-1, None] + place
    inside = place < np.diff(offsets)[:, None]
    return np.where(inside, np.append(values, 0)[np.where(inside, at, -1)], 0)


def list_cross(chains: Any, tags: Any, offsets: Any, width: int) -> Any:
    """The first `width` of each row's product, folded; only those are computed."""
    sizes = np.diff(offsets)
    place = np.arange(width)
    row, column = np.nonzero(place < np.minimum(sizes * len(chains), width)[:, None])
    first, second = np.divmod(column, sizes[row])
    out = np.zeros((len(sizes), width), np.int64)
    out[row, column] = fold(hash_words(tags[offsets[row] + second], chains[first]), 1_000_000)
    return out


def overlap(likes: Any, tags: Any, offsets: Any) -> Any:
    """How many different likes are among the tags of each row."""
    found = np.zeros((len(likes), len(tags) + 1), np.int64)
    np.cumsum(tags == likes[:, None], axis=1, out=found[:, 1:])
    return ((found[:, offsets[1:]] - found[:, offsets[:-1]]) > 0).sum(axis=0)
