"""Texts as BERT's models take them: words, pieces of words from a vocab, and the three vectors."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from featdsl.operators.declare import operator
from featdsl.operators.list import PAD_LIMIT
from featdsl.operators.string import WHITE_SPACE
from featdsl.resources import Vocab

LONGEST_WORD = 10_000
CJK = (
    range(0x4E00, 0xA000),
    range(0x3400, 0x4DC0),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B820, 0x2CEB0),
    range(0xF900, 0xFB00),
    range(0x2F800, 0x2FA20),
)
"""The blocks whose characters stand for themselves."""


def is_dropped(char: str) -> bool:
    """Control and format characters (but for tab and line breaks), and what stands for what was not understood."""
    return char == "\ufffd" or (unicodedata.category(char) in ("Cc", "Cf") and char not in "\t\n\r")


def is_punctuation(char: str) -> bool:
    """Unicode's punctuation (P), and all signs of ASCII."""
    return unicodedata.category(char)[0] == "P" or ("!" <= char <= "~" and not char.isalnum())


@operator(
    "bert_words(s: string, lower: const bool = true) -> list<string>",
    examples={
        'bert_words("Héllo, WORLD!")': ["hello", ",", "world", "!"],
        'bert_words("don\'t")': ["don", "'", "t"],
        'bert_words("日本 Tokyo", lower: false)': ["日", "本", "Tokyo"],
    },
)
def bert_words(s: str, *, lower: bool) -> list[str]:
    """The words of a text as BERT's basic tokenizer splits them, for `wordpiece`. Control and format characters go;
    white space separates; a Chinese character and a punctuation mark (Unicode's, and all signs of ASCII) are
    words of their own. With `lower` (for an uncased model) words are in lower case and without accents (in NFD, less
    the nonspacing marks). Unicode is 14.0.0. Null gives null.

    Source: `BasicTokenizer` in `tokenization.py` of google-research/bert.
    """
    kept = "".join(char for char in s if not is_dropped(char))
    apart = "".join(f" {char} " if any(ord(char) in block for block in CJK) else char for char in kept)
    found: list[str] = []
    for token in _split_at_white_space(apart):
        if lower:
            token = unicodedata.normalize("NFD", token.lower())
            token = "".join(char for char in token if unicodedata.category(char) != "Mn")
        word = ""
        for char in token:
            if not is_punctuation(char):
                word += char
                continue
            found += [word, char] if word else [char]
            word = ""
        found += [word] if word else []
    return found


def _split_at_white_space(s: str) -> list[str]:
    parts = "".join(" " if char in WHITE_SPACE else char for char in s).split(" ")
    return [part for part in parts if part]


def _check_pieces(constants: Mapping[str, Any]) -> str | None:
    if not 1 <= constants["max_chars"] <= LONGEST_WORD:
        return f"a word has 1 to {LONGEST_WORD:_} characters, found {constants['max_chars']}"
    return _check_entries(constants["vocab"], constants["unknown"])


def _check_entries(vocab: Vocab, *entries: str) -> str | None:
    missing = [entry for entry in entries if vocab.id_of(entry) < 2]
    return f"the vocab `{vocab.name}` has no entry `{missing[0]}`" if missing else None


_PIECES = (
    'vocab: const vocab, unknown: const string = "[UNK]", prefix: const string = "##", '
    "max_chars: const int64 = 100"
)


@operator(
    f"wordpiece(words: list<string>, {_PIECES}) -> list<int64>",
    f"wordpiece(s: string, {_PIECES}) -> list<int64>",
    validate=_check_pieces,
)
def wordpiece(
    words: list[str] | str, *, vocab: Vocab, unknown: str, prefix: str, max_chars: int
) -> list[int]:
    """The numbers of the pieces that words are made of: from the left the longest piece that the vocab has, where one
    that does not begin the word has `prefix` before it in the vocab. A word that cannot be put together,
    or has more than `max_chars` code points, is the one piece `unknown`. The numbers are those of the lines of the
    vocab's file, from 0, as BERT's models have them (`lookup` has 0 for null, and counts from 2). A text
    is first split at white space; for BERT write `s |> bert_words |> wordpiece(vocab)`. The vocab must have
    `unknown`. Null gives null.

    Source: `WordpieceTokenizer` in `tokenization.py` of google-research/bert.
    """
    ids: list[int] = []
    for word in _split_at_white_space(words) if isinstance(words, str) else words:
        pieces: list[int] = []
        start = 0
        while start < len(word) <= max_chars:
            end = len(word)
            while end > start and vocab.id_of((prefix if start else "") + word[start:end]) < 2:
                end -= 1
            if end == start:
                break
            pieces.append(_line(vocab, (prefix if start else "") + word[start:end]))
            start = end
        ids += pieces if start == len(word) else [_line(vocab, unknown)]
    return ids


