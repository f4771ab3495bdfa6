"""Bytes by name in Redis, or in a Redis Cluster.

    {featdsl:ranker}:at:HEAD                   what is there, a plain value
    {featdsl:ranker}:names:versions            by name: its size, when it was written, who swapped it
    {featdsl:ranker:07}:at:chunks/07ab…        chunks, spread over a cluster
    {featdsl:ranker:07}:names:chunks
    {featdsl:ranker}:moved                     a stream, a word each time that HEAD or a label has moved

A name and its entry lie in one slot, so each step is one script.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from featdsl.errors import InputError, without_password
from model_sync.blobs import Found
from model_sync.version import RegistryDown, RegistryError

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster
    from redis.exceptions import NoPermissionError, OutOfMemoryError, RedisClusterException
    from redis.retry import Retry
except ImportError as fault:
    raise InputError(
        "a registry in Redis needs the package redis", help="pip install 'featdsl[redis]'"
    ) from fault

TIMEOUT_S = 5.0
"""Of one connect, and of one step of an answer, unless the URL says `socket_timeout`."""
_ATTEMPTS = 2
_BUCKETS = [f"{bucket:02x}" for bucket in range(256)]
_WORDS_KEPT = 100
_FIRST = "0-0"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_T = TypeVar("_T")

# KEYS: the value, the names of its folder. ARGV: the name, …
_NOW = "local t = redis.call('TIME') local now = string.format('%d.%06d', t[1], t[2]) "
_WRITE = (
    _NOW
    + """redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], #ARGV[2] .. ' ' .. now .. ' -')"""
)
_TOUCH = (
    _NOW
    + """if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], redis.call('STRLEN', KEYS[1]) .. ' ' .. now .. ' -')
return 1"""
)
_SWAP = (  # ARGV: … what it is to be, who asks, and what is expected, if anything is
    _NOW
    + """local entry = redis.call('HGET', KEYS[2], ARGV[1])
local by = entry and string.match(entry, '%S+$') or ''
if string.find(by, ARGV[3], 1, true) then return 1 end
if redis.call('GET', KEYS[1]) ~= (ARGV[4] or false) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
by = ARGV[3] .. ',' .. string.sub(by, 1, 255)
redis.call('HSET', KEYS[2], ARGV[1], #ARGV[2] .. ' ' .. now .. ' ' .. by)
return 1"""
)
_REMOVE = "redis.call('DEL', KEYS[1]) redis.call('HDEL', KEYS[2], ARGV[1])"
_REMOVE_OLD = """local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry or tonumber(string.match(entry, ' (%S+) ')) >= tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1"""


