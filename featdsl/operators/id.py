"""Values to ids: hash, cross, lookup. 0 always means "nothing here"."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.xxh64 import xxh64
from featdsl.resources import Vocab

HASH_SEED = 42
_HASHABLE = ("string", "int64", "float64", "bool", "timestamp")
_OPTIONS = 'seed: const int64 = 42, algorithm: const string = "xxhash64"'


def hash_value(value: str | bool | int | float, seed: int) -> int:
    """XXH64 of a string's UTF-8 bytes, or of 8 little-endian bytes of any other scalar."""
    if isinstance(value, str):
        return xxh64(value.encode(), seed)
    if isinstance(value, float):
        if math.isnan(value):
            value = math.nan
        return xxh64(struct.pack("<d", value + 0.0), seed)  # -0.0 + 0.0 is 0.0
    return xxh64(struct.pack("<q", int(value)), seed)


def _check_hash(constants: Mapping[str, Any]) -> str | None:
    algorithm = constants.get("algorithm", "xxhash64")
    if algorithm != "xxhash64":
        return f"the algorithm is not supported, only `xxhash64` is: `{algorithm}`"
    if "buckets" in constants:
        smallest = 1 if "offset" in constants else 2
        if constants["buckets"] < smallest:
            return f"the number of buckets is at least {smallest}, found {constants['buckets']}"
    if constants.get("offset", 0) < 0:
        return f"the offset is not negative, found {constants['offset']}"
    return None


@operator(
    "hash(x: id) -> id",
    *(f"hash(x: {t}, {_OPTIONS}) -> id" for t in _HASHABLE),
    "hash(x: id?, buckets: const int64) -> int64",
    *(f"hash(x: {t}?, buckets: const int64, {_OPTIONS}) -> int64" for t in _HASHABLE),
    "hash(x: id, buckets: const int64, offset: const int64) -> int64",
    *(f"hash(x: {t}, buckets: const int64, offset: const int64, {_OPTIONS}) -> int64" for t in _HASHABLE),
    examples={
        'hash("matrix")': xxh64(b"matrix", HASH_SEED),
        'hash("matrix", 1000)': 1 + xxh64(b"matrix", HASH_SEED) % 999,
        "hash(null, 1000)": 0,
        'hash("matrix", 1000, offset: 0)': xxh64(b"matrix", HASH_SEED) % 1000,
    },
    validate=_check_hash,
)
def hash(
    x: str | bool | int | float | None,
    *,
    seed: int | None = None,
    buckets: int | None = None,
    offset: int | None = None,
    algorithm: str = "xxhash64",
) -> int | None:
    """The 64-bit id of a value, whole or folded into buckets.

    `hash(x)` is an `id`: XXH64 with seed 42 of a string's UTF-8 bytes, or of the 8 little-endian bytes
    of an int64, read as a signed integer: what Spark's `xxhash64` gives. int32, bool and timestamp
    widen to int64 first; a float is its float64 bits, -0.0 as 0.0 and any NaN as one. Null gives null.

    `hash(x, buckets)` is `1 + floormod(hash(x), buckets - 1)`, in 1..buckets-1, and 0 for null, so it is
    never null. At least 2 buckets.

    `hash(x, buckets, offset: k)` is `k + floormod(hash(x), buckets)`, null for null, for people whose
    model has no place for "nothing here". At least 1 bucket, an offset of at least 0.

    An id is not hashed again: `hash(id)` is the id, and `hash(id, buckets)` only folds it (so `seed`
    has no place there). `seed` is that of XXH64; `algorithm` is `"xxhash64"`.

    Source: the XXH64 specification of the xxHash project.
    """
    if x is None:
        return 0 if buckets is not None and offset is None else None
    # Only the overloads for ids have no seed.
    code = int(x) if seed is None else hash_value(x, seed)
    if buckets is None:
        return code
    if offset is not None:
        return offset + code % buckets
    return 1 + code % (buckets - 1)


def cross_ids(ids: Sequence[int]) -> int:
    """Chains ids into one: each is hashed with the result so far as the seed, starting from 42."""
    code = HASH_SEED
    for part in ids:
        code = xxh64(struct.pack("<q", part), code)
    return code


@operator(
    "cross(parts: hashed id...) -> id",
    "cross(parts: hashed list<id>?...) -> list<id>",
    examples={
        'hash(cross("a", 7), 1000)': 1 + cross_ids([hash_value("a", 42), hash_value(7, 42)]) % 999,
    },
)
def cross(*parts: Any) -> int | list[int]:
    """One id for a combination of values: each part is hashed, and the hashes are chained.

    `h = 42; for each part: h = XXH64(le64(hash(part)), seed: h)`, which is Spark's
    `xxhash64(xxhash64(a), xxhash64(b), …)`. No string is built: a user's part is hashed once a call, an
    item's part once an item. The order of the parts matters. A part that is an id is taken as it is.
    Null gives null.

    If a part is a list, the result is the Cartesian product as a `list<id>`, the first part slowest. A
    part that is no list counts as a list of one, and null as an empty list: then the product is empty,
    never null.
    """
    if isinstance(parts[0], int):
        return cross_ids(parts)
    return [cross_ids(combination) for combination in itertools.product(*(part or () for part in parts))]


@operator(
    "lookup(x: string?, vocab: const vocab) -> int64",
    "lookup(x: int64?, vocab: const vocab) -> int64",
)
def lookup(x: str | int | None, *, vocab: Vocab) -> int:
    """The number of a value in a vocabulary: 0 for null, 1 for a value that is not in it, 2 and up for
    its entries in file order. Never null. Strings match exactly: case and white space count.
    """
    if x is None:
        return 0
    for number, entry in enumerate(vocab.entries, start=2):
        if entry == x:
            return number
    return 1
