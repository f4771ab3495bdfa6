"""What was learned at a site, in a few numbers for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featdsl.state import FittedSite

_PLAIN = ("count", "documents", "distinct", "mean", "std", "low", "high", "mean_length")


def facts_of(site: FittedSite) -> dict[str, Any]:
    """The numbers of its values; of points their number, least and greatest, of entries their number."""
    values = site.values
    facts = {name: values[name] for name in _PLAIN if name in values}
    if "points" in values:
        points = values["points"]
        facts |= {"points": len(points), "low": min(points), "high": max(points)}
    if "entries" in values:
        facts["entries"] = len(values["entries"])
    return facts


def facts_text(facts: Mapping[str, Any]) -> str:
    """Such as `count 1,200, mean 2.25`; what moved as `mean 2 -> 2.25`."""
    return ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in facts.items())


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " -> ".join(map(_shown, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
