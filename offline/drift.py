"""How what was learned moved since it was learned before.

PSI, the population stability index, is the sum over bins of (new - old) * log(new / old), with shares of at least
0.0001: below 0.1 little moved, above 0.25 much. The bins are those of the old state: between its quantiles, or the
entries of its vocab and all others together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featdsl.facts import facts_of, facts_text
from featdsl.state import FittedSite, State

MUCH = 0.25
_LEAST_SHARE = 0.0001


@dataclass(frozen=True, slots=True)
class Drift:
    """One site. `status`: `new` (never fitted), `changed` (another expression than before), `same` (to the last bit),
    `moved`, or `gone` (not in the program any more). `facts`: what moved, numbers with 4 digits after the point; what
    was learned, where it is new or changed."""

    site: str
    statistic: str
    of: str
    status: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        return {
            "site": self.site,
            "statistic": self.statistic,
            "of": self.of,
            "status": self.status,
            **self.facts,
        }


def drift(before: State, after: State, fitted: Sequence[str], shifts: Mapping[str, list[int]]) -> list[Drift]:
    """What became of each site that was fitted or is gone; sites in the order of their names."""
    names = {(site.name, site.statistic) for site in before.sites.values()}
    found = []
    for number in fitted:
        new, old = after.sites[number], before.sites.get(number)
        if old is None:
            status = "changed" if (new.name, new.statistic) in names else "new"
            found.append(Drift(new.name, new.statistic, new.of, status, facts_of(new)))
        elif old.values == new.values:
            found.append(Drift(new.name, new.statistic, new.of, "same"))
        else:
            facts = dict(_facts(old, new, shifts.get(number)))
            found.append(Drift(new.name, new.statistic, new.of, "moved", facts))
    kept = {(site.name, site.statistic) for site in after.sites.values()}
    for number, site in before.sites.items():
        if number not in after.sites and (site.name, site.statistic) not in kept:
            found.append(Drift(site.name, site.statistic, site.of, "gone"))
    return sorted(found, key=lambda d: (d.site, d.statistic, d.of))


def drift_lines(found: Sequence[Drift]) -> Iterator[str]:
    """The report for people."""
    width = max((len(d.site) for d in found), default=0)
    for one in found:
        facts = facts_text(one.facts)
        much = "  (much)" if one.facts.get("psi", 0) >= MUCH else ""
        yield f"  {one.site:<{width}}  {one.statistic:<9}  {one.status}{': ' if facts else ''}{facts}{much}"


def _facts(old: FittedSite, new: FittedSite, shift: list[int] | None) -> Iterator[tuple[str, Any]]:
    before, after = old.values, new.values
    for name in ("count", "documents", "mean", "std", "low", "high", "mean_length"):
        if name in after and before[name] != after[name]:
            yield name, [before[name], after[name]]
    if before.get("std"):
        yield "mean_moved_by_std", round((after["mean"] - before["mean"]) / before["std"], 4)
    if shift is not None:
        yield "points_moved", sum(a != b for a, b in zip(before["points"], after["points"], strict=True))
        yield "psi", psi(before["counts"], shift)
    if "entries" in after:
        yield from _entry_facts(old.statistic, before, after)


def _entry_facts(
    statistic: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    old, new = before["entries"], after["entries"]
    added, gone = [e for e in new if e not in old], [e for e in old if e not in new]
    yield "entries", [len(old), len(new)]
    yield "added", len(added)
    yield "gone", len(gone)
    if statistic == "means":
        both = [e for e in new if e in old]
        weight = sum(new[e][0] for e in both)
        moved = sum(new[e][0] * abs(new[e][1] - old[e][1]) for e in both)
        yield "means_moved_by", round(moved / weight, 4) if weight else 0.0
        return
    total = "documents" if statistic == "corpus" else "count"
    of_old, of_new = before[total], after[total]
    yield "share_of_added", round(sum(new[e] for e in added) / of_new, 4)
    yield "share_of_gone", round(sum(old[e] for e in gone) / of_old, 4)
    if statistic == "vocab":
        was = [*old.values(), of_old - sum(old.values())]
        now = [*(new.get(e, 0) for e in old), 0]
        yield "psi", psi(was, [*now[:-1], of_new - sum(now)])


def psi(old: Sequence[int], new: Sequence[int]) -> float:
    """Of counts in the same bins; 4 digits after the point."""
    total = 0.0
    for was, now in zip(_shares(old), _shares(new), strict=True):
        total += (now - was) * math.log(now / was)
    return round(total, 4)


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts)
    return [max(n / whole if whole else 0.0, _LEAST_SHARE) for n in counts]
