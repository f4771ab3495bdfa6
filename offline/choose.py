"""What is decided before Spark starts: which program set to make, and whether the output may be written."""

from __future__ import annotations

from pathlib import Path

from compiler.bundle import Bundle
from featdsl.errors import InputError

REPORT = "_REPORT.json"


def program_set(bundle: Bundle, what: str, model: str | None) -> str:
    """`features`, or the inputs of the named model, or of the only one. Errors: `InputError` where that is
    not clear."""
    if what == "features":
        return "features"
    if model is not None:
        return f"model/{bundle.model(model).name}"
    names = list(bundle.models)
    if not names:
        raise InputError("the program has no model", help="make its features: --what features")
    if len(names) > 1:
        raise InputError("the program has several models", help=f"name one with --model: {', '.join(names)}")
    return f"model/{names[0]}"


def may_write(out: str | Path, overwrite: bool) -> Path:
    """The folder to write. Errors: `InputError` where something is there that must stay."""
    target = Path(out).absolute()
    if not target.exists():
        return target
    if not target.is_dir():
        raise InputError(f"the output is a file: {target}", help="name a folder with --out")
    if not overwrite:
        raise InputError(
            f"the output is already there: {target}", help="name another --out, or add --overwrite"
        )
    if any(target.iterdir()) and not (target / REPORT).exists():
        raise InputError(f"the output is a folder that is no data set: {target}", help="name another --out")
    return target
