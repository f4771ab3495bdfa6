"""Versions in a directory.

    HEAD                      {"epoch": 4, "version": 3}, replaced as a whole
    versions/000003/          manifest.json and the model's files
    versions/.writing-…/      a publish under way, or one that was killed
    refused/000003.json       why a server does not serve it
    lock                      held while HEAD moves

A version is written aside, synced to disk, and renamed, so it is there whole or not at all; HEAD is
moved after that, by one rename. A publish that dies at any point leaves HEAD where it was.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from featdsl.errors import InputError
from model_sync.version import FileEntry, RegistryError, Version, VersionRefused

MANIFEST = "manifest.json"
MODEL_FILE = "model.json"
_WRITING = ".writing-"
_STALE_S = 3600
_CHUNK = 1 << 20


class DirectoryRegistry:
    """The `Registry` at a path of a file system. Safe for any number of processes on one machine."""

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = root.absolute()
        self.url = f"dir://{self.root}"
        self._versions = self.root / "versions"
        if create:
            try:
                self._versions.mkdir(parents=True, exist_ok=True)
            except OSError as fault:
                raise RegistryError(f"cannot make the registry: {self.root}: {fault.strerror}") from fault
        elif not self.root.is_dir():
            raise RegistryError(
                f"there is no registry: {self.root}", help="`feat publish` makes it with the first version"
            )

    # --- reading -------------------------------------------------------------------------------

    def head(self) -> int | None:
        return self._head()[1]

    def _head(self) -> tuple[int, int | None]:
        try:
            data = json.loads((self.root / "HEAD").read_text())
            epoch, version = data["epoch"], data["version"]
            if not isinstance(epoch, int) or not isinstance(version, int) or version < 1:
                raise ValueError("it names no version")
            return epoch, version
        except FileNotFoundError:
            if not self.root.is_dir():
                raise RegistryError(f"there is no registry: {self.root}") from None
            return 0, None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
            raise RegistryError(
                f"HEAD of the registry does not read: {self.root / 'HEAD'}: {_why(fault)}",
                help="`feat rollback --to N` or the next `feat publish` writes it anew",
            ) from fault

    def path(self, number: int) -> Path:
        return self._versions / f"{number:06d}"

    def numbers(self) -> list[int]:
        """The numbers of all versions, readable or not, ascending."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(int(p.name) for p in self._versions.iterdir() if p.name.isdigit())
        return []

    def versions(self) -> list[Version]:
        found = []
        for number in self.numbers():
            try:
                version = self._manifest(number)
                reason = self._refusal(number)
            except VersionRefused as refused:
                version, reason = Version(number, None, "", "", 0), refused.reason
            found.append(replace(version, refusal=reason))
        return found

    def _manifest(self, number: int) -> Version:
        path = self.path(number) / MANIFEST
        try:
            version = Version.from_json(json.loads(path.read_text()))
        except FileNotFoundError as fault:
            raise VersionRefused(number, f"there is no {MANIFEST}") from fault
        except (OSError, ValueError, RecursionError) as fault:
            raise VersionRefused(number, f"{MANIFEST} does not read: {_why(fault)}") from fault
        if version.number != number:
            raise VersionRefused(number, f"{MANIFEST} is of version {version.number}")
        return version

    def identity(self, number: int) -> str:
        try:
            self._manifest(number)
            return hashlib.sha256((self.path(number) / MANIFEST).read_bytes()).hexdigest()
        except (VersionRefused, OSError):
            return ""

    def verify(self, number: int) -> Version:
        version = self._manifest(number)
        for name, entry in version.files.items():
            path = self.path(number) / name
            try:
                size, digest = _digest(path)
            except OSError as fault:
                raise VersionRefused(number, f"{name} does not read: {fault.strerror}") from fault
            if size != entry.size:
                raise VersionRefused(number, f"{name} has {size} bytes, the manifest says {entry.size}")
            if digest != entry.sha256:
                raise VersionRefused(number, f"the checksum of {name} is wrong")
        if MODEL_FILE not in version.files:
            raise VersionRefused(number, f"{MODEL_FILE} is not among its files")
        return version

    # --- writing -------------------------------------------------------------------------------

    def publish(self, directory: Path, *, now_us: int, metrics: Mapping[str, float] | None = None) -> Version:
        model = _saved_model(directory)
        self._clear_stale(now_us / 1e6)
        _, parent = self._readable_head()
        writing = Path(tempfile.mkdtemp(prefix=_WRITING, dir=self._versions))
        try:
            files = {}
            for name in sorted({MODEL_FILE, *model["files"]}):
                files[name] = _copy(directory / name, writing / name)
                if model["files"].get(name, files[name].sha256) != files[name].sha256:
                    raise InputError(
                        f"the saved model is not whole: {directory}: the checksum of {name} is wrong",
                        help="save it again",
                    )
            version = Version(
                number=0,
                parent=parent,
                model=model["model"],
                fingerprint=model["fingerprint"],
                created_at_us=now_us,
                files=files,
                metrics={**model["metrics"], **(metrics or {})},
            )
            version = self._place(writing, version)
        except OSError as fault:
            raise InputError(f"the version was not published: {fault.strerror or fault}") from fault
        finally:
            shutil.rmtree(writing, ignore_errors=True)
        self._move_head(version.number)
        return version

    def _place(self, writing: Path, version: Version) -> Version:
        """Renames the written folder to the next free number; another publisher may be faster."""
        writing.chmod(0o755)
        while True:
            number = max([*self.numbers(), version.parent or 0]) + 1
            numbered = replace(version, number=number)
            _write(writing / MANIFEST, json.dumps(numbered.to_json(), indent=1).encode())
            _sync(writing)
            try:
                writing.rename(self.path(number))
            except OSError as fault:
                if fault.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                raise
            _sync(self._versions)
            return numbered

    def rollback(self, to: int | None = None) -> Version:
        number = to
        if number is None:
            head = self.head()
            if head is None:
                raise InputError("there is no version to go back from", help="`feat publish` makes the first")
            number = self._manifest(head).parent
            if number is None:
                raise InputError(f"version {head} has no parent to go back to", help="name one with --to")
        if number not in self.numbers():
            known = ", ".join(map(str, self.numbers())) or "none"
            raise InputError(f"there is no such version: {number}", help=f"the versions: {known}")
        version = self.verify(number)
        self._move_head(number)
        return version

    def _readable_head(self) -> tuple[int, int | None]:
        try:
            return self._head()
        except RegistryError:
            return 0, None

    def _move_head(self, number: int) -> None:
        with self._lock():
            epoch, _ = self._readable_head()
            _replace(self.root / "HEAD", json.dumps({"epoch": epoch + 1, "version": number}).encode())

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Held across reading and writing HEAD; the kernel frees it when a process dies."""
        with open(self.root / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _clear_stale(self, now_s: float) -> None:
        """Removes what killed publishers left, once nobody can still be writing it."""
        for path in self._versions.glob(f"{_WRITING}*"):
            with contextlib.suppress(OSError):
                if now_s - path.stat().st_mtime > _STALE_S:
                    shutil.rmtree(path)

    # --- refusals ------------------------------------------------------------------------------

    def refuse(self, number: int, reason: str) -> None:
        with contextlib.suppress(OSError):  # a server may have no right to write here
            (self.root / "refused").mkdir(exist_ok=True)
            _replace(self._refused(number), json.dumps({"version": number, "reason": reason}).encode())

    def accept(self, number: int) -> None:
        with contextlib.suppress(OSError):
            self._refused(number).unlink(missing_ok=True)

    def _refused(self, number: int) -> Path:
        return self.root / "refused" / f"{number:06d}.json"

    def _refusal(self, number: int) -> str:
        try:
            return str(json.loads(self._refused(number).read_text())["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def _saved_model(directory: Path) -> dict[str, Any]:
    help = "`featdsl.torch.save_model` writes such a folder"
    try:
        model = json.loads((directory / MODEL_FILE).read_text())
        files = {str(name): str(digest) for name, digest in model["files"].items()}
        found = {"model": str(model["model"]), "fingerprint": str(model["fingerprint"]), "files": files}
        found["metrics"] = {str(name): float(value) for name, value in model.get("metrics", {}).items()}
    except FileNotFoundError as fault:
        raise InputError(f"not a saved model: {directory}: there is no {MODEL_FILE}", help=help) from fault
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InputError(f"not a saved model: {directory}: {MODEL_FILE}: {fault!r}", help=help) from fault
    for name in files:
        if "/" in name or not (directory / name).is_file():
            raise InputError(f"the saved model is not whole: {directory}: {name} is missing", help=help)
    return found


def _why(fault: Exception) -> str:
    match fault:
        case OSError():
            return str(fault.strerror or fault)
        case json.JSONDecodeError() | UnicodeDecodeError() | RecursionError():
            return f"it is not JSON ({fault})"
        case KeyError():
            return f"it does not say: {fault.args[0]}"
        case TypeError():
            return "it is not what a publish writes"
    return str(fault)


def _copy(source: Path, target: Path) -> FileEntry:
    """Copies and syncs a file. The digest is of the bytes that were read, so a later read proves the disk."""
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as given, open(target, "xb") as written:
        while chunk := given.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    return FileEntry(size, digest.hexdigest())


def _digest(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, data: bytes) -> None:
    """Writes a file aside and renames it, so that a reader sees the old content or the new."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        _write(aside, data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
