"""Text as a whole: its normal form, its pieces, and how near it is to another."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

from featdsl.operators.declare import operator

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
LONGEST_NGRAM = 100
MOST_LENGTHS = 10
LARGEST_LIMIT = 1000


def _check_form(constants: Mapping[str, Any]) -> str | None:
    form = constants["form"]
    return None if form in FORMS else f"the form is one of {', '.join(FORMS)}, found `{form}`"


@operator(
    'normalize(s: string, form: const string = "NFKC") -> string',
    examples={
        'normalize("ﬁ Ａ①")': "fi A1",
        'normalize("e\\u{301}", "NFC")': "é",
        'length(normalize("é", "NFD"))': 2,
    },
    validate=_check_form,
)
def normalize(s: str, *, form: str) -> str:
    """The text in a Unicode normal form of version 14.0.0: `"NFC"` puts letters and their marks together, `"NFD"`
    takes them apart, `"NFKC"` and `"NFKD"` also make of ligatures, full and half width, superscripts and the like the
    plain characters. Texts that look the same become the same. Null gives null.

    Source: Unicode Standard Annex 15.
    """
    apart: Literal["NFD", "NFKD"] = "NFKD" if form in ("NFKC", "NFKD") else "NFD"
    decomposed = "".join(unicodedata.normalize(apart, char) for char in s)
    return unicodedata.normalize(form, _marks_in_order(decomposed))  # type: ignore[arg-type]


def _marks_in_order(s: str) -> str:
    """Each run of combining marks sorted by their classes, for which `unicodedata` takes quadratic time."""
    runs = itertools.groupby(s, lambda char: unicodedata.combining(char) > 0)
    return "".join("".join(sorted(run, key=unicodedata.combining) if marks else run) for marks, run in runs)


@operator(
    "fold_width(s: string) -> string",
    examples={'fold_width("ＡＢＣ　１２３！")': "ABC 123!", 'fold_width("ｶﾀｶﾅ")': "カタカナ"},
)
def fold_width(s: str) -> str:
    """The text with full-width and half-width characters in their usual width: Latin letters, digits and
    signs become narrow, Katakana and Hangul wide, and an ideographic space a space. A half-width voicing mark becomes
    a combining one, which `normalize(s, "NFC")` joins to its letter. Null gives null.

    These are the characters that Unicode 14.0.0 decomposes as `<wide>` or `<narrow>`.
    """
    folded = ""
    for char in s:
        kind, _, parts = unicodedata.decomposition(char).partition(" ")
        folded += chr(int(parts, 16)) if kind in ("<wide>", "<narrow>") else char
    return folded


@operator(
    "edit_distance(a: string, b: string, limit: const int64 = 1000) -> int64",
    examples={
        'edit_distance("kitten", "sitting")': 3,
        'edit_distance("", "abc")': 3,
        'edit_distance("kitten", "sitting", limit: 2)': 2,
    },
    validate=lambda c: (
        None
        if 1 <= c["limit"] <= LARGEST_LIMIT
        else f"the limit of a distance is 1 to {LARGEST_LIMIT}, found {c['limit']}"
    ),
)
def edit_distance(a: str, b: str, *, limit: int) -> int:
    """How many code points must be inserted, removed or replaced to make one text of the other (Levenshtein's
    distance), `limit` at most: what is farther apart counts as `limit`, which bounds the time that long texts take.
    `limit` is 1 to 1,000. Null gives null.

    Source: V. I. Levenshtein, 1966.
    """
    if abs(len(a) - len(b)) >= limit:
        return limit
    same = 0
    while same < min(len(a), len(b)) and a[-1 - same] == b[-1 - same]:
        same += 1
    a, b = a[: len(a) - same], b[: len(b) - same]
    before = {place: place for place in range(min(len(b), limit) + 1)}
    for row, char in enumerate(a, start=1):
        # only what is near the diagonal can be within the limit
        here = {0: row} if row <= limit else {}
        for place in range(max(1, row - limit), min(len(b), row + limit) + 1):
            replaced = before.get(place - 1, limit) + (char != b[place - 1])
            here[place] = min(replaced, before.get(place, limit) + 1, here.get(place - 1, limit) + 1)
        if min(here.values()) >= limit:
            return limit
        before = here
    return min(before[len(b)], limit)


def _check_ngrams(constants: Mapping[str, Any]) -> str | None:
    if "n" in constants:
        shortest = longest = constants["n"]
    else:
        shortest, longest = constants["shortest"], constants["longest"]
    if not 1 <= shortest <= LONGEST_NGRAM or longest > LONGEST_NGRAM:
        return f"an n-gram has 1 to {LONGEST_NGRAM} parts, found {longest if shortest > 0 else shortest}"
    if not 0 <= longest - shortest < MOST_LENGTHS:
        return f"n-grams have one to {MOST_LENGTHS} lengths, found {shortest} to {longest}"
    return None


@operator(
    'ngrams(words: list<string>, n: const int64, separator: const string = " ") -> list<string>',
    "ngrams(words: list<string>, shortest: const int64, longest: const int64, "
    'separator: const string = " ") -> list<string>',
    examples={
        'ngrams(["the", "dark", "knight"], 2)': ["the dark", "dark knight"],
        'ngrams(["a", "b"], shortest: 1, longest: 2, separator: "_")': ["a", "b", "a_b"],
        'ngrams(["a"], 2)': [],
    },
    validate=_check_ngrams,
)
def ngrams(words: list[str], *, separator: str, n: int = 0, shortest: int = 0, longest: int = 0) -> list[str]:
    """The runs of `n` neighbours in a list of texts, each put together with the separator, from the first to the
    last; none if the list is shorter. With `shortest` and `longest` the runs of each length between them, both
    included, the shortest first. A run has 1 to 100 parts; at most 10 lengths. Null gives null.
    """
    found = []
    for size in range(n or shortest, (n or longest) + 1):
        found += [separator.join(words[start : start + size]) for start in range(len(words) - size + 1)]
    return found


@operator(
    "char_ngrams(s: string, n: const int64) -> list<string>",
    "char_ngrams(s: string, shortest: const int64, longest: const int64) -> list<string>",
    examples={
        'char_ngrams("matrix", 3)': ["mat", "atr", "tri", "rix"],
        'char_ngrams("abc", shortest: 1, longest: 2)': ["a", "b", "c", "ab", "bc"],
        'char_ngrams("a", 2)': [],
    },
    validate=_check_ngrams,
)
def char_ngrams(s: str, *, n: int = 0, shortest: int = 0, longest: int = 0) -> list[str]:
    """The parts of `n` code points of a text, one from each place, from the first to the last; none if the text is
    shorter. With `shortest` and `longest` the parts of each length between them, both included, the shortest
    first. A part has 1 to 100 code points; at most 10 lengths. Null gives null.
    """
    found = []
    for size in range(n or shortest, (n or longest) + 1):
        found += [s[start : start + size] for start in range(len(s) - size + 1)]
    return found
