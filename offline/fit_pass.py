"""The pass of `feat fit` over joined rows, in the executors: the expressions that are learned from are computed by the
engine, and what they give is counted. All sites of a round share one pass.

What comes out are counts of different values (`TALLY`), which Spark adds up: integers, so the order of rows and how
they are divided do not matter. Moments come as the text of exact sums (`offline/exact_moments.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from compiler.arrow_types import arrow_type
from featdsl.types import INT64, STRING
from offline.exact_moments import Moments
from offline.lookup import Lookup
from offline.shipped import runner

TALLY = pa.schema(
    [
        ("site", pa.int32()),
        ("text", pa.string()),
        ("number", pa.int64()),
        ("part", pa.int64()),
        ("label", pa.int64()),
        ("n", pa.int64()),
    ]
)
"""`n` times this value (`text`, or `number`: an integer, or a float as `sortable` has it), for means in the fold `part`
with this `label` (as `sortable` has it), for hashes in the bucket `part`."""
TALLY_SQL = "site int, text string, number bigint, part bigint, label bigint, n bigint"

ROWS, LABELS = -1, 1_000_000
"""Of site ROWS the rows are counted; of LABELS + i the labels of all rows, for the means of site i."""

_MOST_KEPT = 1_000_000
KEYS = ["site", "text", "number", "part", "label"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of one column of the program: `statistic` as in `featdsl/fit.py`, or `hash`. `label` is the
    column of the joined rows whose means are learned."""

    site: int
    statistic: str
    label: str = ""
    folds: int = 0


@dataclass(frozen=True, slots=True)
class FitPass:
    """What a task needs. The program's columns are `s<site>`, and of a hash also `b<site>`, the buckets."""

    program: bytes
    counted: tuple[Counted, ...]
    sample: str
    """The column that numbers the samples (see `offline/folds.py`)."""
    late: tuple[Lookup, ...] = ()
    """Sources whose rows are looked up here."""

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tally = Tally()
        moments = {one.site: Moments() for one in self.counted if one.statistic == "moments"}
        for batch in batches:
            if batch.num_rows == 0:
                continue
            for lookup in self.late:
                batch = lookup.add(batch)
            made = runner(self.program, "features").run(batch)
            tally.add(ROWS, n=batch.num_rows)
            for one in self.counted:
                values = made.column(made.schema.get_field_index(f"s{one.site}"))
                if one.statistic == "moments":
                    moments[one.site].add(finite(values))
                elif one.statistic == "means":
                    self._means(one, values, batch, tally)
                elif one.statistic == "hash":
                    buckets = _flat(made.column(made.schema.get_field_index(f"b{one.site}")))
                    flat = _flat(values)
                    # where nulls were dropped from the buckets, they are from the values
                    flat = flat if len(flat) == len(buckets) else flat.drop_null()
                    tally.add_values(one.site, flat, part=buckets)
                else:
                    tally.add_values(one.site, _learned_from(one.statistic, values))
            yield from tally.overflow()
        for site, found in moments.items():
            if found.count:
                tally.add(site, text=found.as_text())
        yield from tally.rest()

    def _means(self, one: Counted, values: pa.Array, batch: pa.RecordBatch, tally: Tally) -> None:
        """Of rows with a finite label only."""
        labels = batch.column(batch.schema.get_field_index(one.label)).cast(pa.float64())
        samples = batch.column(batch.schema.get_field_index(self.sample))
        folds = samples.to_numpy(zero_copy_only=False) % one.folds  # floors
        there = pc.fill_null(pc.is_finite(labels), False)
        numbers = pa.array(sortable(pc.fill_null(labels, 0.0).to_numpy(zero_copy_only=False)))
        row = pa.array(np.flatnonzero(there.to_numpy(zero_copy_only=False)))
        part = pa.array(folds)
        tally.add(LABELS + one.site, part=part.take(row), label=numbers.take(row))
        if pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
            values = _as_list(values)
            parents, values = pc.list_parent_indices(values), pc.list_flatten(values)
        else:
            parents = pa.array(np.arange(len(values)))
        kept = pc.is_in(parents, value_set=row.cast(parents.type))
        parents, values = parents.filter(kept), values.filter(kept)
        tally.add_values(one.site, values, part=part.take(parents), label=numbers.take(parents))


