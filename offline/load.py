"""`feat load`: the newest row of every key of every source, into the store.

Rows are written over what is there, a batch at a time, so a load that was cut off may simply be run again. Rows
are encoded on the executors; an embedded store (`lmdb://`) is written by this process, others by the executors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions

from compiler.bundle import Bundle
from compiler.reference.arrow_values import python_values
from featdsl.errors import InputError
from featdsl.program import Source
from offline.config import Config
from offline.failures import run_job
from offline.join import one_row_a_key
from offline.samples import table_of
from offline.sources import AT, KEY, ROW, TIE, source_rows
from store.encode import RowEncoder
from store.interface import Store, open_store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Say = Callable[[str], None]

BATCH = 2_000
"""Rows in one write."""
_SAY_EVERY = 100_000
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows of a source were written, and their bytes."""

    source: str
    rows: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class RowWriter:
    """What a task needs to encode the rows of a source and, with a `url`, to write them."""

    source: Source
    namespace: str
    url: str | None

    def encode(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Keys as text, and rows as Avro bytes."""
        encoder = RowEncoder(self.source)
        for batch in batches:
            keys = batch.column(0).cast(pa.string())
            rows = pa.array(encoder.encode_many(python_values(batch.column(1))), pa.binary())
            yield pa.record_batch([keys, rows], names=["key", "row"])

    def write(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Writes the encoded rows; gives their number and bytes."""
        assert self.url is not None
        store = open_store(self.url, self.namespace, _TIMEOUT_S, writable=True)
        try:
            for batch in self.encode(batches):
                pairs = list(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
                for start in range(0, len(pairs), BATCH):
                    store.put_many(self.source.name, pairs[start : start + BATCH])
                size = sum(len(row) for _, row in pairs)
                yield pa.record_batch([[len(pairs)], [size]], names=["rows", "bytes"])
        finally:
            store.close()


def load_sources(
    session: SparkSession,
    bundle: Bundle,
    config: Config,
    url: str,
    *,
    only: Iterable[str] = (),
    at_us: int | None = None,
    say: Say = lambda line: None,
) -> list[Loaded]:
    """Loads the sources of a program (or those in `only`) into the store at `url`: of each key the newest row,
    or with `at_us` the one that held then. Errors: `InputError` for a source or column that is not there;
    `ServiceError` where the store does not answer."""
    sources = _chosen(bundle, tuple(only))
    # Before any work: is the store there, and is every table known?
    for source in sources:
        table_of(config, source)
    store = open_store(url, bundle.schema.namespace, _TIMEOUT_S, writable=True)
    loaded = []
    try:
        store.ping()
        for source in sources:
            encoder = RowEncoder(source)
            store.put_schema(encoder.fingerprint, encoder.schema)
            say(f"loading {source.name}")
            rows = newest_rows(session, config, source, at_us)
            embedded = url.startswith("lmdb:")
            writer = RowWriter(source, bundle.schema.namespace, None if embedded else url)
            counts = _written_here(rows, writer, store, say) if embedded else _written_there(rows, writer)
            loaded.append(Loaded(source.name, *counts))
    finally:
        store.close()
    return loaded


def newest_rows(session: SparkSession, config: Config, source: Source, at_us: int | None = None) -> DataFrame:
    """A row (KEY, ROW) for each key of a source: the newest, of equals the one that the join takes too."""
    rows = source_rows(session, table_of(config, source), source, source.fields)
    if not rows.timed:
        one_row_a_key(rows)
        return rows.df.select(KEY, ROW)
    df = rows.df if at_us is None else rows.df.where(functions.col(AT) <= at_us)
    newest = functions.max_by(functions.struct(ROW), functions.struct(AT, TIE)).alias("newest")
    return df.groupBy(KEY).agg(newest).select(KEY, functions.col("newest")[ROW].alias(ROW))


def _chosen(bundle: Bundle, only: tuple[str, ...]) -> list[Source]:
    stored = {s.name: s for s in bundle.schema.sources if s.rows_of == s.name}
    for name in only:
        if name not in stored:
            raise InputError(f"the program has no such source: {name}", help=f"it has: {', '.join(stored)}")
    return [source for name, source in stored.items() if not only or name in only]


def _written_here(rows: DataFrame, writer: RowWriter, store: Store, say: Say) -> tuple[int, int]:
    encoded = rows.mapInArrow(writer.encode, "key string, row binary")
    written, size = 0, 0
    rows_of_driver = encoded.toLocalIterator(prefetchPartitions=True)
    while batch := run_job(lambda: [(r.key, bytes(r.row)) for r in islice(rows_of_driver, BATCH)]):
        store.put_many(writer.source.name, batch)
        size += sum(len(row) for _, row in batch)
        if (written + len(batch)) // _SAY_EVERY > written // _SAY_EVERY:
            say(f"{writer.source.name}: {written + len(batch):,} rows")
        written += len(batch)
    return written, size


def _written_there(rows: DataFrame, writer: RowWriter) -> tuple[int, int]:
    written = rows.mapInArrow(writer.write, "rows bigint, bytes bigint")
    counts = run_job(lambda: written.groupBy().sum().collect())[0]
    return counts[0] or 0, counts[1] or 0
