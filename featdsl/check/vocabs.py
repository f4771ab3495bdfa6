"""Vocab files: one entry a line, all different."""

from __future__ import annotations

from featdsl.check.imports import LARGEST_VOCAB_BYTES, Loader, relative
from featdsl.diagnostics import Diagnostics, Note
from featdsl.resources import Vocab
from featdsl.source_file import SourceFile, Span
from featdsl.syntax import tree

_INT64 = range(-(1 << 63), 1 << 63)


class DeclaredVocab:
    """A vocab as declared: entries are read when it is made, integers when a lookup wants them."""

    def __init__(self, declaration: tree.Vocab, loader: Loader) -> None:
        self.declaration = declaration
        self._diagnostics: Diagnostics = loader.diagnostics
        self._file: SourceFile | None = None
        self._strings: Vocab | None = None
        self._integers: Vocab | None = None
        self._integers_tried = False
        self._read(loader)

    @property
    def name(self) -> str:
        return self.declaration.name.name

    @property
    def strings(self) -> Vocab | None:
        """The vocab of texts; None where the file has a mistake, already reported."""
        return self._strings

    def integers(self, span: Span) -> Vocab | None:
        """The vocab of integers, for a lookup of integers; None (reported at `span`, the lookup's
        argument) where an entry is none."""
        if self._strings is None or self._integers_tried:
            return self._integers
        self._integers_tried = True
        numbers: dict[int, int] = {}
        for line, entry in enumerate(self._strings.entries, start=1):
            text = str(entry)
            digits = text.removeprefix("-")
            number = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 25 else None
            if number is None or number not in _INT64:
                self._diagnostics.error(
                    "E0707",
                    f"an integer is looked up in a vocab with an entry that is none: `{_shown(text)}`",
                    span,
                    notes=(Note(f"the entry of line {line}", self._line_span(line)),),
                    help="look a text up with `lookup(string(x), …)`, or mend the entry",
                )
                return None
            if number in numbers:
                self._twice(str(number), numbers[number], line)
                return None
            numbers[number] = line
        self._integers = Vocab.of(self.name, tuple(numbers))
        return self._integers

    def _read(self, loader: Loader) -> None:
        declaration = self.declaration
        path = relative(declaration.path_span.file.path, declaration.path)
        text = loader.text(path, declaration.path_span, LARGEST_VOCAB_BYTES)
        if text is None:
            return
        self._file = SourceFile(path, text)
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        if not lines:
            self._diagnostics.error(
                "E0706",
                f"the vocab has no entry: `{path}`",
                declaration.path_span,
                help="write one entry a line",
            )
            return
        if "" in lines:
            number = lines.index("") + 1
            self._diagnostics.error(
                "E0709",
                f"the vocab has an empty line between entries: line {number} of `{path}`",
                declaration.path_span,
                notes=(Note("the empty line", self._line_span(number)),),
                help="remove it",
            )
            return
        if len(set(lines)) < len(lines):
            seen: dict[str, int] = {}
            for number, line in enumerate(lines, start=1):
                if line in seen:
                    self._twice(line, seen[line], number)
                    return
                seen[line] = number
        self._strings = Vocab.of(self.name, tuple(lines))

    def _twice(self, entry: str, first: int, second: int) -> None:
        self._diagnostics.error(
            "E0705",
            f"the vocab has an entry twice, on lines {first} and {second}: `{_shown(entry)}`",
            self.declaration.path_span,
            notes=(
                Note(f"first on line {first}", self._line_span(first)),
                Note(f"again on line {second}", self._line_span(second)),
            ),
            help="remove one of them: each entry has one id",
        )

    def _line_span(self, number: int) -> Span | None:
        if self._file is None:
            return None
        text = self._file.text
        start = 0
        for _ in range(number - 1):
            start = text.find("\n", start) + 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        return Span(self._file, start, end - (text[start:end].endswith("\r")))


def _shown(entry: str) -> str:
    return entry if len(entry) <= 60 else entry[:57] + "..."
