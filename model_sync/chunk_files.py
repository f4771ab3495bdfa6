"""Chunks of a registry as files of this machine, each compared with its checksum once."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from featdsl.steps import step
from model_sync.blobs import Blobs
from model_sync.scratch import ScratchFolder
from model_sync.table_stack import Chunk
from model_sync.version import digest_of

CHUNKS = "chunks/"
_HERE = "chunks"

Stamp = tuple[int, int, int]
"""What a file is: its inode, size, time of writing."""


class ChunkFiles:
    """Where the chunks of a registry lie on this machine: in the registry itself where that is a directory, else in a
    folder of its own that goes with this object."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._verified: dict[str, Stamp] = {}
        """By checksum what the file was when its content was compared."""
        self._folder: ScratchFolder | None = None
        self._lock = threading.Lock()

    def path(self, chunk: Chunk) -> Path:
        """A file whose content is the chunk. Errors: `ValueError` that says what is wrong with what is there."""
        step()
        path = self._blobs.local(CHUNKS + chunk.sha256)
        if path is None:
            path = self._own_folder() / chunk.sha256
            if not path.exists():
                self._bring(chunk, path)
        stamp = stamp_of(path)
        if stamp is None:
            raise ValueError("is not there")
        if self._verified.get(chunk.sha256) != stamp:
            try:
                compare(path.read_bytes(), chunk)
            except OSError as fault:
                raise ValueError(f"does not read: {fault.strerror}") from fault
            self._verified[chunk.sha256] = stamp
        return path

    def keep(self, chunks: Collection[str]) -> None:
        """Lets go of all others."""
        self._verified = {name: stamp for name, stamp in self._verified.items() if name in chunks}
        if self._folder is not None:
            for path in (self._folder.path / _HERE).iterdir():
                if path.name not in chunks:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _bring(self, chunk: Chunk, path: Path) -> None:
        data = self._blobs.read(CHUNKS + chunk.sha256)
        if data is None:
            raise ValueError("is not there")
        compare(data, chunk)
        aside = path.with_name(f".{chunk.sha256}.{threading.get_ident()}")
        aside.write_bytes(data)
        aside.replace(path)
        stamp = stamp_of(path)
        assert stamp is not None
        self._verified[chunk.sha256] = stamp

    def _own_folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                folder = ScratchFolder("chunks")
                (folder.path / _HERE).mkdir()
                self._folder = folder
            return self._folder.path / _HERE


def compare(data: bytes, chunk: Chunk) -> None:
    """Errors: `ValueError` when these are not the bytes of the chunk."""
    if len(data) != chunk.size:
        raise ValueError(f"has {len(data)} bytes, the manifest says {chunk.size}")
    if digest_of(data) != chunk.sha256:
        raise ValueError("has a wrong checksum")


def link_or_copy(source: Path, target: Path) -> None:
    """A file that nobody changes, under another name: without a second copy where the file system has both."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def put_layers(layers: Path, chunks: Sequence[Path], whole: bool) -> None:
    """The chunks, each under its own name, as the folder `layers`: linked or copied into it, or, if that need not be
    `whole` by itself, the folder that they lie in."""
    folders = {chunk.parent for chunk in chunks}
    if not whole and len(folders) == 1:
        layers.symlink_to(folders.pop().absolute())
        return
    layers.mkdir()
    for chunk in chunks:
        link_or_copy(chunk, layers / chunk.name)


def stamp_of(path: Path | str) -> Stamp | None:
    """None where no file can be seen."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
