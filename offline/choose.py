"""What is decided before Spark starts: which program set to make, and whether the output may be written."""

from __future__ import annotations

import os
import re
from pathlib import Path

from compiler.bundle import Bundle
from featdsl.errors import InputError

REPORT = "_REPORT.json"
_PART = re.compile(r"part-\d+\.parquet")


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
    """The folder to write; of a link, the one that it names. Errors: `InputError` where something is there that
    must stay, or no folder can be made."""
    target = Path(out).resolve()
    if target.exists() and not target.is_dir():
        raise InputError(f"the output is a file: {target}", help="name a folder with --out")
    above = next(folder for folder in target.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"no folder can be made here: {above}", help="name another --out")
    if not target.exists():
        return target
    if not overwrite:
        raise InputError(
            f"the output is already there: {target}", help="name another --out, or add --overwrite"
        )
    names = {entry.name for entry in target.iterdir()}
    others = sorted(name for name in names if name != REPORT and not _PART.fullmatch(name))
    if names and (REPORT not in names or others):
        of = f": it has {others[0]}" if others else ""
        raise InputError(
            f"the output is a folder that is no data set{of}: {target}", help="name another --out"
        )
    return target
