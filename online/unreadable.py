"""Rows of the store that do not read: counted, and told in the log once a minute a source."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from online.answers import UNREADABLE
from online.observe.key_hash import key_hash
from store.interface import Key

log = logging.getLogger("featdsl.rows")

SAY_EVERY_S = 60.0


class UnreadableRows:
    """Keeps count. Keys are told as hashes, since they may name people. Thread safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()

    def note(
        self,
        source: str,
        keys: Sequence[Key | None],
        statuses: npt.NDArray[np.uint8],
        schemas: Iterable[str] = (),
    ) -> None:
        """Takes in a source's `statuses`, a row a key. `schemas`: why the source cannot be read from a writer
        schema at all."""
        rows = np.flatnonzero(statuses == UNREADABLE)
        if not rows.size:
            return
        now = self._clock()
        with self._lock:
            self.totals[source] += rows.size
            self._unsaid[source] += rows.size
            if now - self._said.get(source, -SAY_EVERY_S) < SAY_EVERY_S:
                return
            self._said[source] = now
            count = self._unsaid.pop(source)
        log.warning(
            "source %s: %d %s not decode and read as missing; the hash of the last one's key: %s%s",
            source,
            count,
            "row does" if count == 1 else "rows do",
            key_hash(keys[rows[-1]]),
            "".join(f"; {reason}" for reason in schemas),
        )
