"""Bytes by name: what a registry is kept in. One interface; a directory, Redis and object storage are behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """A name that is there: how many bytes, and when they were last written, in seconds since 1970 on the store's
    clock."""

    size: int
    written_s: float


class Blobs(Protocol):
    """Names are parts of `[A-Za-z0-9._-]` with `/` between. Safe for any number of processes.

    Errors of all methods: `RegistryError` when the store is not there, does not answer, or refuses.
    """

    url: str

    def read(self, name: str) -> bytes | None:
        """What is there, whole, or None."""

    def write(self, name: str, data: bytes) -> None:
        """Puts bytes there: whole, or not at all. When it returns they stay, as far as the store can promise that."""

    def note(self, name: str, data: bytes) -> None:
        """`write` for what may be lost when a machine stops: quicker, whole or not at all as well."""

    def touch(self, name: str) -> bool:
        """What is there counts as written now. Returns whether anything is."""

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        """Puts bytes there if what is there is `expected` (None: nothing), as one step that no other can come between.
        Returns whether it did."""

    def remove(self, name: str) -> None:
        """Nothing is there afterwards; it need not have been."""

    def remove_old(self, name: str, before_s: float) -> bool:
        """Removes what was last written before a time, as one step. Returns whether it did."""

    def names(self, prefix: str) -> Mapping[str, Found]:
        """All names that begin so."""

    def stamp(self, names: Sequence[str]) -> str:
        """Changes when what is there under these names does, or else now and then."""

    def local(self, name: str) -> Path | None:
        """A file of this machine that holds it, if the store has such files."""

    def moved(self) -> None:
        """Tells those who `wait` to look."""

    def wait(self, timeout_s: float) -> None:
        """Returns when somebody has told to look since this object last waited, or after a while. A word may be lost,
        so look again in any case."""

    def close(self) -> None:
        """Lets go of connections."""
