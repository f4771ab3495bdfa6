"""Mistakes as data. Rendering is in `featdsl/rendering.py`, the codes in `featdsl/codes.py`.

House rule: a message is lower case, without a final period, its values last; advice stands in
`help` alone; one cause gives one diagnostic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from featdsl.source_file import Span

Severity = Literal["error", "warning"]


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

    @property
    def has_errors(self) -> bool:
        return any(d.severity == "error" for d in self.found)
