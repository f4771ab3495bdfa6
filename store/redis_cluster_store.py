"""`redis+cluster://` and `rediss+cluster://`: rows spread over the nodes of a Redis Cluster."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from engine._engine import RowReading
from store.interface import Key, StoreUnavailable
from store.redis_in_time import OutOfTime, answer_within
from store.redis_store import RedisStore, connection_class

log = logging.getLogger("featdsl.store")

_ATTEMPTS = 2
"""How often a command is sent again whose node is gone or has given its slot away; then slots are looked up anew."""

_TIMEOUTS = 2.0
"""A round may take so many timeouts, whatever time the call has."""

_TIMEOUTS_OF_WRITES = 20.0
"""Of up to 1,000 rows, however large."""


class RedisClusterStore(RedisStore):
    """As `RedisStore`, with an MGET a slot, all at once. The URL names any node, of which the others are learned
    when the store is first asked. A write is whole a slot, and told behind all of it.

    A node that does not answer ends a round when its time is up, and then slots are looked up anew, aside: redis-py
    would ask again slot by slot, each time for as long as the timeout."""

    def __init__(self, url: str, namespace: str, timeout_s: float) -> None:
        super().__init__(url, namespace, timeout_s)
        self._looking = threading.Lock()

    def several(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        within_s: float | None = None,
        readings: Sequence[RowReading | None] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> list[Sequence[bytes | None]]:
        longest_s = _TIMEOUTS * self._timeout_s
        given_s = longest_s if within_s is None else min(within_s, longest_s)
        try:
            return super().several(requests, given_s, readings, meanwhile)
        except StoreUnavailable as down:
            if isinstance(down.__cause__, OutOfTime) and self._looking.acquire(blocking=False):
                threading.Thread(target=self._look_anew, name="slots", daemon=True).start()
            raise

    def _look_anew(self) -> None:
        """Learns which node has which slots, with as much time as that takes."""
        try:
            self._client.nodes_manager.initialize()
        except (redis.RedisError, RedisClusterException, OSError) as error:
            log.warning("the cluster's slots are not to be learned: %s (%s)", self._shown_url, error)
        finally:
            self._looking.release()

    def _connect(self, url: str, timeout_s: float) -> Any:
        # by the URL's scheme the client would take a class of redis-py's own
        return RedisCluster.from_url(
            f"redis:{url.partition(':')[2]}",
            connection_class=connection_class(url),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), _ATTEMPTS),
        )

    def _get(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        readings: Sequence[RowReading | None],
        meanwhile: Callable[[], object] | None,
    ) -> Sequence[bytes | None]:
        keys = [key for source, source_keys in requests for key in self.stored_keys(source, source_keys)]
        rows: Sequence[bytes | None] = self._client.mget_nonatomic(keys)
        return rows

    def _put(self, rows: Mapping[bytes, bytes], source: str, keys: Sequence[Key]) -> None:
        with self._telling(source, keys):
            self._client.mset_nonatomic(rows)

    def _delete(self, stored: Sequence[bytes], source: str, keys: Sequence[Key]) -> None:
        with self._telling(source, keys):
            self._client.delete(*stored)

    @contextlib.contextmanager
    def _telling(self, source: str, keys: Sequence[Key]) -> Iterator[None]:
        """Writes within the block, in so much time, and tells of it: also where it failed, as some may be written."""
        try:
            with answer_within(_TIMEOUTS_OF_WRITES * self._timeout_s):
                yield
        finally:
            with answer_within(_TIMEOUTS * self._timeout_s):
                self._tell(self._client, source, keys)
