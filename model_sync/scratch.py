"""A folder for what a process needs while it lives, such as copies of versions, which may be gigabytes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_OWNER = "owner"


class ScratchFolder:
    """Gone when it is closed. A process that is killed leaves its own: the next that makes one of the same kind removes
    it. Whether its owner lives is told by a lock on a file in it, which the system takes back whatever happens."""

    def __init__(self, kind: str) -> None:
        """Errors: `OSError` where there is no room."""
        _remove_left(kind)
        aside = Path(tempfile.mkdtemp(prefix=f".{_prefix(kind)}"))
        self._owner = os.open(aside / _OWNER, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._owner, fcntl.LOCK_EX)
        self.path = aside.rename(aside.with_name(aside.name[1:]))

    def close(self) -> None:
        if self._owner >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._owner)
            self._owner = -1


def _prefix(kind: str) -> str:
    return f"featdsl-{kind}-"


def _remove_left(kind: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix(kind)}*"):
        with contextlib.suppress(OSError):  # it is another user's, or goes just now
            if folder.stat().st_uid == os.geteuid() and not _is_owned(folder):
                shutil.rmtree(folder)


def _is_owned(folder: Path) -> bool:
    try:
        owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # it is none of these
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(owner)
    return False
