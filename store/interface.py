"""Rows at rest, by source and key: what every store can do, and how to open one by its URL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from featdsl.errors import InputError, ServiceError

Key = str | int
"""A row's key: text as it is, an integer in decimal."""

SCHEMES = ("lmdb", "redis", "rediss")


class StoreUnavailable(ServiceError):
    """The store does not answer, or not in time. Once it answers again the same store object goes on."""


class Store(ABC):
    """Rows lie under `{namespace}:{source}:{key}`, writer schemas under `{namespace}:schema:{fingerprint}`.

    Safe to share among threads. Every method may raise `StoreUnavailable`, none waits longer than about twice
    the store's timeout.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self.url = url
        self.namespace = namespace

    @abstractmethod
    def several(self, requests: Sequence[tuple[str, Sequence[Key]]]) -> list[list[bytes | None]]:
        """For each (source, keys) the rows in the order of the keys, None for no row; in one round."""

    def get_many(self, source: str, keys: Sequence[Key]) -> list[bytes | None]:
        """The rows of one source in the order of `keys`, None where there is none."""
        return self.several([(source, keys)])[0]

    @abstractmethod
    def put_many(self, source: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        """Writes rows (Avro single-object bytes), over what was there."""

    @abstractmethod
    def delete_many(self, source: str, keys: Iterable[Key]) -> None:
        """Deletes rows; a key without a row is no error."""

    @abstractmethod
    def ping(self) -> None:
        """Returns if the store answers, else raises `StoreUnavailable`."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections and files; the store cannot be used after."""

    def schema(self, fingerprint: bytes) -> str | None:
        """The writer schema (Avro JSON) with this 8-byte fingerprint, None if the store has none."""
        row = self.get_many("schema", [fingerprint.hex()])[0]
        return None if row is None else row.decode("utf-8", "replace")

    def put_schema(self, fingerprint: bytes, schema: str) -> None:
        """Writes a writer schema; to be done before the first row that is written with it."""
        self.put_many("schema", [(fingerprint.hex(), schema.encode())])

    def stored_key(self, source: str, key: Key) -> bytes:
        """The bytes that a row lies under."""
        return f"{self.namespace}:{source}:{key}".encode("utf-8", "surrogatepass")


def open_store(url: str, namespace: str, timeout_s: float = 1.0, *, writable: bool = False) -> Store:
    """The store at `url`: `lmdb://folder`, `redis://[user:password@]host:port/db`, `rediss://…` (TLS).

    `timeout_s` bounds one connect and one read or write. `writable` makes an LMDB store that is not there
    yet. No server is contacted before the first use. Errors: `InputError` for a URL that is none of these,
    or for a folder without a store.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in SCHEMES:
        raise InputError(
            f"the store URL has no known scheme: {url}",
            help="write `lmdb://folder`, `redis://host:6379/0` or `rediss://host:6379/0`",
        )
    if scheme == "lmdb":
        from store.lmdb_store import LmdbStore

        return LmdbStore(url, rest, namespace, writable=writable)
    from store.redis_store import RedisStore

    return RedisStore(url, namespace, timeout_s)
