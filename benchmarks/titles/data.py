"""Titles of films and books in many languages, and the vocabulary of their words."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.titles.python_peer import words

DATA = Path(os.environ.get("FEATDSL_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILMS, BOOKS, TAGS = (
    "movietweetings/items.parquet",
    "goodbooks_books/items.parquet",
    "goodbooks_books/tags.parquet",
)
ENTRIES = 30_000


class Titles:
    """32,026 titles, of which 5 % are not ASCII. The vocabulary holds their words, those of the books' authors and
    of readers' tags, the most frequent first: 0.5 % of the titles' words are not in it."""

    def __init__(self) -> None:
        if not DATA.is_dir():
            raise SystemExit(f"error: no titles at {DATA}\nhelp: FEATDSL_DATA says where the tables lie")
        self.titles = [*_texts(FILMS, "title"), *_texts(BOOKS, "title"), *_texts(BOOKS, "original_title")]
        others = [*_texts(TAGS, "tag_name"), *(a for some in _texts(BOOKS, "authors") for a in some)]
        counts = Counter(word for text in [*self.titles, *others] for word in words(text.lower()))
        self.vocab = sorted(counts, key=lambda word: (-counts[word], word))[:ENTRIES]

    def calls(self, count: int, size: int) -> list[list[str]]:
        """`count` calls of `size` titles each."""
        rng = random.Random(size)
        return [rng.sample(self.titles, size) for _ in range(count)]


def _texts(table: str, column: str) -> list[str]:
    values = pq.read_table(DATA / table, columns=[column])[column].to_pylist()
    return [value for value in values if value is not None]
