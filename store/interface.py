"""Rows at rest, by source and key: what every store can do, and how to open one by its URL."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine._engine import RowReading, joined_keys
from featdsl.errors import InputError, ServiceError

Key = str | int
"""A row's key: text as it is, an integer in decimal."""

SCHEMES = ("lmdb", "redis", "rediss", "redis+cluster", "rediss+cluster")

SCHEMA = "schema"
"""Where writer schemas lie, as if it were a source."""


class StoreUnavailable(ServiceError):
    """The store does not answer, or not in time. Once it answers again the same store object goes on."""


CHANGES_KEPT = 1_000
"""How many writes back a store tells what changed; each of up to `KEYS_TOLD` keys (of more, only the source)."""

KEYS_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Changes:
    """What was written since a `position`: by source its keys, None for any of them. `lost`: more was written than
    the store remembers, so that anything may have changed."""

    position: str
    keys: Sequence[tuple[str, Sequence[str] | None]] = ()
    lost: bool = False


class Store(ABC):
    """Rows lie under `{namespace}:{source}:{key}`, writer schemas under `{namespace}:schema:{fingerprint}`.

    Safe to share among threads. Every method may raise `StoreUnavailable`, none waits longer than about twice
    the store's timeout.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self.url = url
        self.namespace = namespace

    @abstractmethod
    def several(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        within_s: float | None = None,
        readings: Sequence[RowReading | None] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> list[Sequence[bytes | None]]:
        """For each (source, keys) the rows in the order of the keys, None for no row; in one round. `within_s`:
        the time that there is, where that is less than the store's timeout. `readings`: what may read the rows of each
        while others are on their way; `meanwhile`: what may be done once while all are; a store need not do either."""

    def get_many(self, source: str, keys: Sequence[Key]) -> list[bytes | None]:
        """The rows of one source in the order of `keys`, None where there is none."""
        return list(self.several([(source, keys)])[0])

    @abstractmethod
    def put_many(self, source: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        """Writes rows (Avro single-object bytes), over what was there."""

    @abstractmethod
    def delete_many(self, source: str, keys: Iterable[Key]) -> None:
        """Deletes rows; a key without a row is no error."""

    @abstractmethod
    def some_keys(self, source: str, most: int) -> list[str]:
        """Up to so many keys of rows of a source, as texts, in whatever order they lie; for trying things out. One
        that is too long to lie under its own bytes is not among them."""

    @abstractmethod
    def changes(self, after: str | None, wait_s: float) -> Changes:
        """What `put_many` and `delete_many` of anybody wrote after a position, as soon as there is anything, at the
        latest after `wait_s` (or the store's timeout). None: nothing but where the store is now. What is told has been
        written already. Schemas are not told of."""

    @abstractmethod
    def ping(self) -> None:
        """Returns if the store answers, else raises `StoreUnavailable`."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections and files; the store cannot be used after."""

    def schema(self, fingerprint: bytes) -> str | None:
        """The writer schema (Avro JSON) with this 8-byte fingerprint, None if the store has none."""
        row = self.get_many(SCHEMA, [fingerprint.hex()])[0]
        return None if row is None else row.decode("utf-8", "replace")

    def put_schema(self, fingerprint: bytes, schema: str) -> None:
        """Writes a writer schema; to be done before the first row that is written with it."""
        self.put_many(SCHEMA, [(fingerprint.hex(), schema.encode())])

    def stored_keys(self, source: str, keys: Sequence[Key]) -> list[bytes]:
        """`stored_key` of each."""
        return joined_keys(self.key_prefix(source), keys)

    def key_prefix(self, source: str) -> bytes:
        """What stands before the key in the bytes that a source's rows lie under."""
        return f"{self.namespace}:{source}:".encode()

    def stored_key(self, source: str, key: Key) -> bytes:
        """The bytes that a row lies under."""
        return f"{self.namespace}:{source}:{key}".encode("utf-8", "surrogatepass")


def change(source: str, keys: Sequence[Key]) -> bytes:
    """A write, as stores remember it: JSON, the source and its keys as texts, null for too many."""
    told = None if len(keys) > KEYS_TOLD else [str(key) for key in keys]
    return json.dumps([source, told]).encode()


def read_change(data: bytes) -> tuple[str, list[str] | None]:
    """What `change` wrote."""
    source, keys = json.loads(data)
    return source, keys


def open_store(url: str, namespace: str, timeout_s: float = 1.0, *, writable: bool = False) -> Store:
    """The store at `url`: `lmdb://folder`, `redis://[user:password@]host:port/db`, `redis+cluster://host:port` (any
    node), `rediss://…` and `rediss+cluster://…` (TLS; `?ssl_ca_certs=file` and redis-py's other options).

    `timeout_s` bounds one connect and one read or write. `writable` makes an LMDB store that is not there
    yet. No server is contacted before the first use. Errors: `InputError` for a URL that is none of these,
    or for a folder without a store.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in SCHEMES:
        raise InputError(
            f"the store URL has no known scheme: {url}",
            help="write `lmdb://folder`, `redis://host:6379/0` or `redis+cluster://host:6379`; TLS: `rediss`",
        )
    if scheme == "lmdb":
        from store.lmdb_store import LmdbStore

        return LmdbStore(url, rest, namespace, writable=writable)
    if scheme.endswith("+cluster"):
        from store.redis_cluster_store import RedisClusterStore

        return RedisClusterStore(url, namespace, timeout_s)
    from store.redis_store import RedisStore

    return RedisStore(url, namespace, timeout_s)
