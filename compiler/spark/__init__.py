"""The second backend: a program as Spark columns (`transform` in `compiler/spark/transform.py`).

Importing this registers the lowerings of every family.
"""

from __future__ import annotations

from compiler.spark import (
    bert,
    cast,
    format,
    id,
    list,
    logic,
    map,
    math,
    normalise,
    numeric,
    parse,
    select,
    set,
    statistics,
    string,
    text,
    time,
    trigonometry,
    vector,
)
from compiler.spark.fallbacks import FALLBACKS
from compiler.spark.lowering import LOWERINGS

__all__ = [
    "FALLBACKS",
    "LOWERINGS",
    "bert",
    "cast",
    "format",
    "id",
    "list",
    "logic",
    "map",
    "math",
    "normalise",
    "numeric",
    "parse",
    "select",
    "statistics",
    "vector",
    "set",
    "string",
    "text",
    "time",
    "trigonometry",
]
