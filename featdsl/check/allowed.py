"""Comments that silence a warning: `# allow W0102 reason` at the end of its line, or on a line above."""

from __future__ import annotations

from collections.abc import Iterable

from featdsl.codes import CODES
from featdsl.diagnostics import Diagnostics
from featdsl.spelling import closest
from featdsl.syntax import tree

_OF_OTHER_COMMANDS = "W02"
"""Codes that begin so are found by `feat fit`: here they silence nothing."""


def silence(files: Iterable[tree.File], main: tree.File | None, diagnostics: Diagnostics) -> None:
    """Takes out the warnings that a comment allows, and reports comments at fault. That a comment has no effect
    is said of the main file alone, and only if there is no error."""
    allows = [allow for file in files for allow in file.allows]
    if not allows:
        return
    wanted: dict[tuple[str, int, str], tree.Allow] = {}
    for allow in allows:
        if _is_sound(allow, diagnostics):
            wanted[(allow.span.file.path, allow.line, allow.code.name)] = allow
    used: set[int] = set()
    kept = []
    for found in diagnostics.found:
        line, _ = found.span.file.position(found.span.start)
        match = wanted.get((found.span.file.path, line, found.code))
        if match is None or found.severity == "error":
            kept.append(found)
        else:
            used.add(id(match))
    diagnostics.found[:] = kept
    if main is None or diagnostics.has_errors:
        return
    own = set(map(id, main.allows))
    for allow in wanted.values():
        code = allow.code.name
        if id(allow) in own and id(allow) not in used and not code.startswith(_OF_OTHER_COMMANDS):
            diagnostics.warning(
                "W0109", f"the comment silences nothing: `{code}`", allow.code.span, help="leave it out"
            )


def _is_sound(allow: tree.Allow, diagnostics: Diagnostics) -> bool:
    """Whether a comment names a warning; reports what it lacks."""
    code = allow.code.name
    if code not in CODES:
        near = closest(code, (c for c in CODES if c.startswith("W")))
        diagnostics.warning(
            "W0109",
            f"there is no such code: `{code}`",
            allow.code.span,
            help=f"did you mean `{near}`?" if near else "",
        )
    elif code.startswith("E"):
        diagnostics.error(
            "E0113",
            f"an error cannot be allowed: `{code}`",
            allow.code.span,
            help="mend it; only warnings, whose codes begin with `W`, are silenced",
        )
    elif code == "W0109":
        diagnostics.warning("W0109", "a comment that silences is not silenced", allow.code.span)
    else:
        if not allow.reason:
            diagnostics.warning(
                "W0109",
                f"the comment gives no reason: `{code}`",
                allow.code.span,
                help=f"say why: `# allow {code} the model was trained so`",
            )
        return True
    return False
