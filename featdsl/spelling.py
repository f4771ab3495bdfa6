"""Which known word somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is the fewest edits away, if that is few for the length of `name`."""
    best: str | None = None
    # a word of which nothing is left was not misspelled
    limit = min(max(1, min(3, (len(name) + 1) // 3)) + 1, len(name))
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
