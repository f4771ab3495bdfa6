"""The engine as Python sees it (C++20, `engine/bindings.cc` holds no logic).

Errors of input are `EngineError` (a ValueError) with a message for a person; nothing here aborts the
process, whatever the bytes. Every call that takes time runs with the GIL released.
"""

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

class EngineError(ValueError): ...

class Batch:
    """Named columns of one length, held by the engine, immutable.

    A batch of one row beside longer ones is broadcast. `__arrow_c_array__` makes it a record batch:
    `pyarrow.record_batch(batch)`. Storage types: bool, int32, int64, float32, float64, utf8, timestamp[us, UTC],
    id as int64, list<T>, vector<T, n> as fixed_size_list, map<K, V>.
    """

    @staticmethod
    def from_arrow(array: Any, types: Sequence[tuple[str, str]]) -> Batch:
        """Columns of an Arrow record batch (anything with `__arrow_c_array__`), by name, as the named
        language types (`[("user", "int64")]`). Integers and float32 widen, a timestamp of any unit becomes
        microseconds; everything is copied. Errors: a column that is absent or of another type, a null where the
        type has none, invalid UTF-8, an array whose lengths or offsets lie."""

    @property
    def num_rows(self) -> int: ...
    @property
    def names(self) -> list[str]: ...
    def type(self, name: str) -> str: ...
    def select(self, names: Sequence[str]) -> Batch: ...
    def carried(self) -> Batch:
        """The columns that later stages of a program read: their names begin with `$`."""
    def merge(self, other: Batch) -> Batch:
        """The columns of both (same number of rows)."""
    def take(self, rows: npt.NDArray[np.int64]) -> Batch:
        """The rows at these positions, in this order; -1 gives a null row (and makes the types nullable)."""
    def tensor(self, name: str) -> npt.NDArray[Any]:
        """[n] for a scalar, [n, k] for a vector, without a copy, read-only; keeps its memory alive. No nulls."""
    def tensors(self, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Of each of these columns."""
    def values(self, name: str) -> list[Any]:
        """The column as Python values (for small batches: explain, keys of second hops)."""
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

class Program:
    """A native program (`compiler/native/emit.py` writes it), validated whole on construction:
    kernels, types, registers, constants. Thread safe."""

    def __init__(self, data: bytes) -> None: ...
    @property
    def inputs(self) -> list[tuple[str, str]]: ...
    @property
    def outputs(self) -> list[tuple[str, str]]: ...
    def run(self, batches: Sequence[Batch], num_rows: int) -> Batch:
        """The outputs, `num_rows` long. Inputs are looked up by name over `batches`, each of `num_rows`
        rows or of one."""
    @property
    def nonfinite_total(self) -> int:
        """How often a float output was not finite and became 0, since construction."""

AvroRows = tuple[Batch, npt.NDArray[np.uint8], list[bytes], tuple[int, int, int, int]]

class RowReader:
    """Reads rows of one source (or `request`, `candidate`) into columns, applying the input rules:
    missing row or null field -> default, NaN and infinity -> null, invalid UTF-8 -> null, null
    elements dropped (in a sequence: from all its lists at once) and then the cap.

    `fields`: (name, type, default, cap, sequence) for each wanted field, `sequence` its sequence's name or
    "". Column names come out as `prefix.name` or `prefix.sequence.name`. A sequence's own cap is in
    `sequences`: (name, cap).
    """

    def __init__(
        self,
        prefix: str,
        fields: Sequence[tuple[str, str, Any, int | None, str]],
        sequences: Sequence[tuple[str, int | None]] = (),
    ) -> None: ...
    def read_arrow(self, array: Any) -> Batch:
        """A struct array (or record batch), one struct a row; a null struct is a missing row. A field that is
        absent reads as missing. A sequence is a struct of lists or a list of structs. Narrower numbers widen; a
        number that does not fit, or another type, is an EngineError that names row and field."""
    def read_arrow_lists(self, array: Any) -> Batch:
        """For a source keyed by a list: a list of such structs a row; each field comes out as a list
        aligned with the key."""
    def add_schema(self, fingerprint: bytes, plan: bytes) -> None:
        """A writer schema: its 8-byte Avro fingerprint and its decode plan (`store/decode_plan.py`)."""
    def begin(self, rows: int) -> RowReading:
        """For `exchange_rows`, which is to read so many rows as they come in."""
    def read_avro(self, rows: Sequence[bytes | None], begun: RowReading | None = None) -> AvroRows:
        """Avro single-object rows. Returns the batch, a status a row (0 ok, 1 missing, 2 does not decode,
        3 unknown schema; all but 0 read as a missing row), the unknown fingerprints, and how many rows there are
        of each status. `begun`: of these rows; what was read already is not read again."""
    def read_avro_lists(
        self, rows: Sequence[bytes | None], lengths: Sequence[int], begun: RowReading | None = None
    ) -> AvroRows:
        """For a source keyed by a list: `lengths[i]` of the rows make row i, each field as a list aligned with the
        key. The statuses are of the `rows`."""
    @property
    def invalid_text_total(self) -> int:
        """How many texts were not UTF-8 and read as null, since construction."""

class RowReading:
    """Rows of a `RowReader` that are being read. For one thread."""

Key = str | int | bytes | None

class Keys(Sequence[Any]):
    """Keys of rows, held by the engine, immutable: texts and integers, None for no key. Lone surrogates pass. Whatever
    takes it takes another sequence of such (and of bytes, which are texts)."""

    def __init__(self, keys: Sequence[Key]) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Keys: ...
    @property
    def are_texts(self) -> bool:
        """Whether all are."""
    @property
    def fit_int32(self) -> bool:
        """Whether all are such integers."""
    def distinct(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
        """Where each distinct key stands first, and by key which of these it is, -1 for None; None where all keys
        are different, and there."""
    def take(self, places: npt.NDArray[np.int64]) -> Keys:
        """The keys at these places, in this order."""
    def column(self, name: str, type: str) -> Batch:
        """A batch of one column of that type, `int64`, `int32` or `string`. Errors: a key that is none."""
    @staticmethod
    def together(columns: Sequence[Keys]) -> Keys:
        """A key for each row of keys beside each other: equal where all of these are."""
    @staticmethod
    def of_column(batch: Batch, name: str) -> tuple[Keys, list[int] | None]:
        """A column's values. Of a column of lists all elements, and how many each row has."""

def request_keys(message: bytes, field: int) -> tuple[dict[str, Keys], bytes] | None:
    """The keys of a call by entity, and the message without them. `field`: the number of the message's
    `map<string, Keys>`. None where they are not as they usually are, and protobuf is to read them."""

class ItemCache:
    """Memory for the results of the item stage, bounded in bytes (at least 1 MiB, else `EngineError`), shared
    by tables. See `engine/item_cache.h`. Thread safe."""

    def __init__(self, limit_bytes: int) -> None: ...
    def changed(self, source: str, keys: Sequence[Key]) -> None:
        """These rows are others now: what was made of them, or is being made of rows read before, is stale."""
    def stats(self) -> dict[str, int]:
        """Counters since construction (`hits`, `misses`, of which `expired` and `stale`, `inserted`,
        `evicted`, `too_large`, `hit_age_ns` of all hits together, `part_hits`, `part_misses`), and what is now
        (`entries`, `bytes`, `limit_bytes`; `part_entries`, `part_bytes`, which are among the bytes)."""

class ItemTable:
    """The items of one program in a cache. `columns`: (name, type) of the item stage's batches. Thread safe."""

    def __init__(self, cache: ItemCache, columns: Sequence[tuple[str, str]]) -> None: ...
    def find(self, keys: Sequence[Key], now: int) -> ItemLookup:
        """A call's distinct items. `now` (here and there) is nanoseconds of any clock that does not go
        back."""
    def find_parts(self, rows: ItemLookup) -> ItemLookup:
        """Of a table of parts (of one version of a model): what was made of these very rows, all of which are there or
        added."""
    def without(self, columns: Sequence[str]) -> ItemColumns:
        """All columns but these, each of which has a fixed size; else `EngineError`."""
    def drop(self) -> None:
        """Forgets all items."""

class ItemColumns:
    """Some columns of a table."""

class ItemLookup:
    """What the cache has of a call's items; entries live as long as this does. For one thread."""

    @property
    def missing(self) -> npt.NDArray[np.int64]:
        """The places of the items that have to be made."""
    @property
    def statuses(self) -> npt.NDArray[np.uint8]:
        """By item; of missing ones once they are added."""
    def made_of(self, source: str, keys: Sequence[Key], lengths: Sequence[int] | None = None) -> None:
        """That the missing items are made of these rows: a key an item, or `lengths[i]` keys. To be said before
        the rows are read."""
    def add(
        self,
        made: Batch,
        statuses: npt.NDArray[np.uint8],
        now: int,
        expires_at: int,
        others_expire_at: int,
    ) -> None:
        """The missing items as made. Kept for other calls until `expires_at` (`others_expire_at` where the
        status is not 0); not kept when that is not later than `now`."""
    def add_parts(self, made: Batch) -> None:
        """Of parts: the missing ones as made. Kept where their rows are, and as long."""
    def rows(self, items: npt.NDArray[np.int64], columns: ItemColumns | None = None) -> Batch:
        """The items at these places, all of which are there or added; all columns, or some."""

class SnapshotTable:
    """An embedding table of which many versions are there at once, each a `Snapshot`: rows of `width` float32 by
    64-bit id. See `engine/snapshot_table.h`. Versions are made one at a time; thread safe, and `apply` and `collect`
    leave the interpreter to others.

    Errors: `EngineError` for a width below 1 or above 2^20."""

    def __init__(self, width: int) -> None: ...
    @property
    def width(self) -> int: ...
    def empty(self) -> Snapshot:
        """A version without rows."""
    def apply(
        self,
        base: Snapshot,
        ids: npt.NDArray[np.int64],
        rows: npt.NDArray[np.float32],
        deleted: npt.NDArray[np.int64],
    ) -> Snapshot:
        """What any version, `base`, has, but for these: `rows` [n, width] in the place of those that `ids` [n] had,
        and no row of `deleted`, which need not be there. Of an id that is written twice the later row counts; one that
        is also deleted is gone. It costs what it writes, not what the table has.
        Errors: `EngineError` when shapes do not fit, a value is not finite, or `base` is another table's."""
    def collect(self) -> None:
        """Finds rows and ids that no living version has, for later versions to use. Others go on meanwhile."""
    def stats(self) -> dict[str, int]:
        """`versions` that live, `row_bytes` (all rows that were ever needed together), `unused_row_bytes` of them,
        `index_bytes` (ids, and which rows a version has), and `rows_since_collected`."""

class Snapshot:
    """One version of a table; it never changes. Thread safe."""

    @property
    def rows(self) -> int: ...
    @property
    def sum(self) -> tuple[int, int]:
        """The sum of `row_sums` over all rows, modulo 2^128, its lower and upper 64 bits: versions with equal sums have
        equal rows, but for chance."""
    @property
    def table(self) -> SnapshotTable: ...
    def ids(self) -> npt.NDArray[np.int64]:
        """The ids that have a row, in no order to rely on."""
    def gather(self, ids: npt.NDArray[np.int64], out: npt.NDArray[np.float32]) -> int:
        """Writes the rows of `ids` [n] into `out` [n, width], zeros for an id without a row. Returns how many have
        none. Errors: `EngineError` when shapes do not fit."""

class IdIndex:
    """Which place each of many 64-bit ids has: 0, 1, 2, …, those of forgotten ids again. Not thread safe."""

    def __init__(self) -> None: ...
    @property
    def places(self) -> int:
        """Places are below it."""
    def find(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The places of ids, -1 of one that has none."""
    def add(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The places of ids, given where they have none."""
    def forget(self, ids: npt.NDArray[np.int64]) -> None:
        """The places of these are for others; one that has none is no error."""

def row_sums(ids: npt.NDArray[np.int64], rows: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """A hash of 128 bits of each id with its row [n, width], as two words [2 n], the lower first: XXH64 of the row's
    bytes, seeded with the XXH64 of the id, seeded with 0 and 1."""

class StoredRows(Sequence[bytes | None]):
    """Rows as they came off the wire, in one piece of memory: a sequence of bytes, None where there is no row. Bytes
    are made only of what is asked for; `RowReader` reads them where they lie."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int) -> bytes | None: ...
    @overload
    def __getitem__(self, place: slice) -> StoredRows:
        """These rows, in the same memory. Steps are 1."""
    def take(self, places: npt.NDArray[np.int64]) -> StoredRows:
        """The rows at these places, in the same memory; at -1 there is none."""

def joined_keys(prefix: bytes, keys: Sequence[str | int]) -> list[bytes]:
    """Each key as bytes behind the prefix: text as it is (lone surrogates pass), an integer in decimal."""

def mget_commands(
    requests: Sequence[tuple[bytes, Sequence[str | int]]], most: int
) -> list[tuple[bytes, int]]:
    """Redis's MGETs of all keys, each behind its prefix, of at most so many keys each: as they go over the wire, and
    their numbers of keys."""

def exchange_rows(
    socket: int,
    requests: Sequence[tuple[bytes, Sequence[str | int]]],
    pause_s: float,
    within_s: float,
    readings: Sequence[RowReading | None] = (),
    meanwhile: Callable[[], object] | None = None,
) -> tuple[StoredRows | None, bool]:
    """Sends MGETs of all keys, each behind its prefix, over a socket (its file descriptor) that nobody else uses, and
    reads the answers, without the GIL. `pause_s`: the longest wait for anything, `within_s` for all of it, negative for
    no limit. `readings`: by request what reads its rows while they come in; `meanwhile` is called once before, when the
    question has been sent. Returns the rows, or None: the socket was
    closed, or the answer is another one (an error, a push message); and whether anything was sent: not over a socket
    that is closed, or on which something lies. Errors: `TimeoutError`, `OSError`; then, or after another answer, the
    socket is to be closed."""

def simd() -> str:
    """The instruction set in use: `avx512`, `avx2` or `scalar`; the widest of the processor, or what the
    environment's `FEATDSL_SIMD` names. All give the same bits. Errors: a set that there is not."""

def kernels() -> list[str]:
    """The registered kernels, as `clip(i64,i64,i64)->i64`; `?` marks what takes or gives null,
    `...` an argument that may repeat, `any` one type throughout."""
