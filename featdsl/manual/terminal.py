"""Pages of the manual as text for a terminal."""

from __future__ import annotations

import re
import textwrap

from featdsl.manual.codes import MAIN, Page, Program
from featdsl.manual.operators import STANDARD, Entry

WIDTH = 96
_INDENT = "    "


def code_page(page: Page, *, color: bool = False) -> str:
    """The page of a code: what it means, a program that fails with what is said of it, and one that is mended."""
    head = "warning" if page.code.startswith("W") else "error"
    tint = "33;1" if head == "warning" else "31;1"
    parts = [
        f"{_paint(f'{head}[{page.code}]', tint, color)}: {_paint(page.title, '1', color)}",
        prose(page.text, color=color),
        _paint("for example", "1", color),
    ]
    parts += _program(page.fails, color)
    parts.append(textwrap.indent(page.fails.said(color=color), _INDENT))
    parts.append(_paint("mended", "1", color))
    parts += _program(page.mended, color)
    return "\n\n".join(parts)


def _program(program: Program, color: bool) -> list[str]:
    parts = [prose(program.text, color=color)] if program.text else []
    for file in program.files:
        how = f" ({file.how})" if file.how else ""
        name = [] if file.path == MAIN else [_INDENT + _paint(f"{file.path}{how}:", "2", color)]
        parts.append("\n".join([*name, textwrap.indent(file.text.rstrip("\n"), _INDENT)]))
    return parts


def operator_page(entry: Entry, *, color: bool = False) -> str:
    """What is said about an operator."""
    kind = "a def of the standard library" if entry.family == STANDARD else f"family {entry.family}"
    parts = [
        f"{_paint(entry.name, '1', color)}  {_paint(f'({kind})', '2', color)}",
        "\n".join(
            _INDENT + _paint(line, "36", color) for text in entry.signatures for line in text.split("\n")
        ),
        prose(entry.text, color=color),
    ]
    if entry.examples:
        width = min(max(len(expression) for expression, _ in entry.examples), 60)
        lines = [f"{_INDENT}{e:<{width}}  ->  {result}" for e, result in entry.examples]
        parts.append("\n".join([_paint("examples", "1", color), *lines]))
    notes = [f"null: {entry.nulls}"] if entry.nulls else []
    if entry.spark:
        notes.append(f"Spark: {entry.spark}" + (f" ({entry.spark_reason})" if entry.spark_reason else ""))
    parts.append("\n".join(prose(note, color=color) for note in notes))
    return "\n\n".join(parts)


def prose(markdown: str, *, color: bool = False) -> str:
    """Paragraphs and lists, wrapped; code in backticks gets a colour, or keeps its backticks."""
    blocks = []
    for block in re.split(r"\n{2,}", markdown.strip()):
        lines = re.split(r"\n(?=- )", block)
        wrapped = [
            textwrap.fill(
                " ".join(line.split()),
                WIDTH,
                subsequent_indent="  " if line.startswith("- ") else "",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for line in lines
        ]
        blocks.append("\n".join(wrapped))
    text = "\n\n".join(blocks)
    return re.sub(r"`([^`]+)`", lambda m: _paint(m[1], "36", True), text) if color else text


def _paint(text: str, style: str, color: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if color else text
