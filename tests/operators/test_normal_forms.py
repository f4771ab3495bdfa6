"""Normal forms and widths: the engine against Python's own, for every code point."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import normal_tables
from featdsl.operators import text
from tests.operators.on_engine import run

FORMS = text.FORMS
CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
MARKS = [chr(code) for code in CODE_POINTS if unicodedata.combining(chr(code))]
JOINING = sorted({chr(code) for composition in normal_tables.COMPOSED for code in composition})
STRANGE = "aÅÅΩ각가ㄱ각ﬁﷺ²①ｶﾞṩ\u0323\u0307\u0300\u0345\u3099\U0001d15e\U000114ba\u0f71\u0f73\u0344"


def _assert_same(texts: list[str]) -> None:
    got = run({form.lower(): f'normalize(request.s, "{form}")' for form in FORMS}, {"s": ("string", texts)})
    for form in FORMS:
        wanted = [unicodedata.normalize(form, s) for s in texts]  # type: ignore[arg-type]
        different = [(s, g, w) for s, g, w in zip(texts, got[form.lower()], wanted, strict=True) if g != w]
        assert not different, (form, len(different), different[:5])


def test_the_tables_are_those_of_this_version() -> None:
    path = Path(normal_tables.__file__).with_name("normal_tables.h")
    assert path.read_text(encoding="utf-8") == normal_tables.header(), "generate it anew"


def test_every_code_point() -> None:
    _assert_same([f"a{chr(code)}\u0301" for code in CODE_POINTS])


def test_every_pair_that_may_join() -> None:
    seconds = [chr(code) for code in sorted(normal_tables.SECONDS)]
    _assert_same(
        [first + second for first, second in itertools.product([*JOINING[::3], "\u1100", "가"], seconds)]
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from([*STRANGE, *MARKS]) | st.characters(codec="utf-8"), max_size=30), min_size=1
    )
)
def test_texts_with_many_marks(texts: list[str]) -> None:
    _assert_same(texts)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0315\u0300\u05ae\u0323"])
def test_a_megabyte_of_marks_takes_no_quadratic_time(marks: str) -> None:
    s = "a" + marks * (500_000 // len(marks))
    assert run({"n": 'normalize(request.s, "NFC")'}, {"s": ("string", [s])})["n"] == [
        text.normalize(s, form="NFC")
    ]
    _assert_same(["a" + marks * 500])


def test_widths_of_every_code_point() -> None:
    texts = [f"{chr(code)}a" for code in CODE_POINTS]
    got = run({"folded": "fold_width(request.s)"}, {"s": ("string", texts)})["folded"]
    different = [(s, g) for s, g in zip(texts, got, strict=True) if g != text.fold_width(s)]
    assert not different, (len(different), different[:5])
