"""How long a reader of a table waits for who makes and swaps its versions: `reader_pause`, of `benchmarks.sync`."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from engine import Snapshot, SnapshotTable

_WIDTH = 32
_READ = 500
_CHANGED = 10_000
_TURNS = 4


class _Versions:
    """A table with its newest version, in one reference."""

    def __init__(self, rows: int) -> None:
        self._chance = np.random.default_rng(1)
        self._rows = rows
        self._table = SnapshotTable(_WIDTH)
        self.newest = self._changed(self._table.empty(), np.arange(rows))

    def make_another(self) -> None:
        self.newest = self._changed(self.newest, self._chance.choice(self._rows, _CHANGED, replace=False))

    def _changed(self, base: Snapshot, ids: npt.NDArray[np.int64]) -> Snapshot:
        values = self._chance.random((len(ids), _WIDTH), np.float32)
        return self._table.apply(base, ids, values, np.empty(0, np.int64))


def reader_pause(rows: int, seconds: float, a_second: float) -> dict[str, npt.NDArray[np.int64]]:
    """What a gather of 500 rows of the newest version took, in ns, while versions of 10,000 rows are made and swapped:
    of the table that is read, and as often of another one, which costs the cores the same. In turns of `seconds`."""
    tables = {"of the table that is read": _Versions(rows), "of another": _Versions(rows)}
    read = tables["of the table that is read"]
    took: dict[str, list[int]] = {name: [] for name in tables}
    with ThreadPoolExecutor(1) as maker:
        for _ in range(_TURNS):
            for name, written in tables.items():
                over = threading.Event()
                made = maker.submit(_make, written, over, a_second)
                took[name] += _gathered(read, rows, seconds)
                over.set()
                made.result()
    return {name: np.array(taken) for name, taken in took.items()}


def _make(versions: _Versions, over: threading.Event, a_second: float) -> None:
    while not over.wait(1 / a_second):
        versions.make_another()


def _gathered(versions: _Versions, rows: int, seconds: float) -> list[int]:
    ids = list(np.random.default_rng(2).integers(0, rows, (64, _READ)))
    out = np.empty((_READ, _WIDTH), np.float32)
    taken, begun = list[int](), time.monotonic()
    while time.monotonic() < begun + seconds:
        before = time.perf_counter_ns()
        versions.newest.gather(ids[len(taken) % len(ids)], out)
        taken.append(time.perf_counter_ns() - before)
    return taken
