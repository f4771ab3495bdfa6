"""What `build`, `run`, `explain` and `graph` have in common: a program from a `.feat` file or a bundle."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.bundle import Bundle
    from featdsl.diagnostics import Diagnostic
    from featdsl.program import CheckedProgram


def is_bundle(path: str) -> bool:
    """Whether a path is meant as a bundle: a folder, or a `.featb` file."""
    return Path(path).is_dir() or Path(path).suffix == ".featb"


def load_program(path: str) -> Bundle | None:
    """The bundle at a path, or what a `.feat` file compiles to. None: the file has mistakes, which have been
    printed. Errors: `InputError` for what is no bundle."""
    from compiler.bundle import compile_program, read_bundle

    if is_bundle(path):
        return read_bundle(path)
    program = checked_program(path)
    return None if program is None else compile_program(program)


def checked_program(path: str, *, as_json: bool = False) -> CheckedProgram | None:
    """The checked program of a `.feat` file; its mistakes and warnings are printed (to stderr; as JSON to
    stdout, and only if there is no program)."""
    from featdsl.check import check

    checked = check(path)
    if as_json and checked.program is None:
        import json

        from featdsl.rendering import as_data

        print(json.dumps(as_data(checked.diagnostics), ensure_ascii=False))
    else:
        report(checked.diagnostics)
    return checked.program


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Prints mistakes and warnings to stderr, and where to read on; nothing if there are none."""
    from featdsl.rendering import as_text, further, wants_color

    if diagnostics:
        print(as_text(diagnostics, color=wants_color(sys.stderr)), file=sys.stderr)
        print(further(diagnostics), file=sys.stderr)
