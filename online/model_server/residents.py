"""The versions that a process has, all of one graph.

A version comes while others answer: it is made on a thread of its own, of what it has in common with those that are
there, verified and warmed, and then it is known. It never changes, and a call that has begun on it ends on it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path

from engine import SnapshotTable
from featdsl.errors import InputError
from featdsl.steps import step
from featdsl.torch.saved_model import load_beside, load_model
from online.model_server.loaded import LoadedVersion
from online.model_server.options import ModelOptions
from online.model_server.region import Pin
from online.thread_weight import take_long_slices

_COLLECT_AT = 1 / 64
"""What nobody reads any more is looked for when so many rows, of all that a table has, have been written since."""


class Residents:
    """Versions by the handles that callers know them by. Thread safe."""

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._versions: dict[int, LoadedVersion] = {}
        """Replaced as a whole: who reads it waits for nobody."""
        self._refused: dict[int, str] = {}
        self._coming: int | None = None
        """The version that is being loaded, while somebody wants it."""
        self._changing = threading.Lock()
        self._loading = threading.Lock()
        """Held while one is loaded."""
        self._collecting = threading.Lock()

    @property
    def batches(self) -> bool:
        return any(version.batches for version in self._versions.values())

    @property
    def pin(self) -> Pin | None:
        return next((version.pin for version in self._versions.values()), None)

    def find(self, handle: int) -> LoadedVersion | None:
        return self._versions.get(handle)

    def refusal(self, handle: int) -> str:
        """Why a version is not there, "" if nobody asked for it."""
        return self._refused.get(handle, "")

    def load(self, handle: int, directory: str) -> str:
        """Loads a version and warms it. Returns why that cannot be, or "" when it is there."""
        with self._loading:
            if handle in self._versions:
                return ""
            reason = ""
            self._coming = handle
            try:
                version = self._loaded(Path(directory))
            except InputError as fault:
                reason = fault.message.replace(f": {directory}", "")
            except Exception as fault:  # whatever a graph that is not ours may raise
                traceback.print_exc(file=sys.stderr)
                reason = f"the model does not run: {type(fault).__name__}: {fault}"
            with self._changing:
                wanted, self._coming = self._coming == handle, None
                if reason:
                    self._refused[handle] = reason
                elif wanted:
                    self._refused.pop(handle, None)
                    self._versions = {**self._versions, handle: version}
        return reason

    def unload(self, handle: int) -> None:
        """Forgets a version. What it alone had of tables is for others a while later."""
        with self._changing:
            tables = _tables(self._versions[handle]) if handle in self._versions else []
            self._versions = {known: one for known, one in self._versions.items() if known != handle}
            self._refused.pop(handle, None)
            if self._coming == handle:
                self._coming = None
        if tables:
            threading.Thread(target=self._collect, args=(tables,), name="collect", daemon=True).start()

    def counts(self, handle: int) -> dict[str, int]:
        """What tables cost: of the `process` its `versions` and the `table_bytes` of all of them together, and of one
        version its `table_rows`, the `applied_rows` that were written to make it, and the `load_us` that it took."""
        version = self._versions.get(handle)
        if version is None or not version.model.tables:
            return {}
        stats = [table.stats() for table in self._all_tables()]
        return {
            "process": os.getpid(),
            "versions": len(self._versions),
            "table_bytes": sum(one["row_bytes"] + one["index_bytes"] for one in stats),
            **version.costs,
        }

    def _loaded(self, directory: Path) -> LoadedVersion:
        started = time.monotonic()
        others = list(self._versions.values())
        if others:
            model = load_beside(directory, [one.model for one in others])
            step()
            model.warm(rows=(2,))  # their graph is warm
            version = others[-1].beside(model, directory)
        else:
            model = load_model(directory)
            model.warm()
            version = LoadedVersion(model, self._options, directory)
        if model.tables:
            version.tell_costs(time.monotonic() - started)
        return version

    def _all_tables(self) -> list[SnapshotTable]:
        found = {id(table): table for version in self._versions.values() for table in _tables(version)}
        return list(found.values())

    def _collect(self, tables: list[SnapshotTable]) -> None:
        take_long_slices()
        with self._collecting:
            for table in tables:
                stats = table.stats()
                row_bytes = 4 * table.width
                if stats["rows_since_collected"] * row_bytes > stats["row_bytes"] * _COLLECT_AT:
                    table.collect()


def _tables(version: LoadedVersion) -> list[SnapshotTable]:
    return [table.rows.table for table in version.model.tables.values()]
