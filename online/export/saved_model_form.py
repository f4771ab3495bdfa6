"""A version for TensorFlow Serving: the SavedModel that a command of the user's makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from online.export.layout import NotExported
from online.export.prepared import prepared

_LOOK_S = 0.05
_TOLD = 600
"""Most characters that are told of what a converter said last."""


class SavedModelForm:
    """The `Form` of TensorFlow Serving. A graph of torch is no graph of TensorFlow, and no rule makes it one; who has
    the model in TensorFlow brings the published parameters into it. The command gets two folders more: the version's,
    with its tables as parameters, and the one to make."""

    note = "assets.extra/featdsl.json"

    def __init__(
        self, convert: Sequence[str], timeout_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._convert = tuple(convert)
        self._timeout_s = timeout_s
        self._stopped = stopped

    def write(self, fetched: Path, into: Path) -> None:
        ready = prepared(fetched, checked=False)
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    [*self._convert, str(ready), str(into)],
                    stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                )  # fmt: skip
            except OSError as fault:
                raise NotExported(f"the converter does not start: {fault}") from fault
            ended = self._wait(process)
            said.seek(0)
            last = said.read().decode(errors="replace").strip()[-_TOLD:]
        if not ended:
            raise NotExported(f"the converter did not end in {self._timeout_s:.0f} s: {last}")
        if process.returncode != 0:
            raise NotExported(f"the converter ended with {process.returncode}: {last}")
        if not any((into / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
            raise NotExported(f"the converter made no SavedModel in the folder that it was given: {last}")

    def check(self, model: Path, written: Path, others: list[Path]) -> None:
        """Versions share nothing."""

    def _wait(self, process: subprocess.Popen[bytes]) -> bool:
        give_up = time.monotonic() + self._timeout_s
        try:
            while process.poll() is None:
                if self._stopped() or time.monotonic() > give_up:
                    return False
                time.sleep(_LOOK_S)
            return True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started
                process.wait()
