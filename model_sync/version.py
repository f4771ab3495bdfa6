"""What a version is, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from featdsl.errors import InputError

_LATEST_US = 253_402_300_800_000_000
"""The end of the year 9999."""


class RegistryError(InputError):
    """The registry itself is at fault: it is not there, or its HEAD does not read."""


class VersionRefused(Exception):
    """A version that must not be served. `reason`: what is wrong with it, for a person."""

    def __init__(self, version: int, reason: str) -> None:
        super().__init__(f"version {version} is refused: {reason}")
        self.version = version
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a version: its size in bytes and the SHA-256 of its content, in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Version:
    """One published version.

    `parent` is the version that HEAD named when this one was made. `fingerprint` is the feature
    program's. `created_at_us`: microseconds since 1970, UTC. `refusal`: why it is not served, or "".
    """

    number: int
    parent: int | None
    model: str
    fingerprint: str
    created_at_us: int
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(f.size for f in self.files.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "version": self.number,
            "parent": self.parent,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "created_at_us": self.created_at_us,
            "metrics": dict(self.metrics),
            "files": {n: {"size": f.size, "sha256": f.sha256} for n, f in sorted(self.files.items())},
        }

    @staticmethod
    def from_json(data: Any) -> Version:
        """Errors: `ValueError` for anything that `to_json` does not write."""
        try:
            if data["format"] != 1:
                raise ValueError(f"unknown format: {data['format']}")
            parent = data["parent"]
            version = Version(
                number=int(data["version"]),
                parent=None if parent is None else int(parent),
                model=str(data["model"]),
                fingerprint=str(data["fingerprint"]),
                created_at_us=int(data["created_at_us"]),
                files={str(n): FileEntry(int(f["size"]), str(f["sha256"])) for n, f in data["files"].items()},
                metrics={str(n): float(v) for n, v in data.get("metrics", {}).items()},
            )
        except KeyError as fault:
            raise ValueError(f"it does not say: {fault.args[0]}") from fault
        except (TypeError, AttributeError, OverflowError) as fault:
            raise ValueError("it is not a version's manifest") from fault
        for name in version.files:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise ValueError(f"it names a file outside: {name!r}")
        if not 0 <= version.created_at_us < _LATEST_US:
            raise ValueError(f"it was made at no time there is: {version.created_at_us}")
        return version