class RedisBlobs:
    """A `Blobs` under a name in Redis. A connection that broke is opened again at once; a server that is not there
    fails the call, and the next call asks it anew. How long what is written stays is the server's affair."""

    def __init__(self, url: str) -> None:
        """`url`: as of redis-py, with `registry=name` among its options. No server is asked yet.
        Errors: `InputError`."""
        self.url = without_password(url)
        self._connection, name = _parts(url)
        self._cluster = "+cluster" in url.partition("://")[0]
        self._base = f"featdsl:{name}"
        self._stream = f"{{{self._base}}}:moved"
        self._seen: str | None = None
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def read(self, name: str) -> bytes | None:
        found: bytes | None = self._call(lambda client: client.get(self._key(name)))
        return found

    def write(self, name: str, data: bytes) -> None:
        self._run(_WRITE, name, data)

    def note(self, name: str, data: bytes) -> None:
        self.write(name, data)

    def touch(self, name: str) -> bool:
        return bool(self._run(_TOUCH, name))

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        """An answer that got lost is asked for again; the entry tells who has swapped, the last first."""
        asks = secrets.token_hex(8)
        arguments = (data, asks) if expected is None else (data, asks, expected)
        return bool(self._run(_SWAP, name, *arguments, once=f"{name} may have been moved, or not"))

    def remove(self, name: str) -> None:
        self._run(_REMOVE, name)

    def remove_old(self, name: str, before_s: float) -> bool:
        return bool(self._run(_REMOVE_OLD, name, f"{before_s:.6f}"))

    def names(self, prefix: str) -> Mapping[str, Found]:
        found = {}
        for entries in self._each([("HGETALL", key) for key in self._folders(prefix)]):
            for raw, entry in entries.items():
                name = raw.decode()
                if name.startswith(prefix):
                    size, written_s, _ = entry.split()
                    found[name] = Found(int(size), float(written_s))
        return found

    def stamp(self, names: Sequence[str]) -> str:
        entries = self._each([("HGET", self._names_key(name), name) for name in names])
        return ";".join("-" if entry is None else entry.decode() for entry in entries)

    def local(self, name: str) -> Path | None:
        return None

    def moved(self) -> None:
        word = {b"moved": b""}
        self._call(lambda client: client.xadd(self._stream, word, maxlen=_WORDS_KEPT, approximate=True))

    def wait(self, timeout_s: float) -> None:
        """On a connection of its own. The first time it only learns where the stream is."""
        if self._seen is None:
            self._seen = self._newest()
            return
        until = time.monotonic() + timeout_s
        while (left_s := until - time.monotonic()) > 0:
            if self._told(self._seen, min(left_s, TIMEOUT_S / 2)):
                break
        self._seen = self._newest()  # of what it was before nothing may be left: the server was emptied

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _told(self, seen: str, within_s: float) -> bool:
        block_ms = max(1, round(within_s * 1e3))
        return bool(self._call(lambda client: client.xread({self._stream: seen}, block=block_ms), "wait"))

    def _newest(self) -> str:
        entries = self._call(lambda client: client.xrevrange(self._stream, count=1), "wait")
        return entries[0][0].decode() if entries else _FIRST

    def _key(self, name: str) -> str:
        return f"{{{self._tag(name)}}}:at:{name}"

    def _names_key(self, name: str) -> str:
        return f"{{{self._tag(name)}}}:names:{name.rpartition('/')[0].partition('/')[0]}"

    def _tag(self, name: str) -> str:
        folder, _, rest = name.partition("/")
        return f"{self._base}:{rest[:2]}" if folder == "chunks" and rest[:2] in _BUCKETS else self._base

    def _folders(self, prefix: str) -> list[str]:
        """The keys that hold the names that begin so."""
        plain = f"{{{self._base}}}:names:"
        chunks = [f"{{{self._base}:{bucket}}}:names:chunks" for bucket in _BUCKETS]
        folder, mark, _ = prefix.partition("/")
        if not mark:
            pattern = re.sub(r"([^\w:])", r"\\\1", plain) + "*"
            found = self._call(lambda client: list(client.scan_iter(pattern, 1000)))
            return [*{key.decode() for key in found}, *chunks]
        return [plain + folder, *(chunks if folder == "chunks" else ())]

    def _run(self, script: str, name: str, *arguments: bytes | str, once: str = "") -> Any:
        keys = self._key(name), self._names_key(name)
        return self._call(lambda client: client.eval(script, 2, *keys, name, *arguments), once=once)

    def _each(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """The answers to many questions, asked at once."""

        def ask(client: Any) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute()
            return answers

        return self._call(ask) if commands else []

    def _call(self, command: Callable[[Any], _T], use: str = "ask", *, once: str = "") -> _T:
        """`once`: what is to be told when a lost answer was "no" the second time, as the first may have been a yes."""
        lost: redis.RedisError | None = None
        for attempt in range(_ATTEMPTS):
            try:
                answer = command(self._client(use))
                if lost is not None and once and not answer:
                    raise self._error(f"{once}: an answer of the registry got lost", lost)
                return answer
            except redis.ConnectionError as fault:
                lost = fault
                if attempt + 1 == _ATTEMPTS or isinstance(fault, redis.AuthenticationError):
                    raise self._error("the registry does not answer", fault) from fault
            except (redis.RedisError, RedisClusterException, OSError) as fault:
                raise self._error("the registry does not answer", fault) from fault
        raise AssertionError("unreachable")

    def _client(self, use: str) -> Any:
        """One for what asks and one for what waits, as that holds its connection."""
        with self._lock:
            client = self._clients.get(use)
            if client is None:
                options: dict[str, Any] = {
                    "socket_timeout": TIMEOUT_S,
                    "socket_connect_timeout": TIMEOUT_S,
                    "retry": Retry(NoBackoff(), 0),
                }
                make = RedisCluster.from_url if self._cluster else redis.Redis.from_url
                client = self._clients[use] = make(self._connection, **options)
        return client

    def _error(self, what: str, fault: Exception) -> RegistryError:
        if isinstance(fault, redis.AuthenticationError):
            what = "the registry refuses the user or password"
            advice = "write them in the URL, `redis://user:password@host:6379/0?registry=name`"
        elif isinstance(fault, NoPermissionError):
            what = "the registry's user may not do that"
            advice = (
                f"it needs the keys `{{{self._base}*` and the commands of strings, hashes, streams and EVAL"
            )
        elif isinstance(fault, OutOfMemoryError):
            what = "the registry is full"
            advice = "`feat prune` removes old versions; or give the server more `maxmemory`"
        elif isinstance(fault, redis.ReadOnlyError):
            advice = "name the primary: a replica takes no writes"
        else:
            return RegistryDown(
                f"{what}: {self.url} ({fault})", help="is it running there, and reached from this machine?"
            )
        return RegistryError(f"{what}: {self.url} ({fault})", help=advice)


def _parts(url: str) -> tuple[str, str]:
    """The URL for redis-py, and the registry's name. Errors: `InputError`."""
    shown = without_password(url)
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True)
        names = [value for key, value in options if key == "registry"]
        rest = urlencode([pair for pair in options if pair[0] != "registry"], quote_via=quote)
        asked = parts._replace(scheme=parts.scheme.removesuffix("+cluster"), query=rest).geturl()
        database = parts.path.strip("/")
        redis.ConnectionPool.from_url(asked)
    except ValueError as fault:
        raise InputError(f"the registry's URL does not read: {shown} ({fault})", help=_HOW) from fault
    if database and not database.isdecimal():
        raise InputError(f"the database is not a number: {shown}", help=_HOW)
    if len(names) != 1 or not _NAME.fullmatch(names[0]):
        raise InputError(f"the registry has no name: {shown}", help=_HOW)
    return asked, names[0]


_HOW = "write `redis://host:6379/0?registry=name`, the name of letters, digits, `.`, `-` and `_`"
