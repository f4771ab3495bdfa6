"""The operators of the language, a module a family; importing this declares them all."""

from __future__ import annotations

from featdsl.operators import (
    cast,
    fitted,
    format,
    geo,
    id,
    list,
    logic,
    map,
    math,
    normalise,
    numeric,
    parse,
    regex,
    select,
    set,
    statistics,
    string,
    text,
    time,
    trigonometry,
    vector,
)
from featdsl.operators.declare import OPERATORS, SYMBOLS

__all__ = [
    "OPERATORS",
    "SYMBOLS",
    "cast",
    "fitted",
    "format",
    "geo",
    "id",
    "list",
    "logic",
    "map",
    "math",
    "normalise",
    "numeric",
    "parse",
    "regex",
    "select",
    "statistics",
    "vector",
    "set",
    "string",
    "text",
    "time",
    "trigonometry",
]
