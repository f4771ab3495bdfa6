"""`lmdb://folder`: the embedded store. Any number of processes read while one writes.

A write is a transaction: readers see all of a `put_many` or none of it, and a killed writer leaves no trace.
The map is a reservation of address space, not of disk; the file grows as rows are written.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import lmdb

from engine._engine import RowReading
from featdsl.errors import InputError
from store.interface import CHANGES_KEPT, SCHEMA, Changes, Key, Store, StoreUnavailable, change, read_change

MAP_SIZE = 1 << 40
"""Bytes of address space asked for; halved until the system grants it."""

MAX_READERS = 1024

_LONGEST_KEY = 511
_CHANGES = "changes"
_LIFE = 16
_LOOK_EVERY_S = 0.05
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

    def several(
        self,
        requests: Sequence[tuple[str, Sequence[Key]]],
        within_s: float | None = None,
        readings: Sequence[RowReading | None] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> list[Sequence[bytes | None]]:
        try:
            with self._environment().begin() as transaction:
                return [self._get(transaction, source, keys) for source, keys in requests]
        except lmdb.Error as error:
            raise self._unavailable(error) from error

    def _get(self, transaction: Any, source: str, keys: Sequence[Key]) -> list[bytes | None]:
        wanted = self.stored_keys(source, keys)
        if any(map(_LONGEST_KEY.__lt__, map(len, wanted))):
            wanted = [self._bounded_key(source, key) for key in keys]
        return list(map(transaction.get, wanted))  # a quarter quicker than a cursor's getmulti

    def put_many(self, source: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        try:
            with self._environment().begin(write=True) as transaction:
                written = []
                for key, row in rows:
                    transaction.put(self._bounded_key(source, key), row)
                    written.append(key)
                self._tell(transaction, source, written)
        except lmdb.Error as error:
            raise self._unavailable(error) from error

    def delete_many(self, source: str, keys: Iterable[Key]) -> None:
        try:
            with self._environment().begin(write=True) as transaction:
                deleted = list(keys)
                for key in deleted:
                    transaction.delete(self._bounded_key(source, key))
                self._tell(transaction, source, deleted)
        except lmdb.Error as error:
            raise self._unavailable(error) from error

    def some_keys(self, source: str, most: int) -> list[str]:
        prefix = self.key_prefix(source)
        found: list[str] = []
        try:
            with self._environment().begin() as transaction, transaction.cursor() as cursor:
                more = cursor.set_range(prefix)
                while more and len(found) < most and cursor.key().startswith(prefix):
                    found.append(cursor.key()[len(prefix) :].decode("utf-8", "surrogatepass"))
                    more = cursor.next()
        except lmdb.Error as error:
            raise self._unavailable(error) from error
        return found

    def changes(self, after: str | None, wait_s: float) -> Changes:
        until = time.monotonic() + wait_s
        while True:
            try:
                with self._environment().begin() as transaction:
                    found = self._changes(transaction, after)
            except lmdb.Error as error:
                raise self._unavailable(error) from error
            left_s = until - time.monotonic()
            if after is None or found.position != after or left_s <= 0:
                return found
            time.sleep(min(_LOOK_EVERY_S, left_s))

    def _changes(self, transaction: Any, after: str | None) -> Changes:
        """A position is the life of the store (which a store in its place has not) and the number of its writes."""
        told = transaction.get(self.stored_key(_CHANGES, ""))
        life, last = (told[:_LIFE].hex(), int(told[_LIFE:])) if told else ("", 0)
        position = f"{life}:{last}"
        if after is None or after == position:
            return Changes(position)
        before, _, number = after.rpartition(":")
        if before not in ("", life) or last - int(number) > CHANGES_KEPT:
            return Changes(position, lost=True)
        keys = [transaction.get(self.stored_key(_CHANGES, n)) for n in range(int(number) + 1, last + 1)]
        return Changes(position, [read_change(change) for change in keys])

    def _tell(self, transaction: Any, source: str, keys: Sequence[Key]) -> None:
        if source == SCHEMA or not keys:
            return
        counter = self.stored_key(_CHANGES, "")
        told = transaction.get(counter)
        life, last = (told[:_LIFE], int(told[_LIFE:]) + 1) if told else (os.urandom(_LIFE), 1)
        transaction.put(counter, life + b"%d" % last)
        transaction.put(self.stored_key(_CHANGES, last), change(source, keys))
        transaction.delete(self.stored_key(_CHANGES, last - CHANGES_KEPT))

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
