"""The standard library: defs that every program may call, written in the language (`featdsl/std.feat`).

A def of the program's own goes before one of the same name here. Within the library a call means the library's def,
whatever the program declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from featdsl.diagnostics import Diagnostics
from featdsl.rendering import as_text
from featdsl.source_file import SourceFile, Span
from featdsl.syntax import parse, tree

PATH = "featdsl/std.feat"
"""How the library's file is named in messages, wherever it is installed."""


_DEF = re.compile(r"^(?:##.*\n)*def (\w+)", re.MULTILINE)


@cache
def standard_defs() -> Mapping[str, tree.Def]:
    """The library's defs by name, in their order; each is parsed when it is first asked for. Errors: `ValueError`
    where the library itself is wrong."""
    text = (Path(__file__).parents[1] / "std.feat").read_text(encoding="utf-8")
    found = list(_DEF.finditer(text))
    ends = [*(following.start() for following in found[1:]), len(text)]
    parts = {one[1]: (one.start(), end) for one, end in zip(found, ends, strict=True)}
    return _Library(SourceFile(PATH, text), parts)


class _Library(Mapping[str, tree.Def]):
    """`parts` are the places of the defs, from the documentation before each to that of the next one."""

    def __init__(self, file: SourceFile, parts: Mapping[str, tuple[int, int]]) -> None:
        self._file = file
        self._parts = parts
        self._parsed: dict[str, tree.Def] = {}

    def __getitem__(self, name: str) -> tree.Def:
        if name not in self._parsed:
            self._parsed[name] = self._parse(self._parts[name])
        return self._parsed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def _parse(self, part: tuple[int, int]) -> tree.Def:
        diagnostics = Diagnostics()
        declarations = parse(self._file, diagnostics, part).declarations
        if diagnostics.found or len(declarations) != 1 or not isinstance(declarations[0], tree.Def):
            raise ValueError(as_text(diagnostics.found) or f"not a def: {self._file.text[slice(*part)]}")
        return declarations[0]


def is_standard(span: Span) -> bool:
    """Whether a place lies in the library."""
    return span.file.path == PATH
