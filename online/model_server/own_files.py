"""The files of versions as their model server keeps them: its own, whatever becomes of the registry's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from model_sync.chunk_files import Stamp, link_or_copy, stamp_of
from model_sync.table_stack import LAYERS, Chunk, read_tables
from model_sync.version import digest_of

_MODEL, _PROGRAM = "model.json", "program.pt2"
_SMALL_BYTES = 1 << 22


@dataclass(slots=True)
class _Own:
    """What a version's folder holds: chunks of layers, how many bytes these are, and its other files by content."""

    chunks: set[str] = field(default_factory=set)
    layer_bytes: int = 0
    files: list[tuple[str, str]] = field(default_factory=list)


class OwnFiles:
    """Folders of versions in `folder`. Chunks of layers never change and are read by their checksum: those of all
    versions lie in one place, each as long as a version needs it, linked there or copied where that cannot be. Of the
    small files, what versions have in common is one file here. Thread safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layers = folder / LAYERS
        self._layers.mkdir()
        self._lock = threading.Lock()
        self._needed: Counter[str] = Counter()
        self._stamps: dict[str, Stamp | None] = {}
        """What the chunks that are needed were when they were taken: who damages a linked one damages it here, too."""
        self._copied: dict[Path, _Own] = {}
        self._same: dict[str, list[str]] = {}
        """Where small files of a content lie here."""
        self._copies = 0

    def copy(self, version: int, directory: Path) -> Path:
        """Copies a version's folder. Errors: `OSError`, and nothing is left."""
        with self._lock:
            self._copies += 1
            own = self._folder / f"{version}-{self._copies}"
            held = self._copied[own] = _Own()

        def copy_file(source: str, target: str) -> None:
            self._copy_file(held, source, target)

        try:
            shutil.copytree(
                directory,
                own,
                ignore=lambda of, _: [LAYERS] if Path(of) == directory else [],
                copy_function=copy_file,
            )
            if (directory / LAYERS).is_dir():
                chunks = {chunk.sha256: chunk.size for chunk in _chunks(directory)}
                held.layer_bytes = sum(chunks.values())
                self._take(held, f"{directory / LAYERS}", chunks)
                (own / LAYERS).symlink_to(self._layers)
        except shutil.Error as faults:  # of each file that does not copy, whence, whither and why
            self.remove(own)
            raise OSError(faults.args[0][0][2]) from faults
        except OSError:
            self.remove(own)
            raise
        return own

    def bytes_of_layers(self, own: Path) -> int:
        """How much is to be read to load the tables of a copy."""
        with self._lock:
            held = self._copied.get(own)
            return 0 if held is None else held.layer_bytes

    def remove(self, own: Path) -> None:
        with self._lock:
            held = self._copied.pop(own, _Own())
            for name in held.chunks:
                self._needed[name] -= 1
                if not self._needed[name]:
                    del self._needed[name], self._stamps[name]
                    (self._layers / name).unlink(missing_ok=True)
            for digest, path in held.files:
                self._same[digest].remove(path)
                if not self._same[digest]:
                    del self._same[digest]
        shutil.rmtree(own, ignore_errors=True)

    def _take(self, held: _Own, layers: str, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                chunk = f"{self._layers}/{name}"
                if name not in self._stamps or stamp_of(chunk) != self._stamps[name]:
                    Path(chunk).unlink(missing_ok=True)
                    try:
                        link_or_copy(Path(layers, name), Path(chunk))
                    except OSError:
                        Path(chunk).unlink(missing_ok=True)  # a part of a copy
                        raise
                    self._stamps[name] = stamp_of(chunk)
                self._needed[name] += 1
                held.chunks.add(name)

    def _copy_file(self, held: _Own, source: str, target: str) -> None:
        if os.path.getsize(source) > _SMALL_BYTES:
            shutil.copyfile(source, target)
            return
        data = Path(source).read_bytes()
        digest = digest_of(data)
        with self._lock:
            try:
                os.link(self._same[digest][-1], target)
            except (KeyError, OSError):
                Path(target).write_bytes(data)
            self._same.setdefault(digest, []).append(target)
            held.files.append((digest, target))


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
