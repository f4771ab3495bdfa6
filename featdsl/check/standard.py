"""The standard library: defs that every program may call, written in the language (`featdsl/std.feat`).

A def of the program's own goes before one of the same name here. Within the library a call means the library's def,
whatever the program declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from featdsl.diagnostics import Diagnostics
from featdsl.rendering import as_text
from featdsl.source_file import SourceFile, Span
from featdsl.syntax import parse, tree

PATH = "featdsl/std.feat"
"""How the library's file is named in messages, wherever it is installed."""


@cache
def standard_defs() -> Mapping[str, tree.Def]:
    """The library's defs by name. Errors: `ValueError` where the library itself is wrong."""
    text = (Path(__file__).parents[1] / "std.feat").read_text(encoding="utf-8")
    diagnostics = Diagnostics()
    file = parse(SourceFile(PATH, text), diagnostics)
    if diagnostics.found:
        raise ValueError(as_text(diagnostics.found))
    return {d.name.name: d for d in file.declarations if isinstance(d, tree.Def)}


def is_standard(span: Span) -> bool:
    """Whether a place lies in the library."""
    return span.file.path == PATH
