"""Values to ids: hash, cross, lookup, index, combine. 0 always means "nothing here"."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.farm64 import bytes_of, farm64, text_of
from featdsl.operators.murmur3 import murmur3
from featdsl.operators.xxh64 import signed, xxh64
from featdsl.resources import Vocab

HASH_SEED = 42
_OPTIONS = 'seed: const int64 = 42, algorithm: const string = "xxhash64"'
_HASHABLE = {
    "string": _OPTIONS,
    **{
        f"{name}{width}": f"{_OPTIONS}, width: const int64 = {width}"
        for name in ("int", "float")
        for width in (32, 64)
    },
    "bool": _OPTIONS,
    "timestamp": _OPTIONS,
}
"""The options of `hash` by the type of the value. Only murmur3 and farm64_bytes ask for the width of a number."""

_ALGORITHMS = ("xxhash64", "farm64", "farm64_bytes", "murmur3")

_INT32 = range(-(1 << 31), 1 << 31)


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
    algorithm, seed = constants.get("algorithm", "xxhash64"), constants.get("seed", HASH_SEED)
    if algorithm not in _ALGORITHMS:
        known = ", ".join(f"`{name}`" for name in _ALGORITHMS[:-1])
        return f"the algorithm is not supported, only {known} and `{_ALGORITHMS[-1]}` are: `{algorithm}`"
    if algorithm.startswith("farm64") and seed != HASH_SEED:
        return f"`{algorithm}` takes no seed, found {seed}"
    if algorithm == "murmur3" and seed not in _INT32:
        return f"the seed of `murmur3` is an int32, found {seed}"
    if constants.get("width", 64) not in (32, 64):
        return f"the width of a number is 32 or 64, found {constants['width']}"
    if "buckets" in constants:
        smallest = 1 if "offset" in constants else 2
        if constants["buckets"] < smallest:
            return f"the number of buckets is at least {smallest}, found {constants['buckets']}"
    if constants.get("offset", 0) < 0:
        return f"the offset is not negative, found {constants['offset']}"
    return None


@operator(
    "hash(x: id) -> id",
    *(f"hash(x: {t}, {options}) -> id" for t, options in _HASHABLE.items()),
    "hash(x: id?, buckets: const int64) -> int64",
    *(f"hash(x: {t}?, buckets: const int64, {options}) -> int64" for t, options in _HASHABLE.items()),
    "hash(x: id, buckets: const int64, offset: const int64) -> int64",
    *(
        f"hash(x: {t}, buckets: const int64, offset: const int64, {options}) -> int64"
        for t, options in _HASHABLE.items()
    ),
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
    width: int = 64,
) -> int | None:
    """The 64-bit id of a value, whole or folded into buckets.

    `hash(x)` is an `id`: XXH64 with seed 42 of a string's UTF-8 bytes, or of the 8 little-endian bytes
    of an int64, read as a signed integer: what Spark's `xxhash64` gives. int32, bool and timestamp
    widen to int64 first; a float is its float64 bits, -0.0 as 0.0 and any NaN as one. Null gives null.

    `hash(x, buckets)` is `1 + floormod(hash(x), buckets - 1)`, in 1..buckets-1, and 0 for null, so it is
    never null. At least 2 buckets.

    `hash(x, buckets, offset: k)` is `k + floormod(hash(x), buckets)`, null for null, for people whose
    model has no place for "nothing here". At least 1 bucket, an offset of at least 0.

    An id is not hashed again: `hash(id)` is the id, and `hash(id, buckets)` only folds it (so the options
    have no place there).

    `seed` is that of the algorithm. `algorithm` is `"xxhash64"`, or one of these for people who bring a
    trained model along:

    - `"farm64"`: FarmHash's Fingerprint64, folded by the unsigned remainder. With `offset: 0` this is
      TensorFlow's `tf.strings.to_hash_bucket_fast`. TensorFlow hashes strings alone: any other value is the
      text that `tf.as_string` makes of it first (`-7`, `true`, a float with six decimals, a timestamp's
      microseconds), but -0.0 as 0.0 and any NaN as `nan`. It has no seed.
    - `"farm64_bytes"`: the same of a value's own bytes, as OpenMLDB's `hash64` and (with `offset: 0`) `discrete` have
      it: a text's UTF-8, one byte of a bool, 4 or 8 little-endian bytes of a number, so an int and a bigint hash apart.
      `width` says which, as below. An OpenMLDB timestamp is its milliseconds: `int64(at) // 1000`. It has no seed.
    - `"murmur3"`: Spark's `hash`, an int32; with `offset: 0` it is folded as by `pmod`. Spark hashes an int
      and a bigint apart, and a float and a double: `width` (32 or 64) is by default that of the value's
      type. Mind that arithmetic gives int64, and so does `?? 0`. A wider value is cut to 32 bits as Spark's cast does.

    Source: the specifications of xxHash, FarmHash and MurmurHash3; Spark's `Murmur3Hash` expression; OpenMLDB's
    `FarmFingerprint`.
    """
    if x is None:
        return 0 if buckets is not None and offset is None else None
    # Only the overloads for ids have no seed.
    if seed is None:
        code = int(x)
    elif algorithm == "farm64":
        code = farm64(text_of(x).encode())
    elif algorithm == "farm64_bytes":
        code = farm64(bytes_of(x, width))
    else:
        code = murmur3(x, seed, width) if algorithm == "murmur3" else hash_value(x, seed)
    if buckets is None:
        return signed(code)
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


def _check_lookup(constants: Mapping[str, Any]) -> str | None:
    entries, ids = len(constants["vocab"].entries), constants.get("ids")
    if ids is not None and len(ids) != entries:
        return f"each entry of the vocab needs an id: {entries} entries, {len(ids)} ids"
    if constants.get("oov_buckets", 1) < 1:
        return f"the number of buckets is at least 1, found {constants['oov_buckets']}"
    offset, buckets = constants.get("offset", 2), constants.get("oov_buckets", 0)
    if offset < 0:
        return f"the offset is not negative, found {offset}"
    return _too_large(offset + entries + buckets)


def _too_large(end: int) -> str | None:
    return f"the ids do not fit into an int64: they go to {end - 1}" if end > 1 << 63 else None


_VOCAB = "vocab: const vocab"


@operator(
    *(
        f"lookup(x: {type}{rest}"
        for rest in (
            f"?, {_VOCAB}) -> int64",
            f"?, {_VOCAB}, oov_buckets: const int64) -> int64",
            f", {_VOCAB}, offset: const int64) -> int64?",
            f", {_VOCAB}, offset: const int64, default: const int64) -> int64",
            f", {_VOCAB}, offset: const int64, oov_buckets: const int64) -> int64",
            f", {_VOCAB}, ids: const list<int64>) -> int64?",
            f", {_VOCAB}, ids: const list<int64>, default: const int64) -> int64",
        )
        for type in ("string", "int64")
    ),
    validate=_check_lookup,
)
def lookup(
    x: str | int | None,
    *,
    vocab: Vocab,
    oov_buckets: int = 0,
    offset: int | None = None,
    default: int | None = None,
    ids: Sequence[int] | None = None,
) -> int | None:
    """The number of a value in a vocabulary: 0 for null, 1 for a value that is not in it, 2 and up for
    its entries in file order. Never null. Strings match exactly: case and white space count.

    `lookup(x, vocab, oov_buckets: n)` spreads the values that are not in it over n ids after the entries:
    `2 + entries + floormod(hash(x), n)`; nothing is 1 then.

    `lookup(x, vocab, offset: k)` numbers the entries from k on, for people who bring a trained model along:
    null for null, and for a value that is not in the vocab null, or `default`, or with `oov_buckets: n`
    `k + entries + floormod(hash(x), n)`. `lookup(x, vocab, ids: […])` is a dictionary: the id of each entry
    in file order (they may repeat), and null or `default` as above.
    """
    first = 2 if offset is None else offset
    if x is None:
        return 0
    for number, entry in enumerate(vocab.entries):
        if entry == x:
            return first + number if ids is None else ids[number]
    if oov_buckets:
        return first + len(vocab.entries) + hash_value(x, HASH_SEED) % oov_buckets
    return 1 if offset is None and ids is None else default


def _check_index(constants: Mapping[str, Any]) -> str | None:
    if constants["size"] < 1:
        return f"the size is at least 1, found {constants['size']}"
    if constants.get("offset", 0) < 0:
        return f"the offset is not negative, found {constants['offset']}"
    return _too_large(constants.get("offset", 2) + constants["size"])


@operator(
    "index(x: int64?, size: const int64) -> int64",
    "index(x: int64, size: const int64, offset: const int64) -> int64?",
    examples={"index(3, 12)": 5, "index(12, 12)": 1, "index(null, 12)": 0, "index(3, 12, offset: 0)": 3},
    validate=_check_index,
)
def index(x: int | None, *, size: int, offset: int | None = None) -> int | None:
    """The id of a small integer that is an id already: 0 for null, 1 for what is not in 0..size-1, else
    `2 + x`. Never null. So an embedding table has `size + 2` rows.

    `index(x, size, offset: k)` is `k + x`, and null for null and for what is not in 0..size-1: with
    `offset: 0` the integer itself.
    """
    if x is None:
        return 0
    inside = 0 <= x < size
    if offset is None:
        return 2 + x if inside else 1
    return offset + x if inside else None


_PARTS = "abcdef"


def _check_combine(constants: Mapping[str, Any]) -> str | None:
    for name, size in constants.items():
        if size < 1:
            return f"the size of a part is at least 1, found `{name}: {size}`"
    return _too_large(math.prod(constants.values()))


@operator(
    *(
        f"combine({', '.join(f'{part}: int64, {part}_size: const int64' for part in _PARTS[:count])}) -> int64?"
        for count in range(2, len(_PARTS) + 1)
    ),
    examples={"combine(1, 3, 2, 4)": 6, "combine(1, 3, 4, 4)": None, "combine(2, 3, 1, 2, 4, 5)": 29},
    validate=_check_combine,
)
def combine(*parts: int, **sizes: int) -> int | None:
    """One id of several small ones, each followed by its size: `combine(a, 3, b, 4)` is `a * 4 + b`, below
    3 * 4. No two combinations share an id: it is the number with the digits a, b, … in the mixed radix of
    the sizes. Null for null and where a part is not in 0..size-1. Two to six parts.

    Where the sizes multiply to more than a table can have rows, `cross` and `hash` take its place.
    """
    code = 0
    for part, size in zip(parts, (sizes[f"{name}_size"] for name in _PARTS[: len(parts)]), strict=True):
        if not 0 <= part < size:
            return None
        code = code * size + part
    return code
