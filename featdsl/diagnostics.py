"""Mistakes as data. Rendering is in `featdsl/rendering.py`, the codes in `featdsl/codes.py`.

House rule: a message is lower case, without a final period, its values last; advice stands in
`help` alone; one cause gives one diagnostic.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from featdsl.source_file import Span

Severity = Literal["error", "warning"]

MOST_FOUND = 5_000
"""Errors that are kept, and warnings; whoever has more mends these first."""

_MOST_PLACES = 4
"""Further places of one mistake that are named."""


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that explains the first, such as where a name is declared."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: `message` says what is wrong, `label` (under the carets) the specifics there,
    `help` what to write instead."""

    code: str
    message: str
    span: Span
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: str = ""
    severity: Severity = "error"


@dataclass(slots=True)
class Diagnostics:
    """Collects what a run of the front end found, in any order."""

    found: list[Diagnostic] = field(default_factory=list)
    _counts: dict[Severity, int] = field(default_factory=dict)
    _places: dict[tuple[str, ...], tuple[int, int]] = field(default_factory=dict)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        notes: tuple[Note, ...] = (),
        help: str = "",
    ) -> None:
        self._add(Diagnostic(code, message, span, label, notes, help))

    def warning(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        notes: tuple[Note, ...] = (),
        help: str = "",
    ) -> None:
        self._add(Diagnostic(code, message, span, label, notes, help, "warning"))

    def _add(self, diagnostic: Diagnostic) -> None:
        count = self._counts.get(diagnostic.severity, 0)
        if count < MOST_FOUND:
            self._counts[diagnostic.severity] = count + 1
            self.found.append(diagnostic)

    def once(
        self,
        key: tuple[str, ...],
        code: str,
        message: str,
        span: Span,
        *,
        notes: tuple[Note, ...] = (),
        help: str = "",
    ) -> None:
        """An error of which there is one for `key`, such as an unknown name: further places become its notes."""
        if key not in self._places:
            index = len(self.found)
            self.error(code, message, span, notes=notes, help=help)
            if len(self.found) > index:
                self._places[key] = index, 0
            return
        index, more = self._places[key]
        self._places[key] = index, more + 1
        if more < _MOST_PLACES:
            first = self.found[index]
            note = Note("also here", span) if more < _MOST_PLACES - 1 else Note("and at other places", span)
            self.found[index] = replace(first, notes=(*first.notes, note))

    @property
    def has_errors(self) -> bool:
        return any(d.severity == "error" for d in self.found)
