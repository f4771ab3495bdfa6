"""A program on its way to the executors: as the bytes of a bundle, read once a worker process."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from compiler.bundle import Bundle, read_bundle, write_bundle
from compiler.native.rows import RowRunner

_FILE = "program.featb"


def packed(bundle: Bundle) -> bytes:
    with tempfile.TemporaryDirectory(prefix="feat-") as folder:
        path = Path(folder, _FILE)
        write_bundle(bundle, path)
        return path.read_bytes()


@lru_cache(maxsize=4)
def runner(program: bytes, set_name: str) -> RowRunner:
    """The native program of a set, for batches of joined rows. Called in a worker."""
    with tempfile.TemporaryDirectory(prefix="feat-") as folder:
        path = Path(folder, _FILE)
        path.write_bytes(program)
        return RowRunner(read_bundle(path), set_name)
