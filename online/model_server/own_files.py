"""The files of versions as their model server keeps them: its own, whatever becomes of the registry's."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import Counter
from pathlib import Path

from model_sync.chunk_files import Stamp, link_or_copy, stamp_of
from model_sync.table_stack import LAYERS, Chunk, read_tables

_MODEL, _PROGRAM = "model.json", "program.pt2"


class OwnFiles:
    """Folders of versions in `folder`. Chunks of layers never change and are read by their checksum: those of all
    versions lie in one place, each as long as a version needs it, linked there or copied where that cannot be.
    Thread safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layers = folder / LAYERS
        self._layers.mkdir()
        self._lock = threading.Lock()
        self._needed: Counter[str] = Counter()
        self._stamps: dict[str, Stamp | None] = {}
        """What the chunks that are needed were when they were taken: who damages a linked one damages it here, too."""
        self._chunks: dict[Path, set[str]] = {}
        self._copies = 0

    def copy(self, version: int, directory: Path) -> Path:
        """Copies a version's folder. Errors: `OSError`, and nothing is left."""
        with self._lock:
            self._copies += 1
            own = self._folder / f"{version}-{self._copies}"
            self._chunks[own] = set()
        try:
            shutil.copytree(directory, own, ignore=lambda of, _: [LAYERS] if Path(of) == directory else [])
            if (directory / LAYERS).is_dir():
                self._take(own, directory / LAYERS, {chunk.sha256 for chunk in _chunks(directory)})
                (own / LAYERS).symlink_to(self._layers)
        except OSError:
            self.remove(own)
            raise
        return own

    def remove(self, own: Path) -> None:
        shutil.rmtree(own, ignore_errors=True)
        with self._lock:
            chunks = self._chunks.pop(own, set())
            self._needed.subtract(chunks)
            for name in chunks:
                if not self._needed[name]:
                    del self._needed[name], self._stamps[name]
                    (self._layers / name).unlink(missing_ok=True)

    def _take(self, own: Path, layers: Path, names: set[str]) -> None:
        with self._lock:
            for name in names:
                chunk = self._layers / name
                if name not in self._stamps or stamp_of(chunk) != self._stamps[name]:
                    chunk.unlink(missing_ok=True)
                    try:
                        link_or_copy(layers / name, chunk)
                    except OSError:
                        chunk.unlink(missing_ok=True)  # a part of a copy
                        raise
                    self._stamps[name] = stamp_of(chunk)
                self._needed[name] += 1
                self._chunks[own].add(name)


def bytes_of_layers(directory: Path) -> int:
    """How much is to be read to load a version's tables."""
    return sum({chunk.sha256: chunk.size for chunk in _chunks(directory)}.values())


def _chunks(directory: Path) -> list[Chunk]:
    """Empty where it does not say which: who loads it says why."""
    try:
        return [chunk for table in read_tables(directory).values() for chunk in table.chunks]
    except (OSError, ValueError):
        return []


def graph_of(directory: Path) -> str:
    """Names the graph of a version that reads tables beside it, and what comes in and out; "" for a version without
    tables, and for what is no saved model."""
    try:
        description = json.loads((directory / _MODEL).read_text())
        if "tables" not in description:
            return ""
        known = [description[name] for name in ("model", "fingerprint", "inputs", "outputs", "tables")]
        known.append(description["files"][_PROGRAM])
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return ""
