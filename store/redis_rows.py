"""The rows of an MGET as one piece of memory: redis-py opens the connection, sends, tries again and tells errors; the
engine reads the answer off the socket. Whatever else comes there is given to redis-py's own parser."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from redis._parsers.hiredis import _HiredisParser

from engine._engine import StoredRows, receive_rows

_SHORTEST_S = 0.001
_NO_LIMIT_S = -1.0
_left = threading.local()


@contextlib.contextmanager
def answer_within(seconds: float | None) -> Iterator[None]:
    """For this thread: how long a client waits for an answer, where that is less than its timeout."""
    _left.seconds = seconds
    try:
        yield
    finally:
        _left.seconds = None


class RowsClient(redis.Redis):
    """Reads rows by `rows`. Its connections have the parser `RowsParser`; over TLS rows come as redis-py gives them.
    Its answers come within what `answer_within` says, for the thread that says it."""

    def rows(self, command: bytes, count: int) -> Sequence[bytes | None]:
        """The answer to a packed MGET of so many keys."""
        execute: Any = self.execute_command
        found: Sequence[bytes | None] = execute("MGET", _Packed(command, count))
        return found

    def _send_command_parse_response(self, conn: Any, command_name: Any, *args: Any, **options: Any) -> Any:
        packed = args[1] if len(args) == 2 else None
        if not isinstance(packed, _Packed):
            send: Any = super()._send_command_parse_response
            return send(conn, command_name, *args, **options)
        conn.send_packed_command([packed.command])
        conn._parser.rows_wanted = packed.count
        return self.parse_response(conn, command_name)

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        parse: Any = super().parse_response
        within_s = getattr(_left, "seconds", None)
        if within_s is None or within_s >= connection.socket_timeout:
            return parse(connection, command_name, **options)
        waited_on = connection._sock
        waited_on.settimeout(max(within_s, _SHORTEST_S))
        try:
            return parse(connection, command_name, **options)
        finally:
            with contextlib.suppress(OSError):  # it was closed, as no answer came
                waited_on.settimeout(connection.socket_timeout)


class RowsParser(_HiredisParser):
    """redis-py's, but that the next answer is read as rows where `rows_wanted` says so."""

    rows_wanted: int | None = None

    def read_response(self, *args: Any, **options: Any) -> Any:
        count, self.rows_wanted = self.rows_wanted, None
        waited_on, reader = self._sock, self._reader
        if count is not None and type(waited_on) is socket.socket and not reader.has_data():
            pause_s = waited_on.gettimeout()
            found = receive_rows(
                waited_on.fileno(), count, _NO_LIMIT_S if pause_s is None else pause_s, _within_s()
            )
            if isinstance(found, StoredRows):
                return found
            reader.feed(found)
        return super().read_response(*args, **options)


class _Packed:
    """A command as it goes over the wire, and how many rows answer it."""

    __slots__ = ("command", "count")

    def __init__(self, command: bytes, count: int) -> None:
        self.command = command
        self.count = count


def _within_s() -> float:
    within_s = getattr(_left, "seconds", None)
    return _NO_LIMIT_S if within_s is None else max(within_s, _SHORTEST_S)
