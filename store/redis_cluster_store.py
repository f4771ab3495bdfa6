"""`redis+cluster://` and `rediss+cluster://`: rows spread over the nodes of a Redis Cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from store.interface import Key
from store.redis_store import RedisStore

_ATTEMPTS = 2
"""How often a command is sent again whose node is gone or has given its slot away; then slots are looked up anew."""


class RedisClusterStore(RedisStore):
    """As `RedisStore`, with an MGET a slot, all at once. The URL names any node, of which the others are learned
    when the store is first asked. A write is whole a slot, and told behind all of it. The
    time that a call has left does not cut a round short: the store's timeout does."""

    def _connect(self, url: str, timeout_s: float) -> Any:
        return RedisCluster.from_url(
            url.replace("+cluster", "", 1),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), _ATTEMPTS),
        )

    def _get(self, requests: Sequence[tuple[str, Sequence[Key]]]) -> Sequence[bytes | None]:
        keys = [key for source, source_keys in requests for key in self.stored_keys(source, source_keys)]
        rows: Sequence[bytes | None] = self._client.mget_nonatomic(keys)
        return rows

    def _put(self, rows: Mapping[bytes, bytes], source: str, keys: Sequence[Key]) -> None:
        try:
            self._client.mset_nonatomic(rows)
        finally:  # some of it may have been written
            self._tell(self._client, source, keys)

    def _delete(self, stored: Sequence[bytes], source: str, keys: Sequence[Key]) -> None:
        try:
            self._client.delete(*stored)
        finally:
            self._tell(self._client, source, keys)
