"""Every code of a diagnostic and what it is about, in one line. E01 syntax, E02 types, E03 names,
E04 declarations, E05 lists, E06 levels and models, E07 files; W01 warnings."""

from __future__ import annotations

CODES: dict[str, str] = {
    "E0101": "something else was expected here",
    "E0102": "a character has no meaning in the language",
    "E0103": "a text is not closed on its line",
    "E0104": "a backslash in a text begins no known escape",
    "E0105": "digits do not make a number",
    "E0106": "a number does not fit its type",
    "E0107": "a reserved word stands where a name is wanted",
    "E0108": "operators that do not nest by themselves need parentheses",
    "E0109": "a bracket is not closed",
    "E0110": "an expression is nested too deeply",
    "E0111": "a declared name is not in snake_case",
    "E0112": "`keep` or `score` stands twice in a model",
}
