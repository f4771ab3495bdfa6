"""Patterns as a program carries them: RE2's syntax with all that depends on a version of Unicode spelled out.

`spelled_out` reads a pattern and writes one that means the same to every RE2: `\\pL` and the like become ranges of
code points of Unicode 14.0.0, and `(?i)` is gone, with each character and class under it widened to what is one with
it under simple case folding. Names of groups go too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NoReturn

from featdsl.operators.unicode_classes import LAST, Ranges, folded, merged, negated, orbit, unicode_class

LONGEST = 10_000

_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_PERL: dict[str, Ranges] = {"d": _DIGIT, "s": ((9, 10), (12, 13), (32, 32)), "w": _WORD}
_POSIX: dict[str, Ranges] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0, 0x7F),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((9, 13), (32, 32)),
    "upper": ((0x41, 0x5A),),
    "word": _WORD,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
_GROUP_NAME = re.compile(r"\?P?<(\w*)>")
_FLAGS = re.compile(r"\?([imsU]*)(-[imsU]+)?([:)])")
_REPEAT = re.compile(r"\{\d+(,\d*)?\}")


class PatternError(ValueError):
    """`position` counts code points from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class _Scope:
    """What holds up to the end of the group that was opened at `start`."""

    start: int = 0
    ignores_case: bool = False


