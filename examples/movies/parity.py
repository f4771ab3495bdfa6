"""Offline against online: the same users, movies and times, every feature, bit for bit."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from online.client import ScorerClient

Pair = tuple[int, str]


@dataclass(slots=True)
class Column:
    """How often a feature was the same on both sides, and the first place where it was not."""

    type: str
    equal: int = 0
    differ: int = 0
    example: str = ""


@dataclass(slots=True)
class Parity:
    rows: int
    columns: dict[str, Column] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return bool(self.columns) and all(
            c.equal == self.rows and not c.differ for c in self.columns.values()
        )

    def table(self) -> str:
        """A line a feature."""
        width = max(map(len, self.columns), default=7)
        lines = [f"   {'feature':{width}}  {'type':18}  {'equal':>6}  {'differ':>6}"]
        for name, column in self.columns.items():
            counts = f"{column.equal:>6,}  {column.differ:>6,}"
            lines.append(f"   {name:{width}}  {column.type:18}  {counts}  {column.example}".rstrip())
        verdict = "every feature is equal to the bit" if self.holds else "NOT equal"
        lines.append(
            f"   {self.rows:,} rows, {len(self.columns)} features, offline by Spark columns: {verdict}"
        )
        return "\n".join(lines)


def write_samples(data: Path, path: Path, *, count: int, at_s: int, seed: int = 5) -> list[Pair]:
    """Writes a sample log of real (user, movie) pairs at one time, when what the store holds holds offline too."""
    log = pq.read_table(data / "interactions.parquet", columns=["user_id", "item_id"])
    chosen = sorted(random.Random(seed).sample(range(log.num_rows), min(count, log.num_rows)))
    log = log.take(chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = log.append_column("ts", pa.array([at_s] * len(log), pa.int64()))
    pq.write_table(table.append_column("label", pa.array([0.0] * len(log), pa.float32())), path)
    return list(zip(log["user_id"].to_pylist(), log["item_id"].to_pylist(), strict=True))


def compare(features: Path, address: str, pairs: Sequence[Pair], *, at_us: int) -> Parity:
    """Compares a dataset of features with what the server's `Explain` says of the same pairs."""
    offline = {(row["user"], row["item"]): row for row in pq.read_table(features).to_pylist()}
    parity = Parity(len(pairs))
    with ScorerClient(address) as client:
        for user, item in pairs:
            online = client.explain({"user": user, "item": item}, {"at": at_us})
            for name, found in online.features.items():
                column = parity.columns.setdefault(name, Column(found.type))
                wanted = offline[user, item][name]
                if bits(found.value) == bits(wanted):
                    column.equal += 1
                else:
                    column.differ += 1
                    column.example = (
                        column.example or f"({user}, {item}): offline {wanted}, online {found.value}"
                    )
    return parity


def bits(value: Any) -> Any:
    """A value as something that is equal only to itself: floats by their bits, bools apart from integers."""
    if isinstance(value, list):
        return [bits(v) for v in value]
    return struct.pack("<d", value) if isinstance(value, float) else (type(value).__name__, value)
