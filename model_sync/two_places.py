"""A registry in two places: what is large in one, what moves in the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from model_sync.blobs import Blobs, Found

_LARGE = "chunks/"


class TwoPlaces:
    """A `Blobs` whose chunks lie in `large`, and all else in `small`: HEAD moves, and is told of, as `small` does it,
    where object storage knows no conditional writes, or tells nobody."""

    def __init__(self, large: Blobs, small: Blobs) -> None:
        self.url = f"{large.url} with HEAD in {small.url}"
        self._large = large
        self._small = small

    def read(self, name: str) -> bytes | None:
        return self._of(name).read(name)

    def write(self, name: str, data: bytes) -> None:
        self._of(name).write(name, data)

    def note(self, name: str, data: bytes) -> None:
        self._of(name).note(name, data)

    def touch(self, name: str) -> bool:
        return self._of(name).touch(name)

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        return self._of(name).swap(name, expected, data)

    def remove(self, name: str) -> None:
        self._of(name).remove(name)

    def remove_old(self, name: str, before_s: float) -> bool:
        return self._of(name).remove_old(name, before_s)

    def names(self, prefix: str) -> Mapping[str, Found]:
        if prefix.startswith(_LARGE):
            return self._large.names(prefix)
        found = dict(self._small.names(prefix))
        if _LARGE.startswith(prefix):
            found.update(self._large.names(_LARGE))
        return found

    def stamp(self, names: Sequence[str]) -> str:
        large = [name for name in names if name.startswith(_LARGE)]
        small = [name for name in names if not name.startswith(_LARGE)]
        return f"{self._large.stamp(large)} {self._small.stamp(small)}"

    def local(self, name: str) -> Path | None:
        return self._of(name).local(name)

    def moved(self) -> None:
        self._small.moved()

    def wait(self, timeout_s: float) -> None:
        self._small.wait(timeout_s)

    def close(self) -> None:
        self._large.close()
        self._small.close()

    def _of(self, name: str) -> Blobs:
        return self._large if name.startswith(_LARGE) else self._small
