"""The features of a mix as a team would write them in numpy, and their rows as msgpack.

By columns: all texts of a call are hashed in one go by vectorized XXH64, numbers lie in the row as packed float32 (NaN
for none) and are never touched one by one, a map is asked once for each different key of the call's items. Items can
be kept as rows of arrays, ready to gather, as a server's item cache does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.easyrec.data import Row, World
from benchmarks.easyrec.mix import ALL, CATEGORY, ITEM, KEY_FIELDS, LENGTH, SEQUENCES, USER, Mix, Raw
from benchmarks.mix.vector_xxh64 import hash_strings
from benchmarks.peers import of_make_peers

with of_make_peers():
    import msgpack

Tensors = dict[str, npt.NDArray[Any]]
Kept = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32], list[Any]]
"""Of an item: ids, buckets, numbers, and the texts that maps are asked by."""

KEYS = list(KEY_FIELDS)


class NumpyFeatures:
    """`pack` is what the loader does, `tensors` the service."""

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._sides = {side: _Side(mix, side) for side in (USER, ITEM)}
        self._lookups: dict[str, list[int]] = {}
        for place, lookup in enumerate(mix.lookup_features):
            self._lookups.setdefault(lookup.key, []).append(place)
        self._matches: dict[tuple[str, str], list[int]] = {}
        for place, match in enumerate(mix.match_features):
            self._matches.setdefault((match.key, match.way), []).append(place)
        self._attributes = np.repeat(np.array(mix.attribute_buckets * len(SEQUENCES), np.int64), LENGTH)

    def pack(self, world: World) -> Iterable[tuple[str, bytes]]:
        """Every row under its key."""
        for side, rows in ((USER, world.users), (ITEM, world.items)):
            yield from ((f"{side}:{key}", self._packed(side, row)) for key, row in rows.items())

    def _packed(self, side: str, row: Row) -> bytes:
        mine = self._sides[side]
        numbers = np.array([_nan(row[one.field]) for one in mine.raws], np.float32)
        made: list[Any] = [[row[one.field] for one in mine.ids], numbers.tobytes()]
        if side == ITEM:
            made.append([row[key] for key in KEYS])
        else:
            made.append([row[one.map] for one in self._mix.lookup_features])
            made.append([row[one.map] for one in self._mix.match_features])
            made += [list(row[name].values()) for name in (SEQUENCES if self._mix.attributes else ())]
        packed: bytes = msgpack.packb(made, use_single_float=True)
        return packed

    def items(self, rows: Sequence[bytes]) -> Kept:
        """What items give by themselves, a row each."""
        unpacked = [msgpack.unpackb(row) for row in rows]
        texts = chain.from_iterable(row[0] for row in unpacked)
        ids, buckets, numbers = self._sides[ITEM].made(list(texts), b"".join(row[1] for row in unpacked))
        return ids, buckets, numbers, [row[2] for row in unpacked]

    def tensors(self, user: bytes, items: Kept) -> Tensors:
        """The model's inputs."""
        row = msgpack.unpackb(user, strict_map_key=False)
        ids, buckets, numbers = self._sides[USER].made(row[0], row[1])
        made: Tensors = {"user_ids": ids, "user_buckets": buckets, "user_numbers": numbers}
        made["item_ids"], made["item_buckets"] = items[0], items[1]
        found = self._found(row[2], row[3], items[3])
        made["item_numbers"] = np.concatenate([items[2], found], 1) if found.size else items[2]
        if self._mix.attributes:
            made["user_events"] = self._events(row[4:])
        return made

    def _found(
        self, lookups: Sequence[dict[str, float]], matches: Sequence[Any], keys: Sequence[Sequence[Any]]
    ) -> npt.NDArray[np.float32]:
        """What the user's maps have for the items."""
        columns = list(zip(*keys, strict=True))
        found = np.empty((len(keys), len(lookups) + len(matches)), np.float32)
        different: dict[str, tuple[list[Any], npt.NDArray[np.intp]]] = {}
        for number, key in enumerate(KEYS):
            places = {value: place for place, value in enumerate(dict.fromkeys(columns[number]))}
            different[key] = list(places), np.array([places[value] for value in columns[number]], np.intp)
        for key, of_key in self._lookups.items():
            names, where = different[key]
            size = len(names)
            flat = chain.from_iterable(map(lookups[k].get, names, repeat(0.0)) for k in of_key)
            values = np.fromiter(flat, np.float32, size * len(of_key)).reshape(len(of_key), size)
            found[:, of_key] = values[:, where].T
        for (key, way), of_pair in self._matches.items():
            names, where = different[key]
            found[:, [len(lookups) + k for k in of_pair]] = self._matched(
                [matches[k] for k in of_pair], way, columns[KEYS.index(CATEGORY)], names, where
            )
        return found

    @staticmethod
    def _matched(
        maps: Sequence[Any],
        way: str,
        categories: Sequence[Any],
        names: Sequence[Any],
        where: npt.NDArray[np.intp],
    ) -> npt.NDArray[np.float32]:
        """Of maps of maps that are asked alike, once for each different pair."""
        if way == "all":
            inner = [one.get(ALL, _NOTHING) for one in maps]
            flat = chain.from_iterable(map(one.get, names, repeat(0.0)) for one in inner)
            values = np.fromiter(flat, np.float32, len(maps) * len(names)).reshape(len(maps), len(names))
            return values[:, where].T
        pairs: dict[tuple[Any, Any], int] = {}
        asked = list(zip(categories, (names[k] for k in where.tolist()), strict=True))
        at = np.array([pairs.setdefault(pair, len(pairs)) for pair in asked], np.intp)
        flat = chain.from_iterable(
            [one[outer].get(name, 0.0) if outer in one else 0.0 for outer, name in pairs] for one in maps
        )
        values = np.fromiter(flat, np.float32, len(maps) * len(pairs)).reshape(len(maps), -1)
        for (outer, name), place in pairs.items() if way == "wildcard" else ():
            if outer is not None and name is not None and ALL in (outer, name):
                values[:, place] = [_all_that_match(one, outer, name) for one in maps]
        return values[:, at].T

    def _events(self, sequences: Sequence[Sequence[Sequence[Any]]]) -> npt.NDArray[np.int64]:
        lists = [values for sequence in sequences for values in sequence]
        made = np.zeros(len(lists) * LENGTH, np.int64)
        sizes = np.array([len(values) for values in lists])
        places = np.flatnonzero((np.arange(LENGTH) < sizes[:, None]).ravel())
        hashed = _hashed([text for values in lists for text in values])
        made[places] = np.mod(hashed.view(np.int64), self._attributes[places] - 1) + 1
        return made[None]


