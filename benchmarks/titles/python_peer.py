"""Titles to ids in plain Python."""

from __future__ import annotations

import re
import sys
import unicodedata

WIDTH = 32


def _is_mark(code: int) -> bool:
    return unicodedata.category(chr(code)).startswith("M")


_MARKS = "".join(chr(code) for code in range(sys.maxunicode + 1) if _is_mark(code))
_ascii_words = re.compile(r"\w+", re.ASCII).findall
_all_words = re.compile(rf"[\w{_MARKS}]+").findall  # `\w` alone leaves out marks


def words(text: str) -> list[str]:
    """The maximal runs of letters, marks, numbers and underscore."""
    return _ascii_words(text) if text.isascii() else _all_words(text)


class PythonTitles:
    name = "plain Python, re and a dict"

    def __init__(self, vocab: list[str]) -> None:
        self._numbers = {word: 2 + i for i, word in enumerate(vocab)}

    def run(self, titles: list[str]) -> list[list[int]]:
        number = self._numbers.get
        rows = [[number(word, 1) for word in words(title.lower())[:WIDTH]] for title in titles]
        return [row + [0] * (WIDTH - len(row)) for row in rows]
