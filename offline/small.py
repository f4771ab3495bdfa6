"""Whether a job is small, before Spark starts: then its JVM compiles quickly rather than well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from offline.config import Config, Table

MOST_BYTES = 32 << 20
"""Of all tables as they are stored: what Spark needs for these is mostly the compiling of its own code."""


def tables_of(config: Config | None, rows: str | None = None) -> list[Table]:
    """The tables that a job may read: those of a project, or `rows` in place of them."""
    if rows is not None:
        return [Table(rows, "parquet")]
    if config is None:
        return []
    sources = [source.table for source in config.sources.values()]
    return sources if config.samples is None else [*sources, config.samples.table]


def is_small(tables: Iterable[Table]) -> bool:
    """Whether all tables are files on this machine, and small."""
    total = 0
    for location in {(table.location, table.format) for table in tables}:
        size = None if location[1] == "table" or "://" in location[0] else _size(Path(location[0]))
        if size is None:
            return False
        total += size
    return total <= MOST_BYTES


def _size(path: Path) -> int | None:
    if "*" in path.name:
        return sum(file.stat().st_size for file in path.parent.glob(path.name))
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else None
