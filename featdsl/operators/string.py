"""Text. Positions and lengths count code points; case mapping is that of Unicode 14.0.0, without locale."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from featdsl.operators.declare import operator

LONGEST_PAD = 10_000
MOST_REPEATS = 10_000

WHITE_SPACE = frozenset(
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The code points with the Unicode property White_Space; `str.strip` has four more (U+001C to U+001F)."""


@operator(
    "lower(s: string) -> string",
    examples={'lower("ABC")': "abc", 'lower("ΟΔΟΣ")': "οδος"},
)
def lower(s: str) -> str:
    """The text in lower case: the full Unicode mapping, so one code point may become several
    (`İ` gives `i` and a dot above) and a final `Σ` gives `ς`. Null gives null.
    """
    return s.lower()


@operator(
    "upper(s: string) -> string",
    examples={'upper("abc")': "ABC", 'upper("straße")': "STRASSE"},
)
def upper(s: str) -> str:
    """The text in upper case: the full Unicode mapping, so one code point may become several
    (`ß` gives `SS`). Null gives null.
    """
    return s.upper()


@operator("trim(s: string) -> string", examples={'trim("  a b\\n")': "a b"})
def trim(s: str) -> str:
    """The text without white space at both ends: the 25 code points with Unicode's White_Space property
    (the no-break and the ideographic space among them, the zero-width space not). Null gives null.
    """
    start, end = 0, len(s)
    while start < end and s[start] in WHITE_SPACE:
        start += 1
    while end > start and s[end - 1] in WHITE_SPACE:
        end -= 1
    return s[start:end]


@operator(
    "strip(s: string, chars: const string) -> string",
    examples={'strip("--a-b-", "-")': "a-b", 'strip("xyx", "yx")': ""},
    validate=lambda c: None if c["chars"] else "no characters are named to strip",
)
def strip(s: str, *, chars: str) -> str:
    """The text without the characters of `chars` at both ends, in whatever order they stand there. Null
    gives null. (`trim` takes white space off.)
    """
    start, end = 0, len(s)
    while start < end and s[start] in chars:
        start += 1
    while end > start and s[end - 1] in chars:
        end -= 1
    return s[start:end]


@operator(
    "concat(parts: string...) -> string",
    "concat(parts: list<T>...) -> list<T>",
    examples={'concat("a", "-", "b")': "a-b", "concat([1, 2], [3])": [1, 2, 3]},
    places=("parts",),
)
def concat(*parts: Any) -> Any:
    """Texts put together into one, or lists into one list, in the order given. Null gives null: say
    `x ?? ""` to leave a null part out.
    """
    if isinstance(parts[0], str):
        return "".join(parts)
    return [element for part in parts for element in part]


@operator(
    "split(s: string, separator: const string) -> list<string>",
    examples={'split("a|b||c", "|")': ["a", "b", "", "c"], 'split("", "|")': [""]},
    validate=lambda constants: None if constants["separator"] else "the separator is empty",
)
def split(s: str, *, separator: str) -> list[str]:
    """The parts of the text between the separators, which is taken literally (no pattern). There is
    always one part more than separators, so parts may be empty and an empty text gives one empty part.
    Separators are found from the left and do not overlap. Null gives null.

    An empty separator is an error when the file is checked.
    """
    return s.split(separator)


@operator(
    "join(list: list<string>, separator: string) -> string",
    examples={'join(["a", "b", "c"], ", ")': "a, b, c", 'join([], ", ")': ""},
)
def join(list: list[str], separator: str) -> str:
    """The texts of a list put together into one, with the separator between each two. The empty list gives
    the empty text, and null gives null.
    """
    joined = ""
    for position, part in enumerate(list):
        joined += part if position == 0 else separator + part
    return joined


@operator(
    "replace(s: string, part: string, with: string) -> string",
    examples={'replace("a-b-c", "-", "_")': "a_b_c", 'replace("aaa", "aa", "b")': "ba"},
)
def replace(s: str, part: str, by: str) -> str:
    """The text with every `part` in it replaced, which is taken literally (no pattern). Parts are found from
    the left and do not overlap, and what was put in is not searched again. An empty `part` replaces
    nothing. Null gives null.
    """
    return by.join(s.split(part)) if part else s


@operator("length(s: string) -> int64", examples={'length("naïve 🙂")': 7, 'length("")': 0})
def length(s: str) -> int:
    """The number of code points of the text (not bytes, not what a reader sees as one character: a
    letter with a combining accent counts two). Null gives null.
    """
    return len(s)


@operator(
    "starts_with(s: string, prefix: string) -> bool",
    examples={'starts_with("The Matrix", "The ")': True, 'starts_with("a", "")': True},
)
def starts_with(s: str, prefix: str) -> bool:
    """Whether the text begins with `prefix`, code point by code point. An empty prefix always fits.
    Null gives null.
    """
    return s[: len(prefix)] == prefix


