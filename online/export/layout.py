"""Versions as folders that a model server reads: `<models>/<name>/<N>/`, each whole or not there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from featdsl.errors import InputError
from model_sync import Registry, Version

LOCK = ".exporter"


class NotExported(Exception):
    """A version that cannot be given to the model server. `reason`: why, for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Form(Protocol):
    """How one kind of model server wants a version."""

    note: str
    """Where in a version's folder is said which version it is: a file that the server takes no notice of."""

    def write(self, fetched: Path, into: Path) -> None:
        """Makes the folder `into` of a version that was fetched and verified; `fetched` may be changed, its files may
        be moved. Errors: `NotExported`, `OSError`."""

    def check(self, model: Path, written: Path, others: list[Path]) -> None:
        """Makes what all versions share in the folder `model` fit one that was written, and is to be beside `others`.
        Errors: `NotExported` where it cannot, `OSError`."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A version that is there. `identity`: see `Registry.identity`."""

    version: int
    identity: str


class Layout:
    """The versions of one model where its server reads them. For one process: a second one is refused. What a process
    left that was killed is removed by the next; a folder with the number of a version is always whole."""

    def __init__(self, models: Path, name: str, form: Form) -> None:
        """Errors: `InputError` when the folder cannot be made, or another exporter has it."""
        self.folder = models.absolute() / name
        self._form = form
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = open(self.folder / LOCK, "a")  # noqa: SIM115 # until `close`
            self._aside = _aside(self.folder)
        except OSError as fault:
            raise InputError(
                f"versions cannot be written here: {self.folder}: {fault.strerror}",
                help="--models names the folder that the model server reads",
            ) from fault
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            self._lock.close()
            raise InputError(
                f"another exporter writes here: {self.folder}", help="one is enough for a folder"
            ) from fault
        self._clear()

    def close(self) -> None:
        self._clear()
        with contextlib.suppress(OSError):  # others may write beside
            self._aside.rmdir()
            self._aside.parent.rmdir()
        self._lock.close()

    def placed(self) -> dict[int, Placed]:
        """What an exporter has put there, by number."""
        found = {}
        for path in self._numbered():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                said = json.loads((path / self._form.note).read_text())
                found[int(path.name)] = Placed(int(path.name), str(said["identity"]))
        return dict(sorted(found.items()))

    def others(self) -> set[int]:
        """The numbers of versions that somebody else has put there."""
        return {int(path.name) for path in self._numbered()} - self.placed().keys()

    def put(self, registry: Registry, number: int, identity: str) -> Version:
        """Puts a version there, verified. Nothing is changed when it fails. Errors: `NotExported`, `VersionRefused`,
        `RegistryError`, `OSError`."""
        target = self.folder / str(number)
        if target.exists():
            raise NotExported(
                f"another version {number} is there already, of a registry that is no more: {target}; "
                "when no server needs it, remove it"
            )
        aside = self._aside
        try:
            aside.mkdir(parents=True, exist_ok=True)
            fetched, written = aside / "fetched", aside / "written"
            version = registry.fetch(number, fetched, identity=identity)
            self._form.write(fetched, written)
            note = written / self._form.note
            note.parent.mkdir(exist_ok=True)
            note.write_text(json.dumps({"version": number, "identity": identity}))
            _open_to_all(written)
            _sync(written)
            self._form.check(self.folder, written, sorted(self._numbered()))
            written.rename(target)
            _sync_folder(self.folder)
        finally:
            self._clear()
        return version

    def remove(self, number: int) -> None:
        """Takes a version away, at once. Errors: `OSError`."""
        self._aside.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (self.folder / str(number)).rename(self._aside / f"{number}")
        self._clear()

    def _numbered(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.name.isdecimal() and path.is_dir()]

    def _clear(self) -> None:
        for path in self._aside.iterdir() if self._aside.is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _aside(folder: Path) -> Path:
    """Where what is written lies until it is whole: beside the folder of models, where no server looks. In the model's
    own folder, where servers take it for no version, if only that is on its file system; then Triton loads all versions
    again each time."""
    beside = folder.parent.parent / f".{folder.parent.name}.export" / folder.name
    try:
        beside.mkdir(parents=True, exist_ok=True)
        if beside.stat().st_dev == folder.stat().st_dev:
            return beside
        beside.rmdir()
        beside.parent.rmdir()
    except OSError:
        pass
    return folder / ".export"


def _open_to_all(folder: Path) -> None:
    """The model server may be another user."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def _sync(folder: Path) -> None:
    """After it, what a machine that stops leaves under a number is whole as well."""
    for path in folder.rglob("*"):
        if path.is_file():
            _sync_folder(path)
    for path in [*(p for p in folder.rglob("*") if p.is_dir()), folder]:
        _sync_folder(path)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
