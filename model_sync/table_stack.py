"""A table in a version: a stack of layers.

The first layer is an anchor, all rows of a table; each that follows says rows that are others now, as they are, and
ids that have none any more. So a version names all that its table is made of; who holds what a part of the stack gives,
from the bottom on, applies the rest. Layers are absolute: to apply one twice changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = "tables.json"
LAYERS = "layers"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUM = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes by what they are: how many, and their SHA-256 in hex."""

    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return {"size": self.size, "sha256": self.sha256}

    @staticmethod
    def from_json(data: Any) -> Chunk:
        size, sha256 = data["size"], data["sha256"]
        if not isinstance(size, int) or size < 0 or not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a chunk: {data!r}")
        return Chunk(size, sha256)


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table has: how many rows, and their sum (`engine.Snapshot.sum`) in 32 hex digits, the upper 64 bits first.
    Two tables with the same sum are the same, but for chance."""

    rows: int
    sum: str

    @staticmethod
    def of(rows: int, sum: tuple[int, int]) -> TableState:
        """`sum`: low and high 64 bits, as the engine gives them."""
        low, high = sum
        return TableState(rows, f"{high:016x}{low:016x}")

    def pair(self) -> tuple[int, int]:
        """The sum's low and high 64 bits."""
        return int(self.sum[16:], 16), int(self.sum[:16], 16)


@dataclass(frozen=True, slots=True)
class Layer:
    """`rows` and `deleted` ids of it, the chunks that hold them, and what the table has when it is applied."""

    rows: int
    deleted: int
    chunks: tuple[Chunk, ...]
    after: TableState

    @property
    def size(self) -> int:
        """Bytes of its chunks."""
        return sum(chunk.size for chunk in self.chunks)

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "deleted": self.deleted,
            "chunks": [chunk.to_json() for chunk in self.chunks],
            "after": {"rows": self.after.rows, "sum": self.after.sum},
        }

    @staticmethod
    def from_json(data: Any) -> Layer:
        rows, deleted, after = data["rows"], data["deleted"], data["after"]
        counts = (rows, deleted, after["rows"])
        if not all(isinstance(n, int) and n >= 0 for n in counts) or not _SUM.fullmatch(after["sum"]):
            raise ValueError(f"not a layer of a table: {data!r}")
        chunks = tuple(Chunk.from_json(chunk) for chunk in data["chunks"])
        if not chunks:
            raise ValueError("a layer without a chunk")
        return Layer(rows, deleted, chunks, TableState(after["rows"], after["sum"]))


def joined(layers: Sequence[Layer]) -> Layer:
    """One layer of several that are of other ids, each with what the table has of such."""
    filled = [layer for layer in layers if layer.rows or layer.deleted]
    chunks = tuple(chunk for layer in filled or layers[:1] for chunk in layer.chunks)
    total = sum(int(layer.after.sum, 16) for layer in layers) & ((1 << 128) - 1)
    after = TableState(sum(layer.after.rows for layer in layers), f"{total:032x}")
    return Layer(sum(layer.rows for layer in layers), sum(layer.deleted for layer in layers), chunks, after)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table of a version: `width` float32 a row, and its layers from the bottom up, one at least."""

    width: int
    layers: tuple[Layer, ...]

    @property
    def state(self) -> TableState:
        return self.layers[-1].after

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for layer in self.layers for chunk in layer.chunks]

    def to_json(self) -> dict[str, Any]:
        return {"width": self.width, "layers": [layer.to_json() for layer in self.layers]}

    @staticmethod
    def from_json(data: Any) -> TableEntry:
        """Errors: `ValueError`, `KeyError` or `TypeError` for anything that `to_json` does not write."""
        width = data["width"]
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"a table of width {width!r}")
        layers = tuple(Layer.from_json(layer) for layer in data["layers"])
        if not layers:
            raise ValueError("a table without a layer")
        return TableEntry(width, layers)


def write_tables(folder: Path, tables: Mapping[str, TableEntry]) -> None:
    """Says in `tables.json` of a saved model's folder what its tables are made of; the chunks lie in `layers`, each by
    its SHA-256."""
    described = {name: table.to_json() for name, table in sorted(tables.items())}
    (folder / TABLES).write_text(json.dumps(described))


def read_tables(folder: Path) -> dict[str, TableEntry]:
    """What `write_tables` wrote, or nothing where it did not. Errors: `ValueError`, `OSError`."""
    try:
        data = json.loads((folder / TABLES).read_text())
    except FileNotFoundError:
        return {}
    try:
        return {str(name): TableEntry.from_json(table) for name, table in data.items()}
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError(f"{TABLES} does not read: {fault!r}") from fault
