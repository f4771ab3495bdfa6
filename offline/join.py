"""Samples joined with sources, as of each sample's time.

The row of a source that holds for a sample is the newest one that is not later than the sample (the row's time
plus the source's delay). Of rows of one key and time the greatest by the source's `tie_break` column holds,
of equals the greatest by its fields, in their order, read or not. A source without a time column
has one row a key, which always holds.

Of a small source the rows travel to the samples (`offline/lookup.py`). Else samples and rows are put together, sorted
by time within a key, and each sample takes the last row before it: one shuffle a source, no range join. Samples
without a key are spread over partitions by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.types as st
from pyspark.sql import Window, functions

from compiler.spark.read import read_one
from compiler.spark.sql import column
from featdsl.errors import InputError
from featdsl.program import Schema, Source
from offline.sources import AT, KEY, ROW, TIE, TIME, SourceRows, several_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SAMPLE, _KIND, _SPREAD, _PLACE, _NUMBER = "__sample", "__kind", "__spread", "__place", "__number"


def join_source(samples: DataFrame, schema: Schema, source: Source, rows: SourceRows) -> DataFrame:
    """`samples` with one more column, named as the source: its struct of fields, null where no row holds; for
    a source keyed by a list a list of such structs, one an element of the key."""
    key = read_one(schema, samples.schema, source.key)
    if not source.per_element:
        return _join(samples, key, rows, source.name)
    return _join_lists(samples, key, rows, source.name)


def _join(samples: DataFrame, key: str, rows: SourceRows, name: str) -> DataFrame:
    keyed = samples.withColumn(KEY, functions.expr(key))
    joined = _as_of(keyed, rows) if rows.timed else _always(keyed, rows)
    return joined.select(*(functions.col(column(c)) for c in samples.columns), functions.col(ROW).alias(name))


def _join_lists(samples: DataFrame, key: str, rows: SourceRows, name: str) -> DataFrame:
    """An element of the list at a time, then back together. The numbers of the samples are kept on the
    executors (`localCheckpoint`): computed again they could come out differently."""
    numbered = samples.withColumn(_NUMBER, functions.monotonically_increasing_id()).localCheckpoint()
    elements = functions.posexplode(functions.expr(key)).alias(_PLACE, KEY)
    times = [functions.col(TIME)] if rows.timed else []
    exploded = numbered.select(_NUMBER, *times, elements)
    joined = _as_of(exploded, rows) if rows.timed else _always(exploded, rows)
    struct = joined.schema[ROW].dataType.simpleString()
    pairs = functions.collect_list(functions.struct(_PLACE, ROW))
    if (
        "map<" in struct
    ):  # which has no order, so that the sort is told to look at the place alone; it is slower
        pairs = functions.array_sort(pairs, lambda a, b: a[_PLACE] - b[_PLACE])
    else:
        pairs = functions.array_sort(pairs)
    lists = joined.groupBy(_NUMBER).agg(functions.transform(pairs, lambda p: p[ROW]).alias(name))
    empty = functions.expr(f"cast(array() as array<{struct}>)")
    back = numbered.join(lists, _NUMBER, "left").withColumn(name, functions.coalesce(name, empty))
    return back.drop(_NUMBER)


def _always(keyed: DataFrame, rows: SourceRows) -> DataFrame:
    one_row_a_key(rows)
    return keyed.join(rows.df.select(KEY, ROW), KEY, "left")


def one_row_a_key(rows: SourceRows) -> None:
    """Errors: `InputError` with a key that has several rows."""
    several = rows.df.groupBy(KEY).count().where("count > 1").orderBy(KEY).limit(1).collect()
    if several:
        raise several_rows(rows.name, several[0][0], several[0][1])


def need_time(samples: DataFrame, rows: SourceRows) -> None:
    """Errors: `InputError` where samples without a time look for a row that held then."""
    if rows.timed and TIME not in samples.columns:
        raise InputError(
            f"source `{rows.name}` has a time column, but the samples have none",
            help="name the column in feat.toml: `time` in [samples]",
        )


def _as_of(keyed: DataFrame, rows: SourceRows) -> DataFrame:
    row, tie = rows.df.schema[ROW].dataType, rows.df.schema[TIE].dataType
    sample = functions.struct(*(functions.col(column(c)) for c in keyed.columns if c not in (KEY, TIME)))
    samples = keyed.select(
        functions.col(KEY),
        functions.col(TIME).alias(AT),
        functions.lit(1).alias(_KIND),
        functions.lit(None).cast(tie).alias(TIE),
        functions.lit(None).cast(row).alias(ROW),
        sample.alias(_SAMPLE),
        functions.expr(f"if({KEY} is null, pmod(xxhash64({TIME}), 64), 0)").alias(_SPREAD),
    )
    kinds = samples.schema[_SAMPLE].dataType
    facts = rows.df.select(
        KEY,
        AT,
        functions.lit(0).alias(_KIND),
        TIE,
        ROW,
        functions.lit(None).cast(kinds).alias(_SAMPLE),
        functions.lit(0).cast("bigint").alias(_SPREAD),
    )
    window = (
        Window.partitionBy(KEY, _SPREAD)
        .orderBy(AT, _KIND, TIE)
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    held = functions.last(ROW, ignorenulls=True).over(window)
    together = samples.unionByName(facts).withColumn(ROW, held).where(functions.col(_KIND) == 1)
    assert isinstance(kinds, st.StructType)
    members = [functions.col(_SAMPLE)[name].alias(name) for name in kinds.names]
    return together.select(*members, KEY, functions.col(AT).alias(TIME), ROW)
