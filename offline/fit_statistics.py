"""From the counts of a pass (`offline/fit_pass.py`) to what is learned. All statistics are exact: they depend on the
values alone, not on the order of rows nor on partitions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Window, functions

from featdsl.errors import InputError
from featdsl.program import FitSite
from offline.exact_moments import Moments
from offline.fit_pass import LABELS, ROWS, sortable, unsorted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Values = dict[str, Any]


def count_rows(tally: DataFrame) -> int:
    """How many joined rows there were."""
    return sum(int(row.n) for row in tally.where(f"site = {ROWS}").select("n").collect())


def moments_of(tally: DataFrame, sites: Mapping[int, FitSite]) -> dict[int, Values]:
    found = {number: Moments() for number in sites}
    for row in _of(tally, sites).select("site", "text", "n").collect():
        found[row.site].merge(Moments.of_text(row.text), row.n)
    return {number: _moment_values(sites[number], moments) for number, moments in found.items()}


def _moment_values(site: FitSite, moments: Moments) -> Values:
    if moments.count == 0:
        raise _nothing(site, "no number that is finite came to it")
    return {
        "count": moments.count,
        "mean": moments.mean,
        "std": moments.std,
        "low": moments.low,
        "high": moments.high,
    }


# --- quantiles ---------------------------------------------------------------------------------


def quantiles_of(tally: DataFrame, sites: Mapping[int, FitSite]) -> dict[int, Values]:
    """With n values in order x[0]…x[n - 1], the quantile at q lies at place (n - 1) * q; between two values it is on
    the line through them, rounded once."""
    counted = _of(tally, sites)
    totals = {
        row.site: int(row.total) for row in counted.groupBy("site").agg(_sum("n").alias("total")).collect()
    }
    for number, site in sites.items():
        if number not in totals:
            raise _nothing(site, "no number that is finite came to it")
    places = {number: _places(sites[number], total) for number, total in totals.items()}
    wanted = {
        number: sorted({w for place in found for w in (place.numerator // place.denominator, -(-place // 1))})
        for number, found in places.items()
    }
    up_to = Window.partitionBy("site").orderBy("number")
    ranked = counted.withColumn("upto", _sum("n").over(up_to.rowsBetween(Window.unboundedPreceding, 0)))
    hit = functions.exists(
        _by_site(wanted), lambda rank: (rank >= functions.expr("upto - n")) & (rank < functions.col("upto"))
    )
    table = ranked.where(hit).select("site", "number", "n", "upto").toArrow()
    return {
        number: _quantile_values(site, totals[number], places[number], _rows_of(table, number))
        for number, site in sites.items()
    }


def _places(site: FitSite, total: int) -> list[Fraction]:
    if "at" in site.parameters:
        return [Fraction(site.parameters["at"]) * (total - 1)]
    parts = site.parameters["parts"]
    return [Fraction(k * (total - 1), parts) for k in range(1, parts)]


def _quantile_values(site: FitSite, total: int, places: list[Fraction], table: pa.Table) -> Values:
    table = table.sort_by("number")
    values = unsorted(table["number"].to_numpy())
    up_to = table["upto"].to_numpy()
    points = []
    for place in places:
        below = int(place)
        low, high = (
            float(values[np.searchsorted(up_to, rank, side="right")]) for rank in (below, -(-place // 1))
        )
        points.append(float(Fraction(low) + (Fraction(high) - Fraction(low)) * (place - below)))
    # of values between two known ones there are none below the upper
    before = up_to - table["n"].to_numpy()
    edges = sorted(set(points))
    cuts = [
        0,
        *(int(before[at]) if (at := int(np.searchsorted(values, e))) < len(values) else total for e in edges),
        total,
    ]
    counts = [high - low for low, high in itertools.pairwise(cuts)]
    return {"count": total, "points": points, "counts": counts}


def counts_between(tally: DataFrame, edges: Mapping[int, Sequence[float]]) -> dict[int, list[int]]:
    """How many values lie below the first edge, between two, and from the last on, by site."""
    if not edges:
        return {}
    found = {number: [0] * (len(of) + 1) for number, of in edges.items()}
    as_numbers = {number: sortable(np.array(of)).tolist() for number, of in edges.items()}
    place = functions.size(
        functions.filter(_by_site(as_numbers), lambda edge: edge <= functions.col("number"))
    )
    counted = _of(tally, edges).groupBy("site", place.alias("place")).agg(_sum("n").alias("n"))
    for row in counted.collect():
        found[row.site][row.place] += int(row.n)
    return found


# --- entries -----------------------------------------------------------------------------------


def vocabs_of(tally: DataFrame, sites: Mapping[int, FitSite]) -> dict[int, Values]:
    table = _most_frequent(_of(tally, sites), sites).toArrow()
    found = {}
    for number, site in sites.items():
        rows = _rows_of(table, number)
        if rows.num_rows == 0:
            raise _nothing(site, f"no value came {site.parameters['min_count']} times")
        entries = dict(zip(_keys(rows), rows["n"].to_pylist(), strict=True))
        found[number] = {**_totals(rows), "entries": entries}
    return found


def corpora_of(tally: DataFrame, sites: Mapping[int, FitSite]) -> dict[int, Values]:
    """Each document once, however many rows bring it."""
    documents = _of(tally, sites).select("site", functions.from_json("text", "array<string>").alias("tokens"))
    size = functions.size("tokens").cast("bigint")
    lengths = documents.groupBy("site").agg(
        functions.count("*").alias("documents"), _sum(size).alias("length")
    )
    totals = {row.site: (int(row.documents), int(row.length)) for row in lengths.collect()}
    tokens = documents.select("site", functions.explode(functions.array_distinct("tokens")).alias("text"))
    counted = tokens.groupBy("site", "text").agg(functions.count("*").alias("n"))
    counted = counted.withColumn("number", functions.lit(None).cast("bigint"))
    table = _most_frequent(counted, sites).toArrow()
    found = {}
    for number, site in sites.items():
        rows = _rows_of(table, number)
        if rows.num_rows == 0:
            raise _nothing(site, f"no token stands in {site.parameters['min_count']} different texts")
        count, length = totals[number]
        entries = dict(zip(rows["text"].to_pylist(), rows["n"].to_pylist(), strict=True))
        found[number] = {"documents": count, "mean_length": length / count, "entries": entries}
    return found


def means_of(tally: DataFrame, sites: Mapping[int, FitSite]) -> dict[int, Values]:
    counted = _of(tally, sites)
    keys = counted.groupBy("site", "text", "number").agg(_sum("n").alias("n"))
    # the values that are kept are few, and are needed twice
    kept = _most_frequent(keys, sites).toArrow()
    chosen = tally.sparkSession.createDataFrame(
        kept.select(["site", "text", "number", "rank"]).rename_columns(["site_", "text_", "number_", "rank"])
    )
    same = (
        (counted["site"] == chosen["site_"])
        & counted["text"].eqNullSafe(chosen["text_"])
        & counted["number"].eqNullSafe(chosen["number_"])
    )
    rows = counted.join(chosen, same).select("site", "rank", "part", "label", "n").toArrow()
    labels = _of(tally, [LABELS + number for number in sites]).select("site", "part", "label", "n").toArrow()
    found = {}
    for number, site in sites.items():
        of_all = _rows_of(labels, LABELS + number)
        if of_all.num_rows == 0:
            raise _nothing(site, f"no sample has a label `{site.parameters['label']}` that is finite")
        entries = _rows_of(kept, number)
        if entries.num_rows == 0:
            raise _nothing(site, f"no value came {site.parameters['min_count']} times with a label")
        found[number] = _means(site, of_all, _rows_of(rows, number), entries)
    return found


def _means(site: FitSite, of_all: pa.Table, rows: pa.Table, entries: pa.Table) -> Values:
    """Counts and sums are exact; the mean of a fold is that of all other folds. Each float operation of
    (sum + smoothing * mean) / (count + smoothing) rounds once, in this order."""
    folds, smoothing = site.parameters["folds"], site.parameters["smoothing"]
    everything = pa.concat_arrays([*of_all["label"].chunks, *rows["label"].chunks])
    unit = _unit(unsorted(everything.to_numpy(zero_copy_only=False)))
    counts, sums = _without_each_fold(of_all, [0] * of_all.num_rows, 1, folds, unit)
    overall = [s / (n << unit) if n else 0.0 for n, s in zip(counts[0], sums[0], strict=True)]
    ranks = [rank - 1 for rank in rows["rank"].to_pylist()]
    counts, sums = _without_each_fold(rows, ranks, entries.num_rows, folds, unit)
    found: dict[str | int, list[float]] = {}
    for key, n_row, s_row in zip(_keys(entries), counts, sums, strict=True):
        means: list[float] = []
        for n, s, mean in zip(n_row, s_row, overall, strict=True):
            below = n + smoothing
            means.append((s / (1 << unit) + smoothing * mean) / below if below > 0 else mean)
        found[key] = [n_row[0], *means]
    return {"count": sum(of_all["n"].to_pylist()), "mean": overall[0], "otherwise": overall, "entries": found}


def _unit(labels: np.ndarray[Any, np.dtype[np.float64]]) -> int:
    """The bits after the point that all these numbers have."""
    return max(Fraction(label).denominator.bit_length() - 1 for label in np.unique(labels).tolist())


def _without_each_fold(
    rows: pa.Table, ranks: Sequence[int], size: int, folds: int, unit: int
) -> tuple[list[list[int]], list[list[int]]]:
    """For each of `size` values the count and sum of labels (in 2^-unit) of all rows, then of all but each fold."""
    counts = [[0] * (folds + 1) for _ in range(size)]
    sums = [[0] * (folds + 1) for _ in range(size)]
    labels = unsorted(rows["label"].to_numpy()).tolist()
    as_units = {label: int(Fraction(label) * (1 << unit)) for label in set(labels)}
    for rank, part, label, n in zip(
        ranks, rows["part"].to_pylist(), labels, rows["n"].to_pylist(), strict=True
    ):
        for row, amount in ((counts[rank], n), (sums[rank], n * as_units[label])):
            row[0] += amount
            row[1 + part] -= amount
    for table in (counts, sums):
        for row in table:
            row[1:] = [row[0] + fold for fold in row[1:]]
    return counts, sums


def collisions_of(tally: DataFrame, hashes: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The number of different values, and of those that share their bucket with another, by hash."""
    numbers = list(hashes)
    if not numbers:
        return {}
    buckets = _of(tally, numbers).groupBy("site", "part").agg(functions.count("*").alias("values"))
    alone = functions.expr("if(values > 1, values, 0L)")
    counted = buckets.groupBy("site").agg(_sum("values").alias("values"), _sum(alone).alias("colliding"))
    found = {row.site: (int(row["values"]), int(row.colliding)) for row in counted.collect()}
    return {number: found.get(number, (0, 0)) for number in numbers}


