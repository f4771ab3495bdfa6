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
    if target.exists() and not target.is_file():
        return
    try:
        tempfile.TemporaryFile(dir=target.resolve().parent).close()
    except OSError as error:
        raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None


def write_text(path: str | Path, text: str) -> None:
    """Writes aside, then renames; into a pipe or a device as it is. Errors: `InputError` where that cannot be."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"a folder stands where the file is to be written: {path}")
    aside = None
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return
        target = target.resolve()
        handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(aside, 0o644)
        os.replace(aside, target)
    except OSError as error:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
        raise InputError(f"the file cannot be written: {error.strerror}: {path}") from None
