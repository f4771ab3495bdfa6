"""Rows of Redis in one piece of memory: the engine sends MGETs over a connection of redis-py and reads their answers,
in one call without the GIL. Whatever is not as it mostly is (no connection yet, one that broke, TLS, an error, a
message in between) is redis-py's: the question is put again, by it."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import redis

from engine._engine import RowReading, StoredRows, exchange_rows, joined_keys
from store.redis_in_time import left_s

_MOST_KEPT = 32
"""Of a pool of 100 connections."""

_SHORTEST_S = 0.001
_NO_LIMIT_S = -1.0

KeysOf = tuple[bytes, Sequence[str | int]]
"""A prefix, and the keys that stand behind it."""


class RowsClient(redis.Redis):
    """Reads rows by `rows`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept: deque[Any] = deque()
        """Connections of the pool between two calls of `rows`, each used by one at a time."""
        self._kept_by = os.getpid()

    def rows(
        self,
        requests: Sequence[KeysOf],
        readings: Sequence[RowReading | None] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> Sequence[bytes | None]:
        """The rows of all keys, one behind the other. `readings`: by request what reads its rows as they come in, where
        they come so; `meanwhile`: what is done while they are on their way, likewise."""
        if self._kept_by != os.getpid():  # they are the parent's
            self._kept, self._kept_by = deque(), os.getpid()
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = None
        if connection is not None:
            found = self._exchange(connection, requests, readings, meanwhile)
            if found is not None:
                return found
        keys = [key for prefix, given in requests for key in joined_keys(prefix, given)]
        mget: Any = self.mget
        rows: Sequence[bytes | None] = mget(keys)
        self._keep_one()
        return rows

    def _exchange(
        self,
        connection: Any,
        requests: Sequence[KeysOf],
        readings: Sequence[RowReading | None],
        meanwhile: Callable[[], object] | None,
    ) -> StoredRows | None:
        """The rows over this connection, which is kept then; None if there are none so. Errors: those of redis-py."""
        usable = not connection.should_reconnect() and connection._sock is not None
        sent = True
        try:
            if usable:
                pause_s, within_s = connection.socket_timeout, left_s()
                found, sent = exchange_rows(
                    connection._sock.fileno(),
                    requests,
                    _NO_LIMIT_S if pause_s is None else pause_s,
                    _NO_LIMIT_S if within_s is None else max(within_s, _SHORTEST_S),
                    readings,
                    meanwhile,
                )
                if found is not None:
                    self._kept.append(connection)
                    connection = None
                    return found
        except TimeoutError:
            raise redis.TimeoutError(f"Timeout reading from {connection.host}:{connection.port}") from None
        finally:
            if connection is not None:
                if not usable or sent:
                    connection.disconnect()
                self.connection_pool.release(connection)
        return None

    def _keep_one(self) -> None:
        """Takes a connection that is there out of the pool, if `rows` can do with it."""
        if len(self._kept) >= _MOST_KEPT:
            return
        connection: Any = self.connection_pool.get_connection()
        if type(connection._sock) is socket.socket and not connection.health_check_interval:
            self._kept.append(connection)
        else:
            self.connection_pool.release(connection)

    def close(self) -> None:
        kept = getattr(self, "_kept", ())
        while kept:
            self.connection_pool.release(kept.pop())
        super().close()
