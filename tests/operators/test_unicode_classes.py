"""The classes of characters that patterns are spelled out with."""

from __future__ import annotations

import unicodedata

from featdsl.operators.regex_syntax import spelled_out
from featdsl.operators.unicode_classes import LAST, Ranges, orbit, unicode_class


def members(ranges: Ranges | None) -> set[int]:
    assert ranges is not None
    return {code for first, last in ranges for code in range(first, last + 1)}


def test_categories_are_those_of_unicode_14() -> None:
    found: dict[str, set[int]] = {}
    for code in range(LAST + 1):
        found.setdefault(unicodedata.category(chr(code)), set()).add(code)
    del found["Cn"]
    for name, codes in found.items():
        assert members(unicode_class(name)) == codes, name
    for letter in "CLMNPSZ":
        codes = {code for name, codes in found.items() if name[0] == letter for code in codes}
        assert members(unicode_class(letter)) == codes, letter


def test_scripts_share_no_code_point_and_end_with_unicode_14() -> None:
    latin, greek = members(unicode_class("Latin")), members(unicode_class("Greek"))
    assert latin & greek == set()
    assert len(members(unicode_class("Han"))) == 94_215
    assert (len(latin), len(greek)) == (1475, 518)
    assert unicode_class("Vithkuqi") is not None
    assert unicode_class("Kawi") is None


def test_case_folds_as_letters_that_lower_alike() -> None:
    for code in range(LAST + 1):
        others = orbit(code)
        assert code in others
        folded = {chr(c).lower().upper() for c in others if c not in (0x345, 0x1E9E)}
        assert len(others) == 1 or len(folded) == 1, hex(code)


def test_a_spelled_out_pattern_stays_as_it_is() -> None:
    for pattern in (
        r"(?i)é[^\pL\d]+|\P{Han}{2,3}?",
        r"^(?s:.)(?P<a>[[:^alpha:]])\Q[x]\E$",
        r"\x{1F642}[\x00- ]",
    ):
        once = spelled_out(pattern)
        assert spelled_out(once) == once
        assert once.isascii()
