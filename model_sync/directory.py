"""Bytes by name in a directory of a file system."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from model_sync.blobs import Found
from model_sync.directory_watch import DirectoryWatch
from model_sync.version import RegistryError

_ASIDE = ".aside-"
_STALE_S = 3600


class DirectoryBlobs:
    """A `Blobs` at a path. What is written is written aside, synced to disk and renamed; `swap` holds a lock that the
    kernel frees when a process dies."""

    def __init__(self, root: Path, *, create: bool = False) -> None:
        """`create`: it is to be written to, so it is made, and what killed writers left goes. Errors: `RegistryError`
        when the directory is not there, or cannot be made."""
        self.root = root.absolute()
        self.url = f"dir://{self.root}"
        self._seen: object = None
        self._watch = DirectoryWatch(self.root)
        self._watched = [str(self.root / name) for name in ("HEAD", "labels")]
        if create:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
            except OSError as fault:
                raise RegistryError(
                    f"cannot make the registry: {self.root}: {fault.strerror}",
                    help="name a folder that this user may write to",
                ) from fault
            self._clear_stale()
        elif not self.root.is_dir():
            raise self._missing()

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if not self.root.is_dir():
                raise self._missing() from None
            return None
        except OSError as fault:
            raise self._error(name, fault) from fault

    def write(self, name: str, data: bytes) -> None:
        with self._faults(name):
            self._replace(self.root / name, data, sync=True)

    def note(self, name: str, data: bytes) -> None:
        with self._faults(name):
            self._replace(self.root / name, data, sync=False)

    def touch(self, name: str) -> bool:
        with self._faults(name), self._lock():
            try:
                os.utime(self.root / name)
            except FileNotFoundError:
                return False
            return True

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        with self._faults(name), self._lock():
            if self.read(name) != expected:
                return False
            self._replace(self.root / name, data, sync=True)
            return True

    def remove(self, name: str) -> None:
        with self._faults(name), contextlib.suppress(FileNotFoundError):
            path = self.root / name
            path.unlink()
            with contextlib.suppress(OSError):  # the last of its folder takes that with it
                if path.parent != self.root:
                    path.parent.rmdir()

    def remove_old(self, name: str, before_s: float) -> bool:
        with self._faults(name), self._lock():
            try:
                if (self.root / name).stat().st_mtime >= before_s:
                    return False
            except FileNotFoundError:
                return False
            self.remove(name)
            return True

    def names(self, prefix: str) -> Mapping[str, Found]:
        found: dict[str, Found] = {}
        folder = self.root / prefix.rpartition("/")[0]
        with self._faults(prefix):
            for at, _, files in os.walk(folder):
                for file in files:
                    path = Path(at, file)
                    name = path.relative_to(self.root).as_posix()
                    if file.startswith(_ASIDE) or not name.startswith(prefix):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        stat = path.stat()
                        found[name] = Found(stat.st_size, stat.st_mtime)
        return found

    def stamp(self, names: Sequence[str]) -> str:
        stamps = []
        for name in names:
            try:
                stat = os.stat(f"{self.root}/{name}")
                stamps.append(f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}")
            except OSError as fault:
                stamps.append(f"unreadable: {fault.errno}")
        return ";".join(stamps)

    def local(self, name: str) -> Path | None:
        return self.root / name

    def moved(self) -> None:
        pass  # those who wait hear of the file, or look at it

    def wait(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while True:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                return
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            self._watch.wait(left_s)

    def close(self) -> None:
        self._watch.close()

    def _clear_stale(self) -> None:
        """Removes what killed writers left, once nobody can still be writing it."""
        for at, _, files in os.walk(self.root):
            for path in (Path(at, file) for file in files if file.startswith(_ASIDE)):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > _STALE_S:
                        path.unlink()

    def _stamp(self) -> object:
        stamps = []
        for path in self._watched:
            with contextlib.suppress(OSError):
                stat = os.stat(path)
                stamps.append((stat.st_mtime_ns, stat.st_ino))
        return stamps

    def _replace(self, path: Path, data: bytes, *, sync: bool) -> None:
        aside = path.with_name(f"{_ASIDE}{path.name}.{os.getpid()}.{time.monotonic_ns()}")
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(aside, "xb") as file:
                    file.write(data)
                    if sync:
                        file.flush()
                        os.fsync(file.fileno())
                aside.replace(path)
                break
            except FileNotFoundError:  # its folder was empty, and went with what was removed last
                continue
            finally:
                aside.unlink(missing_ok=True)
        if sync:
            handle = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with open(self.root / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        try:
            yield
        except RegistryError:
            raise
        except OSError as fault:
            raise self._error(name, fault) from fault

    def _missing(self) -> RegistryError:
        return RegistryError(
            f"there is no registry: {self.root}", help="`feat publish` makes it with the first version"
        )

    def _error(self, name: str, fault: OSError) -> RegistryError:
        return RegistryError(f"the registry fails: {self.root / name}: {fault.strerror or fault}")
