"""Constants that an operator carries besides its values: vocabularies and time zones.

Both are compared by content, so that equal expressions stay equal.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Vocab:
    """`entries` in file order, all of them str or all int. Ids: see `id_of`."""

    name: str
    entries: tuple[str, ...] | tuple[int, ...] = field(hash=False, compare=False)
    digest: str = ""

    @staticmethod
    def of(name: str, entries: tuple[str, ...] | tuple[int, ...]) -> Vocab:
        sha = hashlib.sha256()
        for entry in entries:
            data = str(entry).encode()
            sha.update(b"%c%d:" % (b"s" if isinstance(entry, str) else b"i", len(data)) + data)
        return Vocab(name, entries, sha.hexdigest())

    @cached_property
    def _ids(self) -> dict[str | int, int]:
        entries: tuple[str | int, ...] = self.entries
        return {entry: i for i, entry in enumerate(entries, start=2)}

    def id_of(self, value: str | int | None) -> int:
        """0 for null, 1 for a value that is not an entry, 2 and up for the entries in order."""
        return 0 if value is None else self._ids.get(value, 1)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone as its transitions: from `starts[i]` (microseconds UTC, ascending) on, local time
    is UTC + `offsets[i]` microseconds; `offsets[0]` also holds before `starts[0]`. Reaches from 1900
    to 2100; the last offset holds after."""

    name: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]

    def offset_at(self, at: int) -> int:
        """What is added to UTC at a moment, in microseconds."""
        return self.offsets[max(bisect_right(self.starts, at) - 1, 0)]
