"""Names for versions of a model: a JSON object in a file, {"stable": 3}, which is looked at again when it changes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from featdsl.errors import InputError

log = logging.getLogger("featdsl.models")


class Labels:
    """A file that does not read any more leaves the labels as they were, and the log says so. Thread safe."""

    def __init__(self, file: Path) -> None:
        """Errors: `InputError` for a file that is not there, or holds no labels."""
        self._file = file
        self._lock = threading.Lock()
        self._stamp = self._stat()
        self._known = _read(file)

    def known(self) -> Mapping[str, int]:
        """The versions by label, as the file has them now."""
        stamp = self._stat()
        with self._lock:
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._known = _read(self._file)
                    log.info("labels: %s", self._known)
                except InputError as fault:
                    log.error("the labels stay as they were: %s", fault.message)
            return self._known

    def versions(self) -> frozenset[int]:
        """The versions that have a label."""
        return frozenset(self.known().values())

    def _stat(self) -> tuple[int, int, int]:
        try:
            status = self._file.stat()
        except OSError:
            return 0, 0, 0
        return status.st_mtime_ns, status.st_size, status.st_ino


def _read(file: Path) -> Mapping[str, int]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise InputError(f"the labels do not read: {file} ({fault})") from fault
    if not isinstance(known, dict) or not all(
        type(number) is int and number > 0 for number in known.values()
    ):
        raise InputError(f"labels are a JSON object of version numbers: {file}", help='such as {"stable": 3}')
    return known
