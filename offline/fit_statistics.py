"""From the counts of a pass (`offline/tally.py`) to what is learned. All statistics are exact: they depend on the
values alone, not on the order of rows nor on partitions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featdsl.errors import InputError
from featdsl.program import FitSite
from offline.exact_moments import Moments
from offline.fit_pass import LABELS, ROWS, sortable, unsorted
from offline.tally import Limits, Tally

Values = dict[str, Any]
Sites = Mapping[int, FitSite]


def count_rows(tally: Tally) -> int:
    """How many joined rows there were."""
    return tally.totals([ROWS]).get(ROWS, 0)


def moments_of(tally: Tally, sites: Sites) -> dict[int, Values]:
    found = {number: Moments() for number in sites}
    for row in tally.rows(sites).select(["site", "text", "n"]).to_pylist():
        found[row["site"]].merge(Moments.of_text(row["text"]), row["n"])
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


def quantiles_of(tally: Tally, sites: Sites) -> dict[int, Values]:
    """With n values in order x[0]…x[n - 1], the quantile at q lies at place (n - 1) * q; between two values it is on
    the line through them, rounded once."""
    totals = tally.totals(sites)
    for number, site in sites.items():
        if number not in totals:
            raise _nothing(site, "no number that is finite came to it")
    places = {number: _places(sites[number], total) for number, total in totals.items()}
    ranks = {
        number: sorted({rank for place in of_site for rank in (_floor(place), _ceiling(place))})
        for number, of_site in places.items()
    }
    table = tally.at_ranks(ranks)
    return {
        number: _quantile_values(totals[number], places[number], _rows_of(table, number)) for number in sites
    }


def _places(site: FitSite, total: int) -> list[Fraction]:
    if "at" in site.parameters:
        return [Fraction(site.parameters["at"]) * (total - 1)]
    parts = site.parameters["parts"]
    return [Fraction(k * (total - 1), parts) for k in range(1, parts)]


def _floor(place: Fraction) -> int:
    return place.numerator // place.denominator


def _ceiling(place: Fraction) -> int:
    return -(-place.numerator // place.denominator)


def _quantile_values(total: int, places: list[Fraction], table: pa.Table) -> Values:
    table = table.sort_by("number")
    values = unsorted(table["number"].to_numpy())
    up_to = table["upto"].to_numpy()

    def at_rank(rank: int) -> Fraction:
        return Fraction(float(values[np.searchsorted(up_to, rank, side="right")]))

    points = []
    for place in places:
        low, high = at_rank(_floor(place)), at_rank(_ceiling(place))
        points.append(float(low + (high - low) * (place - _floor(place))))
    # between two neighbours in order there is no value: as many are below an edge as below the next known one
    before = up_to - table["n"].to_numpy()
    edges = sorted(set(points))
    known = np.searchsorted(values, edges)
    cuts = [0, *(int(before[at]) for at in known), total]
    counts = [high - low for low, high in itertools.pairwise(cuts)]
    return {"count": total, "points": points, "counts": counts}


def counts_between(tally: Tally, edges: Mapping[int, Sequence[float]]) -> dict[int, list[int]]:
    """How many values lie below the first edge, between two, and from the last on, by site."""
    numbers = {number: sortable(np.array(of, np.float64)).tolist() for number, of in edges.items()}
    return tally.between(numbers) if numbers else {}


# --- entries -----------------------------------------------------------------------------------


def vocabs_of(tally: Tally, sites: Sites) -> dict[int, Values]:
    table = tally.most_frequent(_limits(sites))
    found = {}
    for number, site in sites.items():
        rows = _rows_of(table, number)
        if rows.num_rows == 0:
            raise _nothing(site, f"no value came {_times(site)}")
        entries = dict(zip(_keys(rows), rows["n"].to_pylist(), strict=True))
        totals = {name: rows[of][0].as_py() for name, of in (("count", "total"), ("distinct", "distinct"))}
        found[number] = {**totals, "entries": entries}
    return found


def corpora_of(tally: Tally, sites: Sites) -> dict[int, Values]:
    """Each document once, however many rows bring it."""
    totals, table = tally.tokens(_limits(sites))
    found = {}
    for number, site in sites.items():
        rows = _rows_of(table, number)
        if rows.num_rows == 0:
            count = site.parameters["min_count"]
            raise _nothing(site, f"no token stands in {count} different text{'s' if count > 1 else ''}")
        count, length = totals[number]
        entries = dict(zip(rows["text"].to_pylist(), rows["n"].to_pylist(), strict=True))
        found[number] = {"documents": count, "mean_length": length / count, "entries": entries}
    return found


def means_of(tally: Tally, sites: Sites) -> dict[int, Values]:
    kept = tally.most_frequent(_limits(sites))
    labels = tally.rows([LABELS + number for number in sites])
    for number, site in sites.items():
        if _rows_of(labels, LABELS + number).num_rows == 0:
            raise _nothing(site, f"no sample has a label `{site.parameters['label']}` that is finite")
        if _rows_of(kept, number).num_rows == 0:
            raise _nothing(site, f"no value came {_times(site)} with a label")
    rows = tally.of_frequent(kept)
    return {
        number: _means(
            site, _rows_of(labels, LABELS + number), _rows_of(rows, number), _rows_of(kept, number)
        )
        for number, site in sites.items()
    }


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


# --- pieces ------------------------------------------------------------------------------------


def _limits(sites: Sites) -> Limits:
    return {
        number: (site.parameters["min_count"], site.parameters["max_size"]) for number, site in sites.items()
    }


def _times(site: FitSite) -> str:
    count = site.parameters["min_count"]
    return "once" if count == 1 else f"{count} times"


def _rows_of(table: pa.Table, number: int) -> pa.Table:
    rows = table.filter(pc.equal(table["site"], number))
    return rows.sort_by("rank") if "distinct" in rows.column_names else rows


def _keys(rows: pa.Table) -> list[str | int]:
    keys: list[str | int] = rows["number" if rows["text"].null_count else "text"].to_pylist()
    return keys


def _nothing(site: FitSite, why: str) -> InputError:
    return InputError(
        f"nothing can be learned for `{site.name}` from `{site.of}`: {why}",
        help="look at it with `feat dataset --what features`",
    )
