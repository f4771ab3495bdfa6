"""Where a bundle lies: a folder, or one `.featb` file (a zip). Files with checksums, and nothing more.

`bundle.json` lists the others with size and SHA-256. Both forms are written aside and then renamed, so that
a reader sees the old one or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.data import BadData, expect, members
from featdsl.errors import InputError

FORMAT = "featdsl bundle"
VERSION = 1
INDEX = "bundle.json"
SUFFIX = ".featb"

_LARGEST = 1 << 30
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


def dump(data: Any) -> bytes:
    """JSON in one form: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def load(data: bytes) -> Any:
    """Errors: `BadData` for what `dump` did not write."""
    try:
        parsed = json.loads(data)
        expect(dump(parsed) == data, "JSON in another form")
        if b"\\ud" in data:
            json.dumps(parsed, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise BadData("JSON is damaged") from None
    return parsed


def write_archive(path: str | Path, files: Mapping[str, bytes], facts: Mapping[str, str]) -> None:
    """Writes files by name and their index with `facts`: a zip where `path` ends with `.featb`, else a
    folder. Errors: `InputError` where something else stands there, or writing fails."""
    target = Path(path)
    index = {
        "format": FORMAT,
        "version": VERSION,
        "facts": dict(facts),
        "files": {name: {"sha256": _sha256(data), "size": len(data)} for name, data in files.items()},
    }
    everything = {INDEX: dump(index), **files}
    _refuse_to_overwrite(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == SUFFIX:
            _write_zip(target, everything)
        else:
            _write_folder(target, everything)
    except OSError as error:
        raise InputError(f"the bundle cannot be written: {error.strerror}: {target}") from None


def read_archive(path: str | Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files and facts of `write_archive`, checksums verified. Errors: `InputError` for an absent path,
    `BadData` for anything that is not a whole bundle of this version."""
    source = Path(path)
    if not source.exists():
        raise InputError(f"no such bundle: {source}")
    try:
        return _verified(_FolderReader(source) if source.is_dir() else _ZipReader(source))
    except OSError as error:
        raise InputError(f"the bundle cannot be read: {error.strerror}: {source}") from None


class _FolderReader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes | None:
        file = self._path / name
        return file.read_bytes() if file.is_file() and file.stat().st_size <= _LARGEST else None


class _ZipReader:
    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                whole = sum(entry.file_size for entry in archive.infolist())
                expect(whole <= _LARGEST, "the files are too large")
                self._files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        except _DAMAGED_ZIP:
            raise BadData("the zip file is damaged") from None

    def read(self, name: str) -> bytes | None:
        return self._files.get(name)


def _verified(reader: _FolderReader | _ZipReader) -> tuple[dict[str, bytes], dict[str, str]]:
    data = reader.read(INDEX)
    expect(data is not None, f"`{INDEX}` is missing")
    index = load(data or b"")
    expect(isinstance(index, dict) and index.get("format") == FORMAT, "it is not a bundle")
    version = index.get("version")
    expect(version == VERSION, f"this featdsl reads format version {VERSION}, found {version}")
    content = members(index, format=str, version=int, facts=dict, files=dict)
    expect(all(isinstance(fact, str) for fact in content["facts"].values()), f"`{INDEX}` is damaged")
    files: dict[str, bytes] = {}
    for name, entry in content["files"].items():
        wanted = members(entry, sha256=str, size=int)
        expect(not name.startswith("/") and ".." not in name.split("/"), f"a file lies outside: {name}")
        found = reader.read(name)
        expect(found is not None, f"`{name}` is missing")
        assert found is not None
        right = len(found) == wanted["size"] and _sha256(found) == wanted["sha256"]
        expect(right, f"`{name}` is damaged")
        files[name] = found
    return files, content["facts"]


def _refuse_to_overwrite(target: Path) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        _verified(_FolderReader(target) if target.is_dir() else _ZipReader(target))
    except (BadData, OSError):
        if not _looks_like_a_bundle(target):
            raise InputError(
                f"something that is not a bundle is there already: {target}", help="name another place"
            ) from None


def _looks_like_a_bundle(target: Path) -> bool:
    """A damaged bundle may be replaced; anything else may not. In a zip of ours the index comes first."""
    try:
        with (target / INDEX if target.is_dir() else target).open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return False
    if target.is_dir():
        return f'"format":"{FORMAT}"'.encode() in head or head.startswith(b'{"facts":')
    return head[:4] == b"PK\x03\x04" and head[30:].startswith(INDEX.encode())


def _write_zip(target: Path, files: Mapping[str, bytes]) -> None:
    handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in sorted(files):
                    archive.writestr(_entry(name), files[name])
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a date: the same bundle is the same file."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        os.chmod(aside, 0o755)
        for name, data in files.items():
            file = aside / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            os.replace(target, old)
            os.replace(aside, target)
            shutil.rmtree(old)
        else:
            os.replace(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