def _line(vocab: Vocab, entry: str) -> int:
    """The number of an entry's line, from 0."""
    return vocab.id_of(entry) - 2


def _check_size(constants: Mapping[str, Any]) -> str | None:
    if not 3 <= constants["n"] <= PAD_LIMIT:
        return f"the size of a vector of pieces is 3 to {PAD_LIMIT:_}, found {constants['n']}"
    if "vocab" in constants:
        return _check_entries(
            constants["vocab"], *(constants[name] for name in ("first", "separator", "fill"))
        )
    return None


def cut(sizes: list[int], n: int) -> list[int]:
    """How many pieces of each text stay: from the longer one, of equals from the second, the last goes until
    all have a place in `n` beside what is put between them."""
    sizes = [*sizes]
    while sum(sizes) > n - 1 - len(sizes):
        longest = 0 if len(sizes) == 1 or sizes[0] > sizes[1] else 1
        sizes[longest] -= 1
    return sizes


def _laid_out(texts: tuple[list[int], ...], n: int) -> list[list[int]]:
    sizes = cut([len(text) for text in texts], n)
    return [text[:size] for text, size in zip(texts, sizes, strict=True)]


_ENTRIES = (
    'vocab: const vocab, n: const int64, first: const string = "[CLS]", '
    'separator: const string = "[SEP]", fill: const string = "[PAD]"'
)


@operator(
    f"text_ids(a: list<int64>, {_ENTRIES}) -> vector<int64, n>",
    f"text_ids(a: list<int64>, b: list<int64>, {_ENTRIES}) -> vector<int64, n>",
    validate=_check_size,
)
def text_ids(*texts: list[int], vocab: Vocab, n: int, first: str, separator: str, fill: str) -> list[int]:
    """The pieces of one text or of two (see `wordpiece`) as BERT's models take them: `[CLS] a [SEP]` or `[CLS] a
    [SEP] b [SEP]`, and `[PAD]` up to `n`. What is too long is cut: the last piece of the longer text goes, of equally
    long ones that of the second, until all have a place. `[CLS]`, `[SEP]` and `[PAD]` are entries of the vocab, which
    `first`, `separator` and `fill` name otherwise. `n` is at least 3. Null gives null.

    Source: `convert_single_example` in `run_classifier.py` of google-research/bert.
    """
    ids = [_line(vocab, first)]
    for kept in _laid_out(texts, n):
        ids += [*kept, _line(vocab, separator)]
    return ids + [_line(vocab, fill)] * (n - len(ids))


@operator(
    "text_segments(a: list<int64>, n: const int64) -> vector<int64, n>",
    "text_segments(a: list<int64>, b: list<int64>, n: const int64) -> vector<int64, n>",
    examples={"text_segments([7, 8], [9], 8)": [0, 0, 0, 0, 1, 1, 0, 0]},
    validate=_check_size,
)
def text_segments(*texts: list[int], n: int) -> list[int]:
    """For each place of `text_ids` of the same texts and `n`, which text it belongs to: 0 for the first and what stands
    before and behind it, 1 for the second and the `[SEP]` behind it, and 0 where it is filled. Null gives null.
    """
    sizes = cut([len(text) for text in texts], n)
    segments = [0] * (sizes[0] + 2) + [1 for size in sizes[1:] for _ in range(size + 1)]
    return segments + [0] * (n - len(segments))


@operator(
    "text_mask(a: list<int64>, n: const int64) -> vector<int64, n>",
    "text_mask(a: list<int64>, b: list<int64>, n: const int64) -> vector<int64, n>",
    examples={"text_mask([7, 8], [9], 8)": [1, 1, 1, 1, 1, 1, 0, 0]},
    validate=_check_size,
)
def text_mask(*texts: list[int], n: int) -> list[int]:
    """For each place of `text_ids` of the same texts and `n`: 1 where something stands, 0 where it is filled.
    Null gives null.
    """
    used = sum(cut([len(text) for text in texts], n)) + 1 + len(texts)
    return [1] * used + [0] * (n - used)
