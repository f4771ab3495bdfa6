"""The counts that a pass of `feat fit` brings (`offline/fit_pass.py`), and the questions that are asked of them.

A tally of usual size is brought to the driver whole and asked there (`LocalTally`); one that is too large stays in
Spark (`SparkTally`). Both give the same answers: counts are integers, and every order is total.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from offline.fit_pass import KEYS, put_together

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_LOCAL = 2_000_000
"""Rows of a tally that is brought to the driver."""

Limits = Mapping[int, tuple[int, int]]
"""By site: the least count of a value that is kept, and how many are."""

FREQUENT = pa.schema(
    [
        ("site", pa.int32()),
        ("text", pa.string()),
        ("number", pa.int64()),
        ("n", pa.int64()),
        ("total", pa.int64()),
        ("distinct", pa.int64()),
        ("rank", pa.int64()),
    ]
)
"""Values that are kept: `rank` counts from 1, by count, of equals by value; `total` and `distinct` are of all."""


class Tally(Protocol):
    def rows(self, sites: Iterable[int]) -> pa.Table:
        """All counts of some sites, as `TALLY`."""

    def totals(self, sites: Iterable[int]) -> dict[int, int]:
        """How many values there were, by site; a site without any is not there."""

    def at_ranks(self, ranks: Mapping[int, Sequence[int]]) -> pa.Table:
        """The values (`number`) that stand at these ranks, from 0, in ascending order: with `n`, how often they
        stand, and `upto`, how many values are not greater."""

    def between(self, edges: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
        """How many values lie below the first edge, between two, and from the last on."""

    def most_frequent(self, limits: Limits) -> pa.Table:
        """The most frequent values, as `FREQUENT`, whatever their part and label."""

    def of_frequent(self, frequent: pa.Table) -> pa.Table:
        """The counts of these values: `site`, `rank`, `part`, `label`, `n`."""

    def tokens(self, limits: Limits) -> tuple[dict[int, tuple[int, int]], pa.Table]:
        """Of texts that are lists of tokens in JSON: their number and all their lengths together by site, and the
        tokens that stand in most of them, as `FREQUENT`."""

    def collisions(self, sites: Iterable[int]) -> dict[int, tuple[int, int]]:
        """How many values there are, and how many share their part with another, by site."""


class LocalTally:
    """A tally in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = put_together(table)

    def rows(self, sites: Iterable[int]) -> pa.Table:
        wanted = pa.array(list(sites), pa.int32())
        return self._table.filter(pc.is_in(self._table["site"], value_set=wanted))

    def totals(self, sites: Iterable[int]) -> dict[int, int]:
        summed = self.rows(sites).group_by("site").aggregate([("n", "sum")])
        return dict(zip(summed["site"].to_pylist(), summed["n_sum"].to_pylist(), strict=True))

    def at_ranks(self, ranks: Mapping[int, Sequence[int]]) -> pa.Table:
        found = []
        for site, wanted in ranks.items():
            rows = self.rows([site]).sort_by("number")
            upto = np.cumsum(rows["n"].to_numpy())
            places = np.unique(np.searchsorted(upto, np.array(wanted), side="right"))
            hit = rows.append_column("upto", pa.array(upto)).take(pa.array(places))
            found.append(hit.select(["site", "number", "n", "upto"]))
        return pa.concat_tables(found)

    def between(self, edges: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
        found = {}
        for site, of_site in edges.items():
            rows = self.rows([site])
            places = np.searchsorted(np.array(of_site), rows["number"].to_numpy(), side="right")
            counts = np.zeros(len(of_site) + 1, np.int64)
            np.add.at(counts, places, rows["n"].to_numpy())
            found[site] = counts.tolist()
        return found

    def most_frequent(self, limits: Limits) -> pa.Table:
        summed = self.rows(limits).group_by(["site", "text", "number"]).aggregate([("n", "sum")])
        return _ranked(summed.rename_columns({"n_sum": "n"}), limits)

    def of_frequent(self, frequent: pa.Table) -> pa.Table:
        keys = ["site", "text", "number"]
        sites = frequent["site"].unique().to_pylist()
        rank_of = {
            key: rank
            for *key_, rank in zip(*(frequent[k].to_pylist() for k in (*keys, "rank")), strict=True)
            for key in [tuple(key_)]
        }
        rows = self.rows(sites)
        found = [rank_of.get(key) for key in zip(*(rows[k].to_pylist() for k in keys), strict=True)]
        ranked = rows.append_column("rank", pa.array(found, pa.int64()))
        return ranked.filter(ranked["rank"].is_valid()).select(["site", "rank", "part", "label", "n"])

    def tokens(self, limits: Limits) -> tuple[dict[int, tuple[int, int]], pa.Table]:
        totals: dict[int, tuple[int, int]] = {}
        sites: list[int] = []
        texts: list[str] = []
        counts: list[int] = []
        for site in limits:
            documents = [json.loads(text) for text in self.rows([site])["text"].to_pylist()]
            with_token = Counter(token for document in documents for token in set(document))
            if documents:
                totals[site] = (len(documents), sum(map(len, documents)))
            sites += [site] * len(with_token)
            texts += with_token.keys()
            counts += with_token.values()
        columns = [
            pa.array(sites, pa.int32()), pa.array(texts, pa.string()), pa.nulls(len(sites), pa.int64()),
            pa.array(counts, pa.int64()),
        ]  # fmt: skip
        table = pa.Table.from_arrays(columns, names=["site", "text", "number", "n"])
        return totals, _ranked(table, limits)

    def collisions(self, sites: Iterable[int]) -> dict[int, tuple[int, int]]:
        wanted = list(sites)
        buckets = self.rows(wanted).group_by(["site", "part"]).aggregate([([], "count_all")])
        found = dict.fromkeys(wanted, (0, 0))
        for site, count in zip(buckets["site"].to_pylist(), buckets["count_all"].to_pylist(), strict=True):
            values, colliding = found[site]
            found[site] = (values + count, colliding + (count if count > 1 else 0))
        return found


def _ranked(counted: pa.Table, limits: Limits) -> pa.Table:
    """Sorted as UTF-8 is, which is the order of code points."""
    found = []
    for site, (least, most) in limits.items():
        rows = counted.filter(pc.equal(counted["site"], site))
        total, distinct = pc.sum(rows["n"]).as_py() or 0, rows.num_rows
        rows = rows.filter(pc.greater_equal(rows["n"], least))
        rows = rows.sort_by([("n", "descending"), ("text", "ascending"), ("number", "ascending")])[:most]
        size = rows.num_rows
        for name, values in (
            ("total", np.full(size, total)),
            ("distinct", np.full(size, distinct)),
            ("rank", np.arange(1, size + 1)),
        ):
            rows = rows.append_column(name, pa.array(values, pa.int64()))
        found.append(rows.select(FREQUENT.names).cast(FREQUENT))
    return pa.concat_tables(found)


@contextmanager
def tally_of(passed: DataFrame) -> Iterator[Tally]:
    """The tally of what the tasks of a pass counted (`TALLY`, each of its own rows), where it can be asked."""
    import pyspark
    from pyspark.sql import functions

    kept = pyspark.StorageLevel.MEMORY_AND_DISK
    passed = passed.persist(kept)
    try:
        if passed.count() <= MOST_LOCAL:
            yield LocalTally(passed.toArrow())
            return
        from offline.spark_tally import SparkTally

        counted = passed.groupBy(*KEYS).agg(functions.sum("n").alias("n")).persist(kept)
        try:
            yield SparkTally(counted)
        finally:
            counted.unpersist()
    finally:
        passed.unpersist()
