"""Diagnostics as text for a terminal and as data for machines."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from typing import Any

from featdsl.diagnostics import MOST_FOUND, Diagnostic
from featdsl.source_file import Span

_MAX_LINE = 200
"""Longest excerpt of a line, in code points."""


def sort_key(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """Orders diagnostics by file and place."""
    return diagnostic.span.file.path, diagnostic.span.start, diagnostic.span.end


def as_data(diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """`{"diagnostics": […]}`, the form of `feat check --json`. Lines and columns count from 1; an end is
    exclusive."""
    return {"diagnostics": [_entry(d) for d in sorted(diagnostics, key=sort_key)]}


def _entry(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "label": diagnostic.label,
        "notes": [{"message": n.message, **(_place(n.span) if n.span else {})} for n in diagnostic.notes],
        "help": diagnostic.help,
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.file.position(span.start)
    end_line, end_column = span.file.position(span.end)
    return {
        "file": span.file.path,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def as_text(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """All of them in the order of the text, a blank line between two, and a line that counts them."""
    found = sorted(diagnostics, key=sort_key)
    parts = [_Text(color).render(d) for d in found]
    errors = sum(d.severity == "error" for d in found)
    warnings = len(found) - errors
    counts = [
        f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((errors, "error"), (warnings, "warning")) if n
    ]
    more = ", and more" if max(errors, warnings) >= MOST_FOUND else ""
    return "\n\n".join([*parts, ", ".join(counts) + more]) if parts else ""


def further(diagnostics: Iterable[Diagnostic]) -> str:
    """The last line of a command that found something: where to read on about the first mistake."""
    found = sorted(diagnostics, key=lambda d: (d.severity != "error", *sort_key(d)))
    return f"for more: feat explain {found[0].code}" if found else ""


class _Text:
    def __init__(self, color: bool) -> None:
        self.color = color

    def render(self, diagnostic: Diagnostic) -> str:
        tint = "31;1" if diagnostic.severity == "error" else "33;1"
        head = self._paint(f"{diagnostic.severity}[{diagnostic.code}]", tint)
        lines = [f"{head}: {self._paint(diagnostic.message, '1')}"]
        lines += self._excerpt(diagnostic.span, diagnostic.label, tint)
        for note in diagnostic.notes:
            lines.append(f"{self._paint('note', '36')}: {note.message}")
            if note.span is not None:
                lines.append(f"  --> {_where(note.span)}")
        if diagnostic.help:
            lines.append(f"{self._paint('help', '32')}: {diagnostic.help}")
        return "\n".join(lines)

    def _excerpt(self, span: Span, label: str, tint: str) -> list[str]:
        if not span.file.text:
            return [f" --> {_where(span)}"]
        line, column = span.file.position(span.start)
        end_line, end_column = span.file.position(span.end)
        text = span.file.line(line)
        if end_line > line:
            end_column = len(text) + 1
        shift = max(0, column - 1 - _MAX_LINE // 2) if len(text) > _MAX_LINE else 0
        shown = text[shift : shift + _MAX_LINE].replace("\t", " ")
        shown = "".join(c if c.isprintable() else "\ufffd" for c in shown)
        before = _width(shown[: column - 1 - shift])
        marked = _width(shown[column - 1 - shift : end_column - 1 - shift])
        gutter = " " * len(str(line))
        carets = self._paint("^" * max(1, marked) + (f" {label}" if label else ""), tint)
        return [
            f"{gutter}--> {_where(span)}",
            f"{line} | {shown}".rstrip(),
            f"{gutter} | {' ' * before}{carets}",
        ]

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.color else text


def _where(span: Span) -> str:
    if not span.file.text:
        return span.file.path
    line, column = span.file.position(span.start)
    return f"{span.file.path}:{line}:{column}"


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def wants_color(stream: Any) -> bool:
    """Whether a stream is a terminal that shows colour (`NO_COLOR` says no)."""
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
