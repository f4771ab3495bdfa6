"""Regular expressions: RE2's, in time linear in the text. Classes and case are those of Unicode 14.0.0.

A pattern is checked and spelled out (see `regex_syntax.py`) when the file is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from featdsl.operators.declare import Fault, operator
from featdsl.operators.regex_syntax import LONGEST, PatternError, spelled_out

MOST_MEMORY_BYTES = 4 << 20
"""What a compiled pattern may take when it is checked; the engine grants more, since its RE2 may be another version."""

LONGEST_LIKE = 1000

_REWRITE = re.compile(r"[^\\]+|\\(?:[0-9]|\\)")


@cache
def _compiled(pattern: str) -> Any:
    """The pattern, in RE2. Errors: `re2.error`."""
    import re2

    options = re2.Options()
    options.max_mem = MOST_MEMORY_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


def _check_pattern(constants: Mapping[str, Any]) -> str | Fault | None:
    pattern = constants["pattern"]
    if len(pattern) > LONGEST:
        return f"a pattern has at most {LONGEST:_} characters, found {len(pattern):_}"
    try:
        spelled = spelled_out(pattern)
    except PatternError as error:
        message = f"not a regular expression: {error}, at position {error.position} of the pattern"
        size = 2 if pattern.startswith("\\", error.position) else 1
        return Fault(message + _shown(pattern, error), "pattern", error.position, error.position + size)
    try:
        groups = _compiled(spelled).groups
    except Exception as error:
        return _refused(pattern, str(error))
    if constants.get("group", 0) not in range(groups + 1):
        return f"the pattern has no group {constants['group']}, it has {groups}"
    return _check_replacement(constants["replacement"], groups) if "replacement" in constants else None


def _shown(pattern: str, error: PatternError) -> str:
    part = pattern[error.position : error.position + 20]
    return f": `{part}`" if part else ""


def _refused(pattern: str, reason: str) -> str | Fault:
    """Why RE2 itself refuses a pattern: repetitions, and what is too large."""
    kind, _, part = reason.removeprefix("b'").removesuffix("'").partition(": ")
    if "too large" in reason:
        return "not a regular expression: the pattern is too large when compiled"
    position = pattern.find(part)
    if not part or position < 0:
        return f"not a regular expression: {kind}: `{part}`"
    message = f"not a regular expression: {kind}, at position {position} of the pattern: `{part}`"
    return Fault(message, "pattern", position, position + len(part))


def _check_replacement(replacement: str, groups: int) -> str | None:
    if "".join(_REWRITE.findall(replacement)) != replacement:
        return f"in a replacement `\\` is followed by a digit or by `\\`: `{replacement}`"
    most = max((int(piece[1]) for piece in _pieces(replacement) if _is_group(piece)), default=0)
    return f"the replacement names group {most}, the pattern has {groups}" if most > groups else None


def _pieces(replacement: str) -> list[str]:
    found: list[str] = _REWRITE.findall(replacement)
    return found


def _is_group(piece: str) -> bool:
    return piece[0] == "\\" and piece[1] != "\\"


def _spell_out(constants: Mapping[str, Any]) -> dict[str, Any]:
    return {**constants, "pattern": spelled_out(constants["pattern"])}


def _search(text: bytes, pattern: str, at: int = 0) -> Any:
    """The first match from a place on, of bytes. RE2 takes `\\B` for true within a character: there is no match."""
    while (match := _compiled(pattern).search(text, at)) is not None and _within(text, match.start()):
        at = match.start() + 1
    return match


def _within(text: bytes, at: int) -> bool:
    """Whether a place is within a character."""
    return at < len(text) and text[at] & 0xC0 == 0x80


def _matches(text: bytes, pattern: str) -> Iterator[Any]:
    """The matches from the left, without overlap; an empty one right behind another is none."""
    at, end = 0, -1
    while at <= len(text) and (match := _search(text, pattern, at)) is not None:
        empty = match.end() == match.start()
        if not empty or match.start() != end:
            yield match
        end = match.end()
        at = end + 1 if empty else end


@operator(
    "regex_match(s: string, pattern: const string) -> bool",
    examples={
        'regex_match("The Matrix (1999)", "\\\\(\\\\d{4}\\\\)")': True,
        'regex_match("matrix", "^a")': False,
        'regex_match("ΣΊΣΥΦΟΣ", "(?i)σίσυφος")': True,
    },
    validate=_check_pattern,
    canonical=_spell_out,
)
def regex_match(s: str, *, pattern: str) -> bool:
    """Whether the pattern matches somewhere in the text: it searches, and `^` and `$` bind it to the ends. Null
    gives null. A pattern is a constant with RE2's syntax; a mistake in it is told when the file is checked. In a
    text of the language a backslash is written twice.

    Source: RE2's syntax, https://github.com/google/re2/wiki/Syntax, without `\\C`.
    """
    return _search(s.encode(), pattern) is not None


@operator(
    "regex_extract(s: string, pattern: const string, group: const int64 = 0) -> string?",
    examples={
        'regex_extract("The Matrix (1999)", "\\\\((\\\\d{4})\\\\)", 1)': "1999",
        'regex_extract("The Matrix", "\\\\d+")': None,
    },
    validate=_check_pattern,
    canonical=_spell_out,
)
def regex_extract(s: str, *, pattern: str, group: int) -> str | None:
    """What the pattern's first match holds: all of it, or what a group of it took (1 is the first `(`). Null
    where the pattern does not match, or the group took no part in the match. Null gives null.
    """
    match = _search(s.encode(), pattern)
    found: bytes | None = None if match is None else match.group(group)
    return None if found is None else found.decode()


@operator(
    "regex_extract_all(s: string, pattern: const string, group: const int64 = 0) -> list<string>",
    examples={
        'regex_extract_all("#a and #b", "#(\\\\w+)", 1)': ["a", "b"],
        'regex_extract_all("a", "b")': [],
    },
    validate=_check_pattern,
    canonical=_spell_out,
)
def regex_extract_all(s: str, *, pattern: str, group: int) -> list[str]:
    """What each match of the pattern holds: all of it, or what a group of it took. Matches are found from
    the left and do not overlap, and an empty one right behind another match does not count. A match in
    which the group took no part gives nothing. Null gives null.
    """
    found = (match.group(group) for match in _matches(s.encode(), pattern))
    return [taken.decode() for taken in found if taken is not None]


@operator(
    "regex_replace(s: string, pattern: const string, replacement: const string) -> string",
    examples={
        'regex_replace("a  b   c", " +", " ")': "a b c",
        'regex_replace("Matrix, The", "(.*), (The|A)$", "\\\\2 \\\\1")': "The Matrix",
    },
    validate=_check_pattern,
    canonical=_spell_out,
)
def regex_replace(s: str, *, pattern: str, replacement: str) -> str:
    """The text with every match of the pattern replaced (matches as in `regex_extract_all`). In the
    replacement `\\1` to `\\9` stand for what a group took (nothing, if it took no part), `\\0` for the whole
    match, and `\\\\` for a backslash. Null gives null.
    """
    text, replaced, end = s.encode(), [], 0
    for match in _matches(text, pattern):
        replaced.append(text[end : match.start()])
        for piece in _pieces(replacement):
            group = match.group(int(piece[1])) or b"" if _is_group(piece) else None
            replaced.append(piece.replace("\\\\", "\\").encode() if group is None else group)
        end = match.end()
    return b"".join([*replaced, text[end:]]).decode()


@operator(
    "regex_split(s: string, pattern: const string) -> list<string>",
    examples={'regex_split("a, b;c", "[,;] *")': ["a", "b", "c"], 'regex_split("", ",")': [""]},
    validate=_check_pattern,
    canonical=_spell_out,
)
def regex_split(s: str, *, pattern: str) -> list[str]:
    """The parts of the text between the matches of the pattern; parts may be empty. An empty match separates
    nothing. Null gives null. (`split` takes its separator literally.)
    """
    text, parts, end = s.encode(), [], 0
    for match in _matches(text, pattern):
        if match.end() > match.start():
            parts.append(text[end : match.start()].decode())
            end = match.end()
    return [*parts, text[end:].decode()]


def _check_like(constants: Mapping[str, Any]) -> str | None:
    pattern, escape = constants["pattern"], constants["escape"]
    if len(pattern) > LONGEST_LIKE:
        return f"a pattern has at most {LONGEST_LIKE:_} characters, found {len(pattern):_}"
    if len(escape) != 1 or escape in "%_":
        return f"the escape is one character and neither `%` nor `_`, found `{escape}`"
    escaped = re.findall(re.escape(escape) + "(.?)", pattern, re.DOTALL)
    wrong = [char for char in escaped if char not in ("%", "_", escape)]
    return f"in a pattern `{escape}` is followed by `%`, `_` or itself: `{pattern}`" if wrong else None


@operator(
    'like(s: string, pattern: const string, escape: const string = "\\") -> bool',
    examples={
        'like("The Matrix", "%Mat_ix")': True,
        'like("The Matrix", "Matrix")': False,
        'like("100%", "%!%", escape: "!")': True,
    },
    validate=_check_like,
)
def like(s: str, *, pattern: str, escape: str) -> bool:
    """Whether the whole text fits SQL's pattern: `%` stands for any text, `_` for one code point, and the
    `escape` before one of them, or before itself, takes its meaning away. A line break is a character as
    others are. Case counts (see `ilike`). Null gives null.
    """
    ends = {0}  # where what was read of the pattern may end
    for part in re.findall(re.escape(escape) + ".|.", pattern, re.DOTALL):
        if part == "%":
            ends = set(range(min(ends, default=len(s) + 1), len(s) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(s) and (part == "_" or part[-1] == s[end])}
    return len(s) in ends
