"""Where versions live. One interface; `dir://path` is the store behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from featdsl.errors import InputError
from model_sync.version import Version


class Registry(Protocol):
    """Versions are numbered 1, 2, …, never changed and never reused. HEAD names the one to serve."""

    url: str

    def head(self) -> int | None:
        """The version to serve, None before the first publish. Errors: `RegistryError`."""

    def versions(self) -> list[Version]:
        """All versions in order; one whose manifest does not read has a `refusal`."""

    def path(self, number: int) -> Path:
        """The folder of a version's files."""

    def identity(self, number: int) -> str:
        """Tells two versions apart that were published under one number, in a registry that was removed and
        made anew; "" while the version's manifest does not read."""

    def verify(self, number: int) -> Version:
        """Reads every byte of a version against its manifest. Errors: `VersionRefused`."""

    def publish(self, directory: Path, *, now_us: int, metrics: Mapping[str, float] | None = None) -> Version:
        """Adds a saved model as the next version and moves HEAD to it: both or, after a crash, neither
        that anybody would serve. Errors: `InputError` when the folder is not a saved model."""

    def rollback(self, to: int | None = None) -> Version:
        """Moves HEAD to `to`, by default to the parent of HEAD. Errors: `InputError`, `VersionRefused`."""

    def refuse(self, number: int, reason: str) -> None:
        """Notes why a server does not serve a version."""

    def accept(self, number: int) -> None:
        """Takes a note of `refuse` back: the version is served."""


def open_registry(url: str, *, create: bool = False) -> Registry:
    """The registry at `url` (`dir://path`). Errors: `InputError` for another scheme, `RegistryError`
    when it is not there and `create` is false."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "dir", url
    if scheme != "dir" or not rest:
        raise InputError(f"not a registry: {url}", help="write `dir://path/to/registry`")
    from model_sync.directory import DirectoryRegistry

    return DirectoryRegistry(Path(rest), create=create)