@operator(
    "ends_with(s: string, suffix: string) -> bool",
    examples={'ends_with("photo.jpg", ".jpg")': True, 'ends_with("a", "")': True},
)
def ends_with(s: str, suffix: str) -> bool:
    """Whether the text ends with `suffix`, code point by code point. An empty suffix always fits.
    Null gives null.
    """
    return len(suffix) <= len(s) and s[len(s) - len(suffix) :] == suffix


def is_word_character(char: str) -> bool:
    """Letters, marks, numbers (Unicode categories L, M, N) and the underscore."""
    return char == "_" or unicodedata.category(char)[0] in "LMN"


@operator(
    "words(s: string) -> list<string>",
    examples={'words("Schindler\'s List (1993)")': ["Schindler", "s", "List", "1993"], 'words("…")': []},
)
def words(s: str) -> list[str]:
    """The words of the text: the maximal runs of letters, marks, numbers and underscore
    (`[\\pL\\pM\\pN_]+`), in order. Everything else separates, so `don't` is two words; scripts without
    spaces come out as one word a run. Null gives null.
    """
    found: list[str] = []
    word = ""
    for char in s:
        if is_word_character(char):
            word += char
        elif word:
            found.append(word)
            word = ""
    return [*found, word] if word else found


@operator(
    "find(s: string, part: string) -> int64?",
    examples={'find("The Matrix", "Mat")': 4, 'find("🙂b", "b")': 1, 'find("a", "b")': None},
)
def find(s: str, part: str) -> int | None:
    """The position of the first `part` in the text, in code points from 0; null where there is none. The
    empty text is found at 0. Null gives null.
    """
    for position in range(len(s) - len(part) + 1):
        if s[position : position + len(part)] == part:
            return position
    return None


@operator(
    "substr(s: string, start: int64) -> string",
    "substr(s: string, start: int64, length: int64) -> string",
    examples={
        'substr("matrix", 2)': "trix",
        'substr("matrix", 1, 3)': "atr",
        'substr("matrix", -3, 2)': "ri",
        'substr("matrix", 9)': "",
    },
)
def substr(s: str, start: int, length: int | None = None) -> str:
    """The part of the text from a position on, counted in code points from 0: `length` of them, or all that
    follow. A negative `start` counts from the end (-1 is the last), and one before the text is its
    beginning. What lies outside the text is left out, so the part may be shorter than `length`, and empty;
    a `length` below 1 gives the empty text. As Python's `s[start:][:length]`. Null gives null.
    """
    if start < 0:
        start = start + len(s) if start + len(s) > 0 else 0
    end = len(s) if length is None else start + length if length > 0 else start
    return s[start:end]


@operator(
    "reverse(s: string) -> string",
    "reverse(list: list<T>) -> list<T>",
    examples={'reverse("abc")': "cba", "reverse([1, 2, 3])": [3, 2, 1]},
    places=("list",),
)
def reverse(whole: Any) -> Any:
    """The text from its last code point to its first (a combining mark then stands before its letter), or
    the list from its last element to its first. Null gives null.
    """
    return whole[::-1]


@operator(
    "repeat(s: string, n: const int64) -> string",
    examples={'repeat("ab", 3)': "ababab", 'repeat("ab", 0)': ""},
    validate=lambda c: (
        None if 0 <= c["n"] <= MOST_REPEATS else f"a text repeats 0 to {MOST_REPEATS:_} times, found {c['n']}"
    ),
)
def repeat(s: str, *, n: int) -> str:
    """The text `n` times, one after the other. `n` is 0 to 10,000. Null gives null."""
    repeated = ""
    for _ in range(n):
        repeated += s
    return repeated


def _check_padding(constants: Mapping[str, Any]) -> str | None:
    if not 0 <= constants["n"] <= LONGEST_PAD:
        return f"the length to pad to is 0 to {LONGEST_PAD:_}, found {constants['n']}"
    if len(constants["fill"]) != 1:
        return f"a text is padded with one character, found `{constants['fill']}`"
    return None


@operator(
    'left_pad(s: string, n: const int64, fill: const string = " ") -> string',
    examples={'left_pad("7", 3, "0")': "007", 'left_pad("2024", 3)': "2024"},
    validate=_check_padding,
)
def left_pad(s: str, *, n: int, fill: str) -> str:
    """The text with `fill`, one code point, put before it until it has `n` code points (0 to 10,000). A
    longer text stays as it is. Null gives null.
    """
    return fill * (n - len(s)) + s


@operator(
    'right_pad(s: string, n: const int64, fill: const string = " ") -> string',
    examples={'right_pad("ab", 4, ".")': "ab..", 'right_pad("abcd", 3)': "abcd"},
    validate=_check_padding,
)
def right_pad(s: str, *, n: int, fill: str) -> str:
    """The text with `fill`, one code point, put behind it until it has `n` code points (0 to 10,000). A
    longer text stays as it is. Null gives null.
    """
    return s + fill * (n - len(s))
