"""What a version is, what HEAD says, and what can be wrong with them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from featdsl.errors import InputError
from featdsl.steps import in_steps
from model_sync.table_stack import Chunk, TableEntry

_STEP_BYTES = 1 << 18
_LATEST_US = 253_402_300_800_000_000
"""The end of the year 9999."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class RegistryError(InputError):
    """The registry itself is at fault: it is not there, does not answer, or its HEAD does not read."""


class RegistryDown(RegistryError):
    """What a registry is kept in does not answer (exit code 3): it may again later."""

    exit_code = 3


class HeadMoved(RegistryError):
    """Somebody else has moved HEAD since it was read: another publisher, or a rollback. `now`: what it says."""

    def __init__(self, now: Head | None) -> None:
        at = "nothing" if now is None else f"version {now.version} ({now.why})"
        super().__init__(
            f"HEAD of the registry has moved, to {at}: what was to follow it is not published",
            help="`Publisher.take_over()` goes on from there; `feat versions` shows who moved it",
        )
        self.now = now


class VersionRefused(Exception):
    """A version that must not be served. `reason`: what is wrong with it, for a person."""

    def __init__(self, version: int, reason: str) -> None:
        super().__init__(f"version {version} is refused: {reason}")
        self.version = version
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a version: its size in bytes, the SHA-256 of its content in hex, and the chunks that it is made of.
    Without chunks it lies beside the manifest, as the first format of registries had it."""

    size: int
    sha256: str
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One published version.

    `parent` is the version that HEAD named when this one was made, `parent_digest` the SHA-256 of its manifest.
    `fingerprint` is the feature program's. `created_at_us`: microseconds since 1970, UTC; `watermark_us`: up to when
    events went into it, if its trainer said so. `refusal`: why it is not served, or "".
    """

    number: int
    parent: int | None
    model: str
    fingerprint: str
    created_at_us: int
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""
    epoch: int = 0
    parent_digest: str | None = None
    watermark_us: int | None = None
    tables: Mapping[str, TableEntry] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all that it is made of, what it shares with other versions among it."""
        of_tables = sum(layer.size for table in self.tables.values() for layer in table.layers)
        return sum(f.size for f in self.files.values()) + of_tables

    def chunks(self) -> Iterable[Chunk]:
        """All chunks, some perhaps more than once."""
        for entry in self.files.values():
            yield from entry.chunks
        for table in self.tables.values():
            yield from table.chunks

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 2,
            "version": self.number,
            "epoch": self.epoch,
            "parent": self.parent,
            "parent_digest": self.parent_digest,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "created_at_us": self.created_at_us,
            "watermark_us": self.watermark_us,
            "metrics": dict(self.metrics),
            "files": {
                n: {"size": f.size, "sha256": f.sha256, "chunks": [c.to_json() for c in f.chunks]}
                for n, f in sorted(self.files.items())
            },
            "tables": {n: t.to_json() for n, t in sorted(self.tables.items())},
        }

    def to_bytes(self) -> bytes:
        """The manifest, with a checksum of what it says."""
        said = self.to_json()
        return json.dumps({**said, "sha256": _sum(said)}, indent=1).encode()

    @staticmethod
    def from_bytes(raw: bytes) -> Version:
        """Errors: `ValueError` for anything that `to_bytes` does not write, now or in the first format."""
        try:
            data = json.loads(raw)
            if data["format"] not in (1, 2):
                raise ValueError(f"unknown format: {data['format']}")
            if data["format"] == 2 and data.pop("sha256") != _sum(data):
                raise ValueError("its checksum is wrong")
            version = Version(
                number=int(data["version"]),
                parent=_int_or_none(data["parent"]),
                model=str(data["model"]),
                fingerprint=str(data["fingerprint"]),
                created_at_us=int(data["created_at_us"]),
                files={str(n): _file(f) for n, f in data["files"].items()},
                metrics={str(n): float(v) for n, v in data.get("metrics", {}).items()},
                epoch=int(data.get("epoch", 0)),
                parent_digest=None if data.get("parent_digest") is None else str(data["parent_digest"]),
                watermark_us=_int_or_none(data.get("watermark_us")),
                tables={str(n): TableEntry.from_json(t) for n, t in data.get("tables", {}).items()},
            )
        except KeyError as fault:
            raise ValueError(f"it does not say: {fault.args[0]}") from fault
        except (TypeError, AttributeError, OverflowError) as fault:
            raise ValueError("it is not a version's manifest") from fault
        for name in version.files:
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(f"it names a file outside: {name!r}")
        if not 0 <= version.created_at_us < _LATEST_US:
            raise ValueError(f"it was made at no time there is: {version.created_at_us}")
        return version


@dataclass(frozen=True, slots=True)
class Head:
    """What HEAD says. `epoch` counts its moves; `digest` is the SHA-256 of the version's manifest ("" in the first
    format of registries); `why`: what moved it. `newest`: the highest number that it ever named: no other version gets
    that, not when it has been removed. `before`: what it named before, 0 if nothing, None where that is not known.
    `raw`: its very bytes, which the next move is compared with."""

    epoch: int
    version: int
    digest: str = ""
    moved_at_us: int = 0
    why: str = ""
    newest: int = 0
    before: int | None = None
    raw: bytes = b""

    def to_bytes(self) -> bytes:
        return json.dumps(
            {
                "epoch": self.epoch,
                "version": self.version,
                "digest": self.digest,
                "moved_at_us": self.moved_at_us,
                "why": self.why,
                "newest": max(self.newest, self.version),
                "before": self.before,
            }
        ).encode()

    @staticmethod
    def from_bytes(raw: bytes) -> Head:
        """Errors: `ValueError` for anything that `to_bytes` does not write, now or in the first format."""
        try:
            data = json.loads(raw)
            epoch, version = data["epoch"], data["version"]
            if not isinstance(epoch, int) or not isinstance(version, int) or version < 1:
                raise ValueError("it names no version")
            moved = int(data.get("moved_at_us", 0))
            digest, why = str(data.get("digest", "")), str(data.get("why", ""))
            newest, before = max(version, int(data.get("newest", 0))), _int_or_none(data.get("before"))
            return Head(epoch, version, digest, moved, why, newest, before, raw)
        except (
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
            UnicodeDecodeError,
        ) as fault:
            raise ValueError(f"it is not what a publish writes ({fault!r})") from fault


@dataclass(frozen=True, slots=True)
class Draft:
    """What a version is to be; `Registry.commit` gives it its number."""

    model: str
    fingerprint: str
    files: Mapping[str, FileEntry]
    tables: Mapping[str, TableEntry] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    watermark_us: int | None = None


def _sum(said: Mapping[str, Any]) -> str:
    return digest_of(json.dumps(said, sort_keys=True).encode())


def digest_of(data: bytes) -> str:
    """The SHA-256 in hex."""
    found = hashlib.sha256()
    for part in in_steps(data, _STEP_BYTES):
        found.update(part)
    return found.hexdigest()


def _file(data: Any) -> FileEntry:
    chunks = tuple(Chunk.from_json(chunk) for chunk in data.get("chunks", ()))
    entry = FileEntry(int(data["size"]), str(data["sha256"]), chunks)
    if chunks and sum(chunk.size for chunk in chunks) != entry.size:
        raise ValueError("the chunks of a file are not as long as the file")
    return entry


def _int_or_none(data: Any) -> int | None:
    return None if data is None else int(data)
