"""`lmdb://folder`: the embedded store. Any number of processes read while one writes.

A write is a transaction: readers see all of a `put_many` or none of it, and a killed writer leaves no trace.
The map is a reservation of address space, not of disk; the file grows as rows are written.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path

import lmdb

from featdsl.errors import InputError
from store.interface import Key, Store, StoreUnavailable

MAP_SIZE = 1 << 40
"""Bytes of address space asked for; halved until the system grants it."""

MAX_READERS = 1024

_LONGEST_KEY = 511
_FILE = "data.mdb"
_UNWRITTEN = 1 << 20
"""Bytes at the end of a whole file that LMDB may have reserved without writing them."""


class LmdbStore(Store):
    """Rows in an LMDB folder. A folder that is replaced (a fresh load) is opened again by itself; in between,
    while there is none, the rows that were there are read on, and `ping` says so."""

    def __init__(self, url: str, folder: str, namespace: str, *, writable: bool = False) -> None:
        super().__init__(url, namespace)
        if not folder:
            raise InputError(f"the store URL names no folder: {url}", help="write `lmdb://folder`")
        self._folder = Path(folder).expanduser()
        self._writable = writable
        self._file = self._folder / _FILE
        if not writable and not self._file.is_file():
            raise InputError(
                f"there is no store in this folder: {self._folder}", help="write one with `feat load`"
            )
        if writable:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._identity: tuple[int, int, int] | None = None
        self._opened: lmdb.Environment | None = None
        self._environment()

    def several(self, requests: Sequence[tuple[str, Sequence[Key]]]) -> list[list[bytes | None]]:
        try:
            with self._environment().begin() as transaction:
                return [
                    [transaction.get(self._bounded_key(source, key)) for key in keys]
                    for source, keys in requests
                ]
        except lmdb.Error as error:
            raise self._unavailable(error) from error

    def put_many(self, source: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        try:
            with self._environment().begin(write=True) as transaction:
                for key, row in rows:
                    transaction.put(self._bounded_key(source, key), row)
        except lmdb.Error as error:
            raise self._unavailable(error) from error

    def delete_many(self, source: str, keys: Iterable[Key]) -> None:
        try:
            with self._environment().begin(write=True) as transaction:
                for key in keys:
                    transaction.delete(self._bounded_key(source, key))
        except lmdb.Error as error:
            raise self._unavailable(error) from error

    def ping(self) -> None:
        self.several([])
        try:
            current = self._identity == _identity(self._file)
        except OSError as error:
            raise self._unavailable(FileNotFoundError("its file is gone")) from error
        if not current:
            raise StoreUnavailable(f"the store was replaced by what is no store: {self.url}")

    def close(self) -> None:
        self._opened = None
        self._identity = None

    def _environment(self) -> lmdb.Environment:
        """The environment of the file that is there now; for a reader, while there is none or no whole one,
        that of the last."""
        opened = self._opened
        try:
            if opened is None or self._identity != _identity(self._file):
                if not self._writable and self._file.stat().st_size == 0:
                    raise FileNotFoundError("its file is empty")  # opened, it would become an empty store
                self._identity, self._opened = _open(self._folder)
        except (OSError, lmdb.Error) as error:
            if opened is not None and not self._writable:
                return opened
            raise self._unavailable(error) from error
        assert self._opened is not None
        return self._opened

    def _bounded_key(self, source: str, key: Key) -> bytes:
        """LMDB takes keys of up to 511 bytes; a longer one lies under its SHA-256."""
        stored = self.stored_key(source, key)
        return stored if len(stored) <= _LONGEST_KEY else b"#" + hashlib.sha256(stored).digest()

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the store does not answer: {self.url} ({error})")


# LMDB allows a file to be open only once in a process, and not over a fork: stores of one file share it.
_opened: weakref.WeakValueDictionary[tuple[int, int, int], lmdb.Environment] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _identity(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return os.getpid(), status.st_dev, status.st_ino


def _open(folder: Path) -> tuple[tuple[int, int, int], lmdb.Environment]:
    with _lock:
        file = folder / _FILE
        known = _opened.get(_identity(file)) if file.is_file() else None
        if known is not None:
            return _identity(file), known
        environment = _open_file(folder)
        _opened[_identity(file)] = environment
        return _identity(file), environment


def _open_file(folder: Path) -> lmdb.Environment:
    readonly = folder.is_dir() and not os.access(folder, os.W_OK)
    map_size = MAP_SIZE
    while True:
        try:
            environment = lmdb.open(
                str(folder), map_size=map_size, max_readers=MAX_READERS, readonly=readonly
            )
        except (lmdb.MemoryError, MemoryError):
            if map_size < 1 << 24:
                raise
            map_size //= 2
            continue
        whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if (folder / _FILE).stat().st_size < whole - _UNWRITTEN:
            environment.close()  # a copy under way: to read past the end of the file would end the process
            raise lmdb.CorruptedError(f"its file is cut off: {folder / _FILE}")
        if not readonly:
            environment.reader_check()
        return environment
