"""Classes of characters in Unicode 14.0.0: general categories, scripts, and what is one under simple case folding.

They come from `unicode_14.txt` beside this module (made from UnicodeData.txt, Scripts.txt and CaseFolding.txt), so
that what a program means depends neither on Python's tables nor on those of a library.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

VERSION = "14.0.0"
LAST = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
"""Code points from the first to the last of each pair, both included; ascending, with gaps between."""


@cache
def _sections() -> dict[str, str]:
    text = Path(__file__).with_name("unicode_14.txt").read_text(encoding="utf-8")
    found = {}
    for section in text.split("\n[")[1:]:
        head, _, body = section.partition("\n")
        found[head.partition("]")[0]] = body
    return found


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The union of ranges in any order."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def negated(ranges: Ranges) -> Ranges:
    """All other code points."""
    out, start = [], 0
    for first, last in ranges:
        if start < first:
            out.append((start, first - 1))
        start = last + 1
    return (*out, (start, LAST)) if start <= LAST else tuple(out)


@cache
def _categories() -> dict[str, Ranges]:
    return _by_name((run[:2], int(run[2:])) for run in _sections()["categories"].split())


@cache
def _scripts() -> dict[str, Ranges]:
    names = ["", *_sections()["script names"].split()]
    runs = (run.split(":") for run in _sections()["scripts"].split())
    return _by_name((names[int(number)], int(size)) for number, size in runs)


def _by_name(runs: Iterable[tuple[str, int]]) -> dict[str, Ranges]:
    found: dict[str, list[tuple[int, int]]] = {}
    start = 0
    for name, size in runs:
        found.setdefault(name, []).append((start, start + size - 1))
        start += size
    return {name: tuple(ranges) for name, ranges in found.items()}


@cache
def unicode_class(name: str) -> Ranges | None:
    """The code points of a class as regular expressions name it: `Any`, a general category (`Lu`), all
    that begin with a letter (`L`; `C` is without the unassigned ones), or a script (`Greek`); None for
    another name."""
    if name == "Any":
        return ((0, LAST),)
    if len(name) == 1:
        ranges = [r for category, rs in _categories().items() if category[0] == name != category for r in rs]
        unassigned = _categories()["Cn"] if name == "C" else ()
        return merged(set(ranges) - set(unassigned)) or None
    if name in _categories() and name != "Cn":
        return _categories()[name]
    return _scripts().get(name) if name else None


@cache
def _orbits() -> dict[int, tuple[int, ...]]:
    orbits = (tuple(map(ord, orbit)) for orbit in re.split(r"[ \n]", _sections()["folds"].strip("\n")))
    return {code: orbit for orbit in orbits for code in orbit}


def orbit(code: int) -> tuple[int, ...]:
    """The code points that are one with this one under simple case folding, itself among them."""
    return _orbits().get(code, (code,))


def folded(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges with all that is one with a code point of theirs under simple case folding."""
    given = merged(ranges)
    return merged([*given, *_equivalents(given)])


def _equivalents(ranges: Ranges) -> Iterator[tuple[int, int]]:
    starts = [first for first, _ in ranges]
    for code, others in _orbits().items():
        place = bisect(starts, code) - 1
        if place >= 0 and code <= ranges[place][1]:
            yield from ((other, other) for other in others)
