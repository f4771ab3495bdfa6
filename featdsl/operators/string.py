"""Text. Positions and lengths count code points; case mapping is that of Unicode 14.0.0, without locale."""

from __future__ import annotations

import unicodedata
from typing import Any

from featdsl.operators.declare import operator

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
    "concat(parts: string...) -> string",
    "concat(parts: list<T>...) -> list<T>",
    examples={'concat("a", "-", "b")': "a-b", "concat([1, 2], [3])": [1, 2, 3]},
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
