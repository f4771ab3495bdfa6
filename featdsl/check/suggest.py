"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

ELSEWHERE = {
    "array_contains": "`contains`",
    "avg": "`mean`",
    "average": "`mean`",
    "cast": "a type's name as in `int64(x)`",
    "ceiling": "`ceil`",
    "char_length": "`length`",
    "coalesce": "`a ?? b`",
    "dayofweek": "`weekday`",
    "day_of_week": "`weekday`",
    "double": "`float64`",
    "exists": "`not is_null(x)`",
    "fillna": "`a ?? b`",
    "float": "`float64`",
    "has": "`contains`",
    "head": "`take`",
    "if_else": "`if a then b else c`",
    "ifelse": "`if a then b else c`",
    "ifnull": "`a ?? b`",
    "iif": "`if a then b else c`",
    "includes": "`contains`",
    "int": "`int64`",
    "intersect": "`overlap_count`",
    "is_in": "`x in [a, b]`",
    "isin": "`x in [a, b]`",
    "isna": "`is_null`",
    "isnan": "`is_null`",
    "isnull": "`is_null`",
    "iff": "`if a then b else c`",
    "len": "`size` of a list or `length` of a text",
    "ln": "`log`",
    "log10": "`log(x) / log(10)`",
    "lowercase": "`lower`",
    "lcase": "`lower`",
    "map": "the operator alone: it maps over a list by itself",
    "maximum": "`max`",
    "minimum": "`min`",
    "mod": "`a % b`",
    "now": "`request.at`, a timestamp of the request with `= now`",
    "nunique": "`size(distinct(x))`",
    "nvl": "`a ?? b`",
    "power": "`pow` or `**`",
    "str": "`string`",
    "strlen": "`length`",
    "to_lower": "`lower`",
    "to_upper": "`upper`",
    "tokenize": "`words`",
    "ucase": "`upper`",
    "unique": "`distinct`",
    "uppercase": "`upper`",
    "when": "`if a then b else c`",
    "where": "`if a then b else c`",
    "zero_if_null": "`a ?? 0`",
}
"""Names that other languages give to what is here."""

_MOST_LOOKUPS = 200


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is the fewest edits away, if that is few for the length of `name`."""
    best: str | None = None
    limit = max(1, min(3, (len(name) + 1) // 3)) + 1
    for candidate in candidates:
        if abs(len(candidate) - len(name)) < limit and candidate != name:
            distance = edit_distance(name, candidate, limit)
            if distance < limit:
                best, limit = candidate, distance
                if distance == 1:
                    break
    return best


def edit_distance(a: str, b: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours; `limit` where it is that or more."""
    two_back: list[int] = []
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        row = [i]
        for j, right in enumerate(b, start=1):
            cost = min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (left != right))
            if two_back and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, two_back[j - 2] + 1)
            row.append(cost)
        if min(row) >= limit:
            return limit
        two_back, previous = previous, row
    return min(previous[-1], limit)


class Suggestions:
    """Looks for close names, a bounded number of times, so that a file of mistakes stays fast."""

    def __init__(self) -> None:
        self._left = _MOST_LOOKUPS

    def closest(self, name: str, candidates: Iterable[str]) -> str | None:
        """See `closest`; None once the bound is reached."""
        self._left -= 1
        return closest(name, candidates) if self._left >= 0 and len(name) < 100 else None

    def help(self, name: str, candidates: Iterable[str], prefix: str = "") -> str:
        """``did you mean `x`?``, or nothing."""
        found = self.closest(name, candidates)
        return f"did you mean `{prefix}{found}`?" if found else ""
