"""Mistakes as data. Rendering is in `featdsl/rendering.py`, the codes in `featdsl/codes.py`.

House rule: a message is lower case, without a final period, its values last; advice stands in
`help` alone; one cause gives one diagnostic.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from featdsl.source_file import Span

Severity = Literal["error", "warning"]

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
        self.found.append(Diagnostic(code, message, span, label, notes, help))

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
        self.found.append(Diagnostic(code, message, span, label, notes, help, "warning"))

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
            self._places[key] = len(self.found), 0
            self.error(code, message, span, notes=notes, help=help)
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