# --- pieces ------------------------------------------------------------------------------------


def _most_frequent(counted: DataFrame, sites: Mapping[int, FitSite]) -> DataFrame:
    """The values that a site keeps, with their `rank` from 1 and the site's totals: by count, then by value."""
    least = _by_site({number: site.parameters["min_count"] for number, site in sites.items()})
    most = _by_site({number: site.parameters["max_size"] for number, site in sites.items()})
    of_site = Window.partitionBy("site")
    ordered = of_site.orderBy(functions.desc("n"), "text", "number")
    ranked = counted.select(
        *("site", "text", "number", "n"),
        _sum("n").over(of_site).alias("total"),
        functions.count("*").over(of_site).alias("distinct"),
        functions.row_number().over(ordered).alias("rank"),
    )
    return ranked.where((functions.col("n") >= least) & (functions.col("rank") <= most))


def _rows_of(table: pa.Table, number: int) -> pa.Table:
    import pyarrow.compute as pc

    rows = table.filter(pc.equal(table["site"], number))
    return rows.sort_by("rank") if "rank" in rows.column_names else rows


def _keys(rows: pa.Table) -> list[str | int]:
    column = "number" if rows["text"].null_count else "text"
    keys: list[str | int] = rows[column].to_pylist()
    return keys


def _totals(rows: pa.Table) -> Values:
    return {"count": rows["total"][0].as_py(), "distinct": rows["distinct"][0].as_py()}


def _of(tally: DataFrame, sites: Iterable[int]) -> DataFrame:
    return tally.where(functions.col("site").isin([int(number) for number in sites]))


def _by_site(values: Mapping[int, Any]) -> Column:
    """A constant that depends on the site: a number, or a list of them."""
    found = functions.lit(None)
    for number, value in values.items():
        constant = functions.expr(_literal(value))
        found = functions.when(functions.col("site") == number, constant).otherwise(found)
    return found


def _literal(value: Any) -> str:
    return f"array({', '.join(f'{int(v)}L' for v in value)})" if isinstance(value, list) else f"{int(value)}L"


def _sum(what: str | Column) -> Column:
    return functions.sum(what)


def _nothing(site: FitSite, why: str) -> InputError:
    return InputError(
        f"nothing can be learned for `{site.name}` from `{site.of}`: {why}",
        help="look at it with `feat dataset`",
    )
