"""Sources that are small: their rows travel to the executors, where each sample looks its row up.

What Spark broadcasts in a join (`spark.sql.autoBroadcastJoinThreshold`, of the table as it is stored) is looked up
here, as of the sample's time too, and for each element of a list. Samples stay where they are, in their order. Where no
key depends on what is found, it is looked up in the very pass that the rows are wanted in. It finds the row that
`offline/join.py` finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyspark.sql.types as st
from pyspark.sql import functions

from compiler.spark.sql import column
from featdsl.errors import InputError
from featdsl.program import Source
from offline.sources import AT, KEY, ROW, TIE, TIME, SourceRows, several_rows

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import Column, DataFrame, SparkSession

MOST_ROWS = 2_000_000
"""A table with more rows is not small, however well it is compressed."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The rows of the source `name` on the executors, to be looked up in a batch of samples, where its key is a column,
    or as a column of Spark's."""

    name: str
    rows: Broadcast[bytes]
    timed: bool
    type: st.DataType

    @property
    def key(self) -> str:
        """The column with the key."""
        return f"$key {self.name}"

    def add(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The samples with the rows that hold for their keys, null where none does: a column more."""
        keys, *times = (batch.column(batch.schema.get_field_index(c)) for c in self._given)
        return batch.append_column(self.name, _versions(self.rows).held(keys, *times))

    def column(self, df: DataFrame) -> Column:
        """The same, where Spark's own columns depend on it."""
        from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]

        rows = self.rows

        def held(*given: pa.Array) -> pa.Array:
            return _versions(rows).held(*given)

        made: Column = arrow_udf(held, self.type_in(df))(
            *(functions.col(column(name)) for name in self._given)
        )
        return made

    def type_in(self, df: DataFrame) -> st.DataType:
        """The type of what is found: a row, or where the key is a list a list of rows."""
        lists = isinstance(df.schema[self.key].dataType, st.ArrayType)
        return st.ArrayType(self.type) if lists else self.type

    @property
    def _given(self) -> list[str]:
        return [self.key, TIME] if self.timed else [self.key]


def lookup_of(session: SparkSession, source: Source, rows: SourceRows) -> Lookup | None:
    """The lookup of a source, None where it is not small. Errors: `InputError` for a key with several rows in a
    source without a time column."""
    if not _is_small(session, rows.df):
        return None
    order, names = ([KEY, AT, TIE], [KEY, AT, ROW]) if rows.timed else ([KEY], [KEY, ROW])
    first = rows.df.coalesce(1).limit(MOST_ROWS + 1)
    table = first.sortWithinPartitions(*order).select(*names).toArrow().combine_chunks()
    if table.num_rows > MOST_ROWS:
        return None
    if not rows.timed:
        _one_row_a_key(rows.name, table[KEY])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    broadcast = session.sparkContext.broadcast(sink.getvalue().to_pybytes())
    return Lookup(source.name, broadcast, rows.timed, rows.df.schema[ROW].dataType)


def _is_small(session: SparkSession, df: DataFrame) -> bool:
    most = session._jsparkSession.sessionState().conf().autoBroadcastJoinThreshold()
    leaves = df._jdf.queryExecution().analyzed().collectLeaves()
    sizes = (int(leaves.apply(i).stats().sizeInBytes()) for i in range(leaves.size()))
    return sum(sizes) <= int(most)


def _one_row_a_key(name: str, keys: pa.ChunkedArray) -> None:
    starts = _starts(keys.combine_chunks())
    counts = np.diff(np.append(starts, len(keys)))
    if (counts > 1).any():
        at = int(np.argmax(counts > 1))
        raise several_rows(name, keys[int(starts[at])].as_py(), int(counts[at]))


def _starts(keys: pa.Array) -> npt.NDArray[np.int64]:
    """Where a new key begins among keys that stand together."""
    if len(keys) == 0:
        return np.empty(0, np.int64)
    changes = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.append(True, changes))


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """Rows by key and time. A row's code grows with the number of its key, then with its time; of equal codes the
    last row holds. `starts`: the first row of each key."""

    keys: pa.Array
    starts: npt.NDArray[np.int64]
    rows: pa.Array
    times: npt.NDArray[np.int64] | None
    codes: npt.NDArray[np.int64]

    @staticmethod
    def of(table: pa.Table) -> Versions:
        """Of a table with the columns KEY, ROW and perhaps AT: keys together, the later the row the greater."""
        keys = _key_values(_whole(table[KEY]))
        starts = _starts(keys)
        number = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(keys))))
        rows = _whole(table[ROW])
        if AT not in table.column_names:
            return Versions(keys.take(pa.array(starts)), starts, rows, None, number)
        times, place = np.unique(table[AT].to_numpy(), return_inverse=True)
        codes = number * (len(times) + 1) + place.reshape(-1) + 1
        return Versions(keys.take(pa.array(starts)), starts, rows, times, codes)

    def held(self, keys: pa.Array, times: pa.Array | None = None) -> pa.Array:
        """The rows of these keys; where the keys are lists, lists of rows."""
        try:
            if not pa.types.is_list(keys.type):
                return self.rows.take(self._places(keys, times))
            lengths = pc.fill_null(pc.list_value_length(keys), 0).to_numpy()
            of_elements = None if times is None else pa.array(np.repeat(times.to_numpy(), lengths))
            rows = self.rows.take(self._places(pc.list_flatten(keys), of_elements))
        except pa.ArrowInvalid as error:
            raise InputError(
                f"the rows of a source are too large to stand beside as many samples at once: {error}",
                help="lower `execution.arrow.maxRecordsPerBatch` under [spark]",
            ) from None
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), rows)

    def _places(self, keys: pa.Array, times: pa.Array | None) -> pa.Array:
        found = pc.index_in(_key_values(keys), value_set=self.keys)
        number = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        if self.times is None or times is None:
            places = self.starts[number] if len(self.starts) else number
            return pa.array(places, mask=number < 0)
        before = np.searchsorted(self.times, times.to_numpy(), side="right")
        codes = number * (len(self.times) + 1) + before
        places = np.searchsorted(self.codes, codes, side="right") - 1
        first = self.starts[number] if len(self.starts) else number
        return pa.array(places, mask=(number < 0) | (places < first))


def _key_values(keys: pa.Array) -> pa.Array:
    return keys if pa.types.is_string(keys.type) else keys.cast(pa.int64())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found: Any = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


@lru_cache(maxsize=16)
def _versions(rows: Broadcast[bytes]) -> Versions:
    """Read once a worker."""
    return Versions.of(pa.ipc.open_stream(pa.py_buffer(rows.value)).read_all())
