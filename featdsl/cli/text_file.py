"""Writing a text file: aside, then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from featdsl.errors import InputError


def check_writable(path: str | Path) -> None:
    """For what is told after long work: errors of `write_text` that can be seen before it."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"a folder stands where the file is to be written: {path}")
    try:
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None


def write_text(path: str | Path, text: str) -> None:
    """Errors: `InputError` if the file cannot be written."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"a folder stands where the file is to be written: {path}")
    aside = None
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(aside, 0o644)
        os.replace(aside, target)
    except OSError as error:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
        raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None
