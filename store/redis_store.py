"""`redis://` and `rediss://`: rows in a Redis server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate, chain, islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from engine._engine import RowReading
from featdsl.errors import InputError, without_password
from store.interface import CHANGES_KEPT, SCHEMA, Changes, Key, Store, StoreUnavailable, change, read_change
from store.redis_in_time import ConnectionInTime, OutOfTime, SSLConnectionInTime, answer_within
from store.redis_rows import RowsClient

_WRITTEN_AT_ONCE = 1_000
_SCANNED_AT_ONCE = 1_000
_CHANGE = b"change"
_FIRST = "0-0"
_T = TypeVar("_T")


class RedisStore(Store):
    """Rows in Redis; all keys of a call go in one round. A connection that broke (the server was restarted) is
    opened again once, at once; a server that is not there fails the call."""

    def __init__(self, url: str, namespace: str, timeout_s: float) -> None:
        super().__init__(url, namespace)
        self._shown_url = without_password(url)
        self._stream = f"{namespace}:changes"
        self._timeout_s = timeout_s
        database = urlsplit(url).path.strip("/")
        if database and not database.isdecimal():
            raise InputError(
                f"the database is not a number: {self._shown_url}", help="write `redis://host:6379/0`"
            )
        self._url = url
        try:
            redis.ConnectionPool.from_url(url.replace("+cluster", "", 1))
        except ValueError as error:
            raise InputError(
                f"the store URL does not read: {self._shown_url} ({error})",
                help="write `redis://host:6379/0`",
            ) from error

    @cached_property
    def _client(self) -> Any:
        return self._connect(self._url, self._timeout_s)

    def _connect(self, url: str, timeout_s: float) -> Any:
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        return RowsClient.from_url(
            url,
            connection_class=connection_class(url),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=retry,
        )

    def several(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        within_s: float | None = None,
        readings: Sequence[RowReading | None] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> list[Sequence[bytes | None]]:
        counts = [len(keys) for _, keys in requests]
        if not any(counts):
            return [[] for _ in requests]
        with answer_within(within_s):
            rows: Sequence[bytes | None] = self._call(lambda: self._get(requests, readings, meanwhile))
        if len(requests) == 1:
            return [rows]
        return [rows[end - count : end] for count, end in zip(counts, accumulate(counts), strict=True)]

    def put_many(self, source: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        for part in _parts(rows):
            keys = [key for key, _ in part]
            stored = {key: row for key, (_, row) in zip(self.stored_keys(source, keys), part, strict=True)}
            self._call(partial(self._put, stored, source, keys))

    def delete_many(self, source: str, keys: Iterable[Key]) -> None:
        for part in _parts(keys):
            self._call(partial(self._delete, self.stored_keys(source, part), source, part))

    def _get(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        readings: Sequence[RowReading | None],
        meanwhile: Callable[[], object] | None,
    ) -> Sequence[bytes | None]:
        """The rows of all keys, one behind the other."""
        wanted = [(self.key_prefix(source), keys) for source, keys in requests]
        rows: Sequence[bytes | None] = self._client.rows(wanted, readings, meanwhile)
        return rows

    def _put(self, rows: Mapping[bytes, bytes], source: str, keys: Sequence[Key]) -> None:
        pipeline = self._client.pipeline(transaction=True)
        pipeline.mset(rows)
        self._tell(pipeline, source, keys)
        pipeline.execute()

    def _delete(self, stored: Sequence[bytes], source: str, keys: Sequence[Key]) -> None:
        pipeline = self._client.pipeline(transaction=True)
        pipeline.delete(*stored)
        self._tell(pipeline, source, keys)
        pipeline.execute()

    def _tell(self, client: Any, source: str, keys: Sequence[Key]) -> None:
        """Adds a write to the stream of changes, behind the write itself."""
        if source != SCHEMA:
            fields = {_CHANGE: change(source, keys)}
            client.xadd(self._stream, fields, maxlen=CHANGES_KEPT, approximate=False)

    def some_keys(self, source: str, most: int) -> list[str]:
        prefix = self.key_prefix(source)
        pattern = re.sub(rb"([^\w:])", rb"\\\1", prefix) + b"*"
        keys: list[bytes] = self._call(
            lambda: list(islice(self._client.scan_iter(pattern, _SCANNED_AT_ONCE), most))
        )
        # a scan may come by a key twice
        return [key[len(prefix) :].decode("utf-8", "surrogatepass") for key in dict.fromkeys(keys)]

    def changes(self, after: str | None, wait_s: float) -> Changes:
        if after is None:
            found: Changes = self._call(self._now)
        else:
            wait_ms = max(1, round(min(wait_s, self._timeout_s / 2) * 1e3))
            found = self._call(lambda: self._changes_after(after, wait_ms))
        return found

    def _now(self) -> Changes:
        newest = self._client.xrevrange(self._stream, count=1)
        return Changes(newest[0][0].decode() if newest else _FIRST)

    def _changes_after(self, after: str, wait_ms: int) -> Changes:
        """What was cut off the stream went oldest first: while the entry that was read last is there, none is lost."""
        self._client.xread({self._stream: after}, count=1, block=wait_ms)
        entries = self._client.xrange(self._stream, min=after)
        gone = after != _FIRST and (not entries or entries.pop(0)[0].decode() != after)
        if gone or len(entries) >= CHANGES_KEPT:
            return Changes(self._now().position, lost=True)
        position = entries[-1][0].decode() if entries else after
        return Changes(position, [read_change(fields[_CHANGE]) for _, fields in entries if _CHANGE in fields])

    def ping(self) -> None:
        self._call(lambda: self._client.ping())

    def close(self) -> None:
        self._client.close()

    def _call(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        except redis.AuthenticationError as error:
            raise StoreUnavailable(
                f"the store refused the user or password: {self._shown_url} ({error})",
                help="write them in the URL: `redis://user:password@host:6379/0`",
            ) from error
        except (redis.RedisError, RedisClusterException, OutOfTime, OSError) as error:
            raise StoreUnavailable(f"the store does not answer: {self._shown_url} ({error})") from error


def connection_class(url: str) -> type[redis.Connection]:
    return SSLConnectionInTime if url.startswith("rediss") else ConnectionInTime


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    for first in rest:
        yield list(chain([first], islice(rest, _WRITTEN_AT_ONCE - 1)))
