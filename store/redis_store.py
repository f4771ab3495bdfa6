"""`redis://` and `rediss://`: rows in a Redis server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from featdsl.errors import InputError
from store.interface import Key, Store, StoreUnavailable

_WRITTEN_AT_ONCE = 1_000
_T = TypeVar("_T")


class RedisStore(Store):
    """Rows in Redis; all keys of a call go in one MGET. A connection that broke (the server was restarted) is
    opened again once, at once; a server that is not there fails the call."""

    def __init__(self, url: str, namespace: str, timeout_s: float) -> None:
        super().__init__(url, namespace)
        self._shown_url = without_password(url)
        database = urlsplit(url).path.strip("/")
        if database and not database.isdecimal():
            raise InputError(
                f"the database is not a number: {self._shown_url}", help="write `redis://host:6379/0`"
            )
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
        except ValueError as error:
            raise InputError(
                f"the store URL does not read: {self._shown_url} ({error})",
                help="write `redis://host:6379/0`",
            ) from error

    def several(self, requests: Sequence[tuple[str, Sequence[Key]]]) -> list[list[bytes | None]]:
        keys = [self.stored_key(source, key) for source, source_keys in requests for key in source_keys]
        if not keys:
            return [[] for _ in requests]
        rows = iter(self._call(self._client.mget, keys))
        return [list(islice(rows, len(source_keys))) for _, source_keys in requests]

    def put_many(self, source: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        for part in _parts(rows):
            self._call(self._client.mset, {self.stored_key(source, key): row for key, row in part})

    def delete_many(self, source: str, keys: Iterable[Key]) -> None:
        for part in _parts(keys):
            self._call(self._client.delete, *(self.stored_key(source, key) for key in part))

    def ping(self) -> None:
        self._call(self._client.ping)

    def close(self) -> None:
        self._client.close()

    def _call(self, command: Any, *arguments: Any) -> Any:
        try:
            return command(*arguments)
        except redis.AuthenticationError as error:
            raise StoreUnavailable(
                f"the store refused the user or password: {self._shown_url} ({error})",
                help="write them in the URL: `redis://user:password@host:6379/0`",
            ) from error
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable(f"the store does not answer: {self._shown_url} ({error})") from error


def without_password(url: str) -> str:
    """The URL as it may stand in messages and logs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "redis://…"
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":…@", 1)


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    for first in rest:
        yield list(chain([first], islice(rest, _WRITTEN_AT_ONCE - 1)))
