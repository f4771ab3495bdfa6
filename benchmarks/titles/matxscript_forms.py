"""Titles to ids in matxscript, compiled by `matx.script`, whose subset of Python this is.

Tried besides, and slower: a text a character at a time by position, a `matx.Regex` that replaces what separates by
spaces before `split()`, a set of characters, rows as lists of lists, a `matx.NDArray` made of them, typed
containers (`FTList`). Texts are as wide as in Python there; a `Trie` would still be told where a word ends.
"""

# ruff: noqa: UP006, UP035  `matx.script` knows `List`, not `list`
from typing import Dict, List

import matx


class RegularExpression:
    """As its users write it."""

    def __init__(self, vocab: List[str], is_word: bytes, width: int) -> None:
        self.numbers: Dict[str, int] = {}
        for i in range(len(vocab)):
            self.numbers[vocab[i]] = i + 2
        self.separators: matx.Regex = matx.Regex("[^\\pL\\pM\\pN_]+")
        self.width: int = width

    def __call__(self, titles: List[str]) -> List[int]:
        ids: List[int] = []
        ids.reserve(len(titles) * self.width)
        width: int = self.width
        for title in titles:
            count: int = 0
            words: List[str] = self.separators.split(title.lower())
            for word in words:
                if len(word) > 0 and count < width:
                    ids.append(self.numbers.get(word, 1))
                    count += 1
            while count < width:
                ids.append(0)
                count += 1
        return ids


class Characters:
    """The fastest that was found: a loop over characters, whose classes stand in a list."""

    def __init__(self, vocab: List[str], is_word: bytes, width: int) -> None:
        self.numbers: Dict[str, int] = {}
        for i in range(len(vocab)):
            self.numbers[vocab[i]] = i + 2
        self.is_word: List[bool] = []
        for flag in is_word:
            self.is_word.append(flag == 1)
        self.width: int = width

    def __call__(self, titles: List[str]) -> List[int]:
        ids: List[int] = []
        ids.reserve(len(titles) * self.width)
        width: int = self.width
        for title in titles:
            text: str = title.lower()
            count: int = 0
            start: int = -1
            at: int = -1
            for character in text:
                at += 1
                if self.is_word[ord(character)]:
                    if start < 0:
                        start = at
                elif start >= 0:
                    if count < width:
                        ids.append(self.numbers.get(text[start:at], 1))
                        count += 1
                    start = -1
            if start >= 0 and count < width:
                ids.append(self.numbers.get(text[start:], 1))
                count += 1
            while count < width:
                ids.append(0)
                count += 1
        return ids


FORMS = {"regular expression": RegularExpression, "loop over characters": Characters}
