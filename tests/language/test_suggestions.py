"""What is suggested for names of other languages can be written here."""

from __future__ import annotations

import re

from featdsl.check.standard import standard_defs
from featdsl.check.suggest import ELSEWHERE
from featdsl.operators import OPERATORS
from featdsl.syntax.lexer import KEYWORDS

KNOWN = set(OPERATORS) | set(standard_defs())


def test_what_is_suggested_is_there() -> None:
    for name, advice in ELSEWHERE.items():
        for code in re.findall(r"`([^`]+)`", advice):
            called = re.findall(r"([a-z_0-9]+)\(", code) or re.findall(r"^([a-z_0-9]+)$", code)
            assert set(called) <= KNOWN | KEYWORDS, (name, advice)


def test_what_is_there_is_no_name_of_another_language() -> None:
    assert not KNOWN & set(ELSEWHERE)
