"""A tally that is too large for the driver; see `offline/tally.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import Window, functions

from offline.tally import Limits

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


class SparkTally:
    """`counted` has the columns of `TALLY`, each combination once; it should be persisted."""

    def __init__(self, counted: DataFrame) -> None:
        self._counted = counted

    def rows(self, sites: Iterable[int]) -> pa.Table:
        return self._of(sites).toArrow()

    def totals(self, sites: Iterable[int]) -> dict[int, int]:
        summed = self._of(sites).groupBy("site").agg(_sum("n").alias("total"))
        return {row.site: int(row.total) for row in summed.collect()}

    def at_ranks(self, ranks: Mapping[int, Sequence[int]]) -> pa.Table:
        window = Window.partitionBy("site").orderBy("number").rowsBetween(Window.unboundedPreceding, 0)
        ranked = self._of(ranks).withColumn("upto", _sum("n").over(window))
        first = functions.col("upto") - functions.col("n")
        hit = functions.exists(_by_site(ranks), lambda rank: (rank >= first) & (rank < functions.col("upto")))
        return ranked.where(hit).select("site", "number", "n", "upto").toArrow()

    def between(self, edges: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
        found = {site: [0] * (len(of) + 1) for site, of in edges.items()}
        below = functions.filter(_by_site(edges), lambda edge: edge <= functions.col("number"))
        counted = self._of(edges).groupBy("site", functions.size(below).alias("place"))
        for row in counted.agg(_sum("n").alias("n")).collect():
            found[row.site][row.place] += int(row.n)
        return found

    def most_frequent(self, limits: Limits) -> pa.Table:
        summed = self._of(limits).groupBy("site", "text", "number").agg(_sum("n").alias("n"))
        return _ranked(summed, limits).toArrow()

    def of_frequent(self, frequent: pa.Table) -> pa.Table:
        keys = ["site", "text", "number"]
        chosen = self._counted.sparkSession.createDataFrame(
            frequent.select([*keys, "rank"]).rename_columns([*(f"{key}_" for key in keys), "rank"])
        )
        counted = self._of(frequent["site"].unique().to_pylist())
        same = [counted[key].eqNullSafe(chosen[f"{key}_"]) for key in keys]
        return counted.join(chosen, same).select("site", "rank", "part", "label", "n").toArrow()

    def tokens(self, limits: Limits) -> tuple[dict[int, tuple[int, int]], pa.Table]:
        read = functions.from_json("text", "array<string>").alias("tokens")
        documents = self._of(limits).select("site", read)
        lengths = documents.groupBy("site").agg(
            functions.count("*").alias("documents"),
            _sum(functions.size("tokens").cast("bigint")).alias("length"),
        )
        totals = {row.site: (int(row.documents), int(row.length)) for row in lengths.collect()}
        tokens = documents.select("site", functions.explode(functions.array_distinct("tokens")).alias("text"))
        counted = tokens.groupBy("site", "text").agg(functions.count("*").alias("n"))
        counted = counted.withColumn("number", functions.lit(None).cast("bigint"))
        return totals, _ranked(counted, limits).toArrow()

    def collisions(self, sites: Iterable[int]) -> dict[int, tuple[int, int]]:
        wanted = list(sites)
        buckets = self._of(wanted).groupBy("site", "part").agg(functions.count("*").alias("count"))
        shared = _sum(functions.expr("if(count > 1, count, 0L)")).alias("colliding")
        counted = buckets.groupBy("site").agg(_sum("count").alias("values"), shared)
        found = {row.site: (int(row["values"]), int(row.colliding)) for row in counted.collect()}
        return {site: found.get(site, (0, 0)) for site in wanted}

    def _of(self, sites: Iterable[int]) -> DataFrame:
        return self._counted.where(functions.col("site").isin([int(site) for site in sites]))


def _ranked(counted: DataFrame, limits: Limits) -> DataFrame:
    least = _by_site({site: low for site, (low, _) in limits.items()})
    most = _by_site({site: size for site, (_, size) in limits.items()})
    of_site = Window.partitionBy("site")
    ranked = counted.select(
        *("site", "text", "number", "n"),
        _sum("n").over(of_site).alias("total"),
        functions.count("*").over(of_site).alias("distinct"),
        functions.row_number().over(of_site.orderBy(functions.desc("n"), "text", "number")).alias("rank"),
    )
    return ranked.where((functions.col("n") >= least) & (functions.col("rank") <= most))


def _by_site(values: Mapping[int, Any]) -> Column:
    """A constant that depends on the site: a number, or a list of them."""
    found = functions.lit(None)
    for site, value in values.items():
        constant = functions.expr(_literal(value))
        found = functions.when(functions.col("site") == site, constant).otherwise(found)
    return found


def _literal(value: Any) -> str:
    numbers = [f"{int(v)}L" for v in value] if isinstance(value, list | tuple) else []
    return f"array({', '.join(numbers)})" if numbers else f"{int(value)}L"


def _sum(what: str | Column) -> Column:
    return functions.sum(what)
