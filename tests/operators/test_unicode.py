"""Case mapping, white space and words: the engine against the reference, for every code point."""

from __future__ import annotations

import importlib.util
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdsl.operators import string
from tests.operators.on_engine import run

FEATURES = {
    "lowered": "lower(request.s)",
    "uppered": "upper(request.s)",
    "trimmed": "trim(request.s)",
    "word_list": "words(request.s)",
    "points": "length(request.s)",
}
ENGINE = Path(__file__).parents[2] / "engine"
CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
WITH_CASES = [code for code in CODE_POINTS if code < 0x20000 or 0xE0000 <= code < 0xE1000]
"""No code point elsewhere is cased or case-ignorable."""


def _assert_same(texts: list[str]) -> None:
    got = run(FEATURES, {"s": ("string", texts)})
    wanted = {
        "lowered": map(string.lower, texts),
        "uppered": map(string.upper, texts),
        "trimmed": map(string.trim, texts),
        "word_list": map(string.words, texts),
        "points": map(string.length, texts),
    }
    for name, values in wanted.items():
        different = [(s, g, w) for s, g, w in zip(texts, got[name], values, strict=True) if g != w]
        assert not different, (name, len(different), different[:5])


def test_the_tables_are_those_of_this_version() -> None:
    assert unicodedata.unidata_version == "14.0.0"
    spec = importlib.util.spec_from_file_location("unicode_tables", ENGINE / "unicode_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ENGINE / "unicode_tables.h").read_text(encoding="utf-8") == module.header(), "generate it anew"


def test_every_code_point() -> None:
    _assert_same([f" {chr(code)}x" for code in CODE_POINTS])


@pytest.mark.parametrize("before", ["", "A"])
@pytest.mark.parametrize("after", ["", "B"])
def test_a_final_sigma_beside_every_code_point(before: str, after: str) -> None:
    texts = [f"{before}{chr(code)}Σ{after}" for code in WITH_CASES]
    texts += [f"AΣ{chr(code)}{after}" for code in WITH_CASES]
    got = run({"lowered": "lower(request.s)"}, {"s": ("string", texts)})["lowered"]
    assert [(s, g) for s, g in zip(texts, got, strict=True) if g != s.lower()] == []


NASTY = (
    "aAzZ09_ '.-:Σσςİıßẞǅǆŉΐﬁﬄ\u0301\u0307\u0345\u200b\u200d\u00ad\u00a0\u3000\u2028日🙂"
    "\U00010400\U0001e921\U0010ffff\0\x1c"
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.text(alphabet=NASTY, max_size=20), st.text(max_size=40)), min_size=1, max_size=60)
)
def test_random_texts(texts: list[str]) -> None:
    _assert_same([text.encode("utf-8", "ignore").decode() for text in texts])
