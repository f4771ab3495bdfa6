"""The page of a diagnostic's code: `codes/E0203.md` says what it means and why the rule is there, and has a program
that fails and one that is mended. What the checker says of them is computed when the page is shown, so it is
always what it says today.

In a page, a fence holds a file: the first of a program is `program.feat`, the others have a path after the
language. After the path may stand `latin-1` (the file is written so), `500 times` (its last line is), or `3 MB` (the
line is repeated up to that size).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from featdsl.codes import CODES
from featdsl.diagnostics import Diagnostic

MAIN = "program.feat"

_SECTIONS = re.compile(
    r"\A(?P<text>[\s\S]+?)\n## Fails\n(?P<fails>[\s\S]+?)\n## Mended\n(?P<mended>[\s\S]+)\Z"
)
_FENCE = re.compile(
    r"^```(?:feat|text)(?: (?P<path>\S+?))?(?: (?P<how>[^`\n]+))?\n(?P<text>[\s\S]*?)^```$",
    re.M,
)


@dataclass(frozen=True, slots=True)
class File:
    """`how` is empty, `latin-1`, `500 times` or a size such as `3 MB`."""

    path: str
    text: str
    how: str = ""

    @property
    def data(self) -> bytes:
        number = self.how.split(" ")[0]
        if self.how.endswith(" MB"):
            line = self.text.encode()
            return line * ((int(number) << 20) // len(line) + 1)
        if self.how.endswith(" times"):
            *before, last = self.text.splitlines(keepends=True)
            return "".join([*before, last * int(number)]).encode()
        return self.text.encode(self.how or "utf-8")


@dataclass(frozen=True, slots=True)
class Program:
    """Some words and the files of a program; the first file is the one that is checked."""

    text: str
    files: tuple[File, ...]

    def said(self, *, color: bool = False) -> str:
        """What the checker says, as in a terminal; empty where it says nothing."""
        from featdsl.rendering import as_text

        return as_text(_found(self), color=color)

    def codes(self) -> set[str]:
        """The codes of what the checker finds."""
        return {d.code for d in _found(self)}

    def read(self, path: str) -> bytes:
        """The bytes of one of the files. Errors: `OSError`, as for a file of a disk."""
        for file in self.files:
            if file.path == path:
                return file.data
            if file.path.startswith(path + "/"):
                raise IsADirectoryError(path)
        raise FileNotFoundError(path)


@cache
def _found(program: Program) -> tuple[Diagnostic, ...]:
    from featdsl.check import check

    return check(MAIN, read=program.read).diagnostics


@dataclass(frozen=True, slots=True)
class Page:
    """`text` is Markdown: what the code means, and why. `fails` and `mended` are programs."""

    code: str
    title: str
    text: str
    fails: Program
    mended: Program

    def as_data(self) -> dict[str, Any]:
        """The form of `feat explain CODE --json`."""
        return {
            "code": self.code,
            "severity": "warning" if self.code.startswith("W") else "error",
            "title": self.title,
            "text": self.text,
            "fails": {"files": _shown(self.fails.files), "said": self.fails.said()},
            "mended": {"text": self.mended.text, "files": _shown(self.mended.files)},
        }


@cache
def page(code: str) -> Page:
    """The page of a code of `CODES`. Errors: `ValueError` for a page that is not of its form."""
    source = files("featdsl.manual").joinpath("codes", f"{code}.md").read_text(encoding="utf-8")
    found = _SECTIONS.match(source)
    if found is None:
        raise ValueError(f"{code}.md: a page is text, `## Fails` and `## Mended`")
    return Page(
        code, CODES[code], found["text"].strip(), read_program(found["fails"]), read_program(found["mended"])
    )


def read_program(section: str) -> Program:
    """The files of a section, and the words around them."""
    found = [File(f["path"] or MAIN, f["text"], f["how"] or "") for f in _FENCE.finditer(section)]
    text = re.sub(r"\n{3,}", "\n\n", _FENCE.sub("", section)).strip()
    return Program(text, tuple(found))


def _shown(found: Sequence[File]) -> dict[str, str]:
    return {file.path: file.text for file in found}