class _Side:
    """What a side gives by itself."""

    def __init__(self, mix: Mix, side: str) -> None:
        self.ids = [one for one in mix.id_features if one.side == side]
        self.raws = [one for one in mix.raw_features if one.side == side]
        self._buckets = np.array([one.buckets for one in self.ids], np.int64)
        self._by_way = {
            way: [k for k, one in enumerate(self.raws) if one.way == way]
            for way in ("zscore", "minmax", "log", "buckets")
        }
        numbers = [one for one in self.raws if one.way != "buckets"]
        self._numbers = {
            way: [k for k, one in enumerate(numbers) if one.way == way] for way in ("zscore", "minmax", "log")
        }
        self._width = len(numbers)

    def made(
        self, texts: Sequence[str | None], packed: bytes
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Ids, buckets and numbers, a row each."""
        hashed = _hashed([text or "" for text in texts]).reshape(-1, len(self.ids))
        known = np.fromiter((text is not None for text in texts), np.bool_, len(texts)).reshape(hashed.shape)
        ids = np.where(known, fold_by(hashed, self._buckets), 0)
        raw = np.frombuffer(packed, np.float32).reshape(-1, len(self.raws)).astype(np.float64)
        raw[np.isnan(raw)] = 0.0
        numbers = np.empty((len(raw), self._width), np.float32)
        for way, columns in self._by_way.items():
            given = raw[:, columns]
            one: Raw = self.raws[columns[0]]
            match way:
                case "zscore":
                    numbers[:, self._numbers[way]] = (given - one.numbers[0]) / one.numbers[1]
                case "minmax":
                    low, high = one.numbers
                    numbers[:, self._numbers[way]] = np.clip((given - low) / (high - low), 0.0, 1.0)
                case "log":
                    numbers[:, self._numbers[way]] = np.log1p(given)
                case _:
                    buckets = np.searchsorted(np.array(one.numbers), given, "right")
        return ids, buckets.astype(np.int64), numbers


def fold_by(hashed: npt.NDArray[np.uint64], buckets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Into as many buckets as its column has."""
    folded: npt.NDArray[np.int64] = np.mod(hashed.view(np.int64), buckets - 1) + 1
    return folded


def _hashed(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    encoded = "".join(texts).encode()
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if len(encoded) != int(lengths.sum()):  # not all of it is ASCII
        lengths = np.fromiter((len(text.encode()) for text in texts), np.int64, len(texts))
    starts = np.cumsum(lengths) - lengths
    return hash_strings(np.frombuffer(encoded + bytes(8), np.uint8), starts, lengths)


def _all_that_match(maps: dict[str, dict[str, float]], outer: str, name: str) -> float:
    return sum(
        value
        for category, inner in maps.items()
        if outer in (ALL, category)
        for key, value in inner.items()
        if name in (ALL, key)
    )


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


_NOTHING: dict[str, float] = {}