@dataclass(slots=True)
class Tally:
    """Counts of values, put together now and then: by site, with the columns that the site has."""

    _tables: dict[int, list[pa.Table]] = field(default_factory=dict)
    _rows: int = 0

    def add_values(
        self, site: int, values: pa.Array, part: pa.Array | None = None, label: pa.Array | None = None
    ) -> None:
        """Counts values (texts or integers) that are not null, each with its part and label."""
        if values.null_count:
            there = values.is_valid()
            values = values.filter(there)
            part = None if part is None else part.filter(there)
            label = None if label is None else label.filter(there)
        if pa.types.is_string(values.type):
            self.add(site, text=values, part=part, label=label)
        else:
            self.add(site, number=values.cast(pa.int64()), part=part, label=label)

    def add(self, site: int, n: int = 1, **columns: pa.Array | str | None) -> None:
        """Rows with these columns, each counted `n` times."""
        given = {
            name: pa.array([column], pa.string()) if isinstance(column, str) else column
            for name, column in columns.items()
            if column is not None
        }
        size = len(next(iter(given.values()))) if given else 1
        if size == 0:
            return
        table = pa.table({**given, "n": pa.array(np.full(size, n))})
        self._tables.setdefault(site, []).append(table)
        self._rows += size
        if self._rows > _MOST_KEPT:
            self._put_together()

    def overflow(self) -> Iterator[pa.RecordBatch]:
        """What is too much to keep: Spark puts it together with the rest."""
        if self._rows > _MOST_KEPT:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        self._put_together()
        for site, tables in self._tables.items():
            for table in tables:
                table = table.append_column("site", pa.array(np.full(table.num_rows, site, np.int32)))
                given = table.column_names
                columns = [
                    table[f.name] if f.name in given else pa.nulls(table.num_rows, f.type) for f in TALLY
                ]
                yield from pa.table(columns, schema=TALLY).to_batches(max_chunksize=65_536)
        self._tables, self._rows = {}, 0

    def _put_together(self) -> None:
        for site, tables in self._tables.items():
            table = pa.concat_tables(tables)
            keys = [name for name in table.column_names if name != "n"]
            self._tables[site] = [_summed(table, keys)] if len(tables) > 1 or table.num_rows > 1 else tables
        self._rows = sum(table.num_rows for tables in self._tables.values() for table in tables)


def put_together(table: pa.Table) -> pa.Table:
    """A tally with each combination once."""
    return _summed(table, KEYS).select(TALLY.names).cast(TALLY)


def _summed(table: pa.Table, keys: list[str]) -> pa.Table:
    table = table.group_by(keys, use_threads=False).aggregate([("n", "sum")])
    return table.rename_columns([name.removesuffix("_sum") for name in table.column_names])


def sortable(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Floats as integers of the same order; there is one zero."""
    bits = (values + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64((1 << 63) - 1), bits)


def unsorted(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The floats that `sortable` made integers of."""
    return np.where(numbers < 0, numbers ^ np.int64((1 << 63) - 1), numbers).view(np.float64)


def finite(values: pa.Array) -> npt.NDArray[np.float64]:
    """The finite ones of floats, or of the elements of lists of them."""
    flat: npt.NDArray[np.float64] = _flat(values).drop_null().to_numpy(zero_copy_only=False)
    return flat[np.isfinite(flat)]


def _learned_from(statistic: str, values: pa.Array) -> pa.Array:
    if statistic == "quantiles":
        return pa.array(sortable(finite(values)))
    if statistic == "corpus":
        texts = [json.dumps(t, ensure_ascii=False) for t in values.to_pylist() if t is not None]
        return pa.array(texts, arrow_type(STRING))
    return _flat(values)


def _flat(values: pa.Array) -> pa.Array:
    while pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        values = pc.list_flatten(_as_list(values))
    if pa.types.is_string(values.type) or pa.types.is_floating(values.type):
        return values
    return values.cast(arrow_type(INT64))


def _as_list(values: pa.Array) -> pa.Array:
    fixed = pa.types.is_fixed_size_list(values.type)
    return values.cast(pa.list_(values.type.value_type)) if fixed else values