def spelled_out(pattern: str) -> str:
    """The pattern without what depends on a version of Unicode. Errors: `PatternError` with the place."""
    return _Reader(pattern).read()


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.scopes = [_Scope()]

    def read(self) -> str:
        while self.at < len(self.pattern):
            start, char = self.at, self.pattern[self.at]
            self.at += 1
            if char == "\\":
                self._escape(start)
            elif char == "[":
                self._write_class(self._class(start))
            elif char == "(":
                self._open(start)
            elif char == ")":
                if len(self.scopes) == 1:
                    self._fail("a `)` closes no group", start)
                self.scopes.pop()
                self.out.append(")")
            elif char == "{":
                self._repeat(start)
            elif char in ".|^$*+?":
                self.out.append(char)
            else:
                self._write_character(ord(char))
        if len(self.scopes) > 1:
            self._fail("a group has no `)`", self.scopes[-1].start)
        return "".join(self.out)

    @property
    def _ignores_case(self) -> bool:
        return self.scopes[-1].ignores_case

    def _fail(self, message: str, position: int) -> NoReturn:
        raise PatternError(message, position)

    def _looking_at(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def _open(self, start: int) -> None:
        ignores_case = self._ignores_case
        if not self._looking_at("?"):
            self.scopes.append(_Scope(start, ignores_case))
            self.out.append("(")
            return
        if (name := _GROUP_NAME.match(self.pattern, self.at)) is not None:
            if not name[1]:
                self._fail("a group's name is empty", start)
            self.at = name.end()
            self.scopes.append(_Scope(start, ignores_case))
            self.out.append("(")
            return
        flags = _FLAGS.match(self.pattern, self.at)
        if flags is None or flags[0] == "?)":
            if re.compile(r"\?<?[=!]").match(self.pattern, self.at):
                self._fail("RE2 has no look-around", start)
            self._fail("a group begins with `(?` and none of `:`, `P<name>` and the flags `imsU`", start)
        self.at = flags.end()
        on, off = flags[1], (flags[2] or "-").removeprefix("-")
        ignores_case = (ignores_case or "i" in on) and "i" not in off
        kept = [flag for flag in dict.fromkeys(on) if flag != "i" and flag not in off]
        # `-i` changes nothing, and keeps what stands here a thing of its own.
        self.out.append(f"(?{''.join(kept)}-i{''.join(f for f in dict.fromkeys(off) if f != 'i')}{flags[3]}")
        if flags[3] == ")":
            self.scopes[-1] = replace(self.scopes[-1], ignores_case=ignores_case)
        else:
            self.scopes.append(_Scope(start, ignores_case))

    def _repeat(self, start: int) -> None:
        found = _REPEAT.match(self.pattern, start)
        self.at = start + 1 if found is None else found.end()
        self.out.append(r"\{" if found is None else found[0])

    # --- escapes ---

    def _escape(self, start: int) -> None:
        char = self.pattern[self.at] if self.at < len(self.pattern) else ""
        if char in ("A", "z", "b", "B") and char:
            self.at += 1
            self.out.append("\\" + char)
        elif char == "Q":
            end = self.pattern.find("\\E", self.at)
            end = len(self.pattern) if end < 0 else end
            for literal in self.pattern[self.at + 1 : end]:
                self._write_character(ord(literal))
            self.at = end + 2
        elif (ranges := self._named_class(start)) is not None:
            self._write_class(ranges)
        else:
            self._write_character(self._escaped(start))

    def _named_class(self, start: int) -> Ranges | None:
        """The class that `\\d`, `\\pL` and the like name, if one stands at `start`; moves behind it."""
        char = self.pattern[start + 1 : start + 2]
        if char.lower() in _PERL and char:
            self.at = start + 2
            return self._signed(_PERL[char.lower()], char.isupper())
        if char not in ("p", "P"):
            return None
        if self.pattern.startswith("{", start + 2):
            end = self.pattern.find("}", start)
            if end < 0:
                self._fail("the name of a class has no `}`", start)
            name, self.at = self.pattern[start + 3 : end], end + 1
        else:
            name, self.at = self.pattern[start + 2 : start + 3], start + 3
        minus = char == "P"
        if name.startswith("^"):
            name, minus = name[1:], not minus
        ranges = unicode_class(name)
        if ranges is None:
            self._fail(f"Unicode 14.0.0 has no category or script `{name}`", start)
        return self._signed(ranges, minus)

    def _signed(self, ranges: Ranges, minus: bool) -> Ranges:
        """With the case ignored, a class is widened before it is negated."""
        ranges = folded(ranges) if self._ignores_case else ranges
        return negated(ranges) if minus else ranges

    def _escaped(self, start: int) -> int:
        """The character that an escape at `start` stands for; moves behind it."""
        self.at = start + 2
        char = self.pattern[start + 1 : start + 2]
        if not char:
            self._fail("the pattern ends with a single `\\`", start)
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            digits = re.compile(r"x(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))").match(
                self.pattern, start + 1
            )
            code = -1 if digits is None else int(digits[1] or digits[2], 16)
            if digits is None or not code <= LAST or 0xD800 <= code < 0xE000:
                self._fail("`\\x` wants two hexadecimal digits, or those of a code point in braces", start)
            self.at = digits.end()
            return code
        if (octal := re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self.pattern, start + 1)) is not None:
            self.at = octal.end()
            return int(octal[0], 8)
        if char.isascii() and not char.isalnum():
            return ord(char)
        if char.isdigit():
            self._fail(f"RE2 has no reference back to a group: `\\{char}`", start)
        if char == "C":
            self._fail("`\\C` would take characters apart", start)
        self._fail(f"RE2 has no escape `\\{char}`", start)

    # --- classes in brackets ---

    def _class(self, start: int) -> Ranges:
        minus = self._looking_at("^")
        self.at += minus
        found: list[tuple[int, int]] = []
        first = True
        while first or not self._looking_at("]"):
            if self.at >= len(self.pattern):
                self._fail("a class has no `]`", start)
            first = False
            found += self._member()
        self.at += 1
        ranges = merged(found)
        return negated(ranges) if minus else ranges

    def _member(self) -> Iterable[tuple[int, int]]:
        """One member of a class in brackets."""
        start = self.at
        if self._looking_at("[:") and (end := self.pattern.find(":]", start)) >= 0:
            name = self.pattern[start + 2 : end].removeprefix("^")
            if name not in _POSIX:
                self._fail(f"there is no class `[:{name}:]`", start)
            self.at = end + 2
            return self._signed(_POSIX[name], self.pattern[start + 2] == "^")
        if self._looking_at("\\") and (ranges := self._named_class(start)) is not None:
            return ranges
        low = high = self._class_character()
        if self._looking_at("-") and self.at + 1 < len(self.pattern) and self.pattern[self.at + 1] != "]":
            self.at += 1
            high = self._class_character()
            if high < low:
                self._fail(f"a range ends before it starts: `{self.pattern[start : self.at]}`", start)
        return folded(((low, high),)) if self._ignores_case else ((low, high),)

    def _class_character(self) -> int:
        if self._looking_at("\\"):
            return self._escaped(self.at)
        self.at += 1
        return ord(self.pattern[self.at - 1])

    # --- writing ---

    def _write_character(self, code: int) -> None:
        same = orbit(code) if self._ignores_case else (code,)
        if len(same) == 1:
            self.out.append(_literal(code))
        else:
            self._write_class(merged((c, c) for c in same))

    def _write_class(self, ranges: Ranges) -> None:
        if not ranges:
            self.out.append(r"[^\x{0}-\x{10FFFF}]")
            return
        inside = (_literal(a) if a == b else f"{_literal(a)}-{_literal(b)}" for a, b in ranges)
        self.out.append(f"[{''.join(inside)}]")


def _literal(code: int) -> str:
    """A character as it stands in a pattern, in brackets or not."""
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return "\\" + char if 0x21 <= code < 0x7F else f"\\x{{{code:X}}}"
