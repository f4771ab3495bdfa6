"""Processes that hang: they live, hold their connections, and do nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_MOST_S = 30.0


def stand_still(pid: int) -> None:
    """Stops a process until it gets SIGCONT. A signal takes effect a thread at a time, and a thread that has not
    stopped yet may still answer a call; so this waits until all have."""
    os.kill(pid, signal.SIGSTOP)
    by = time.monotonic() + _MOST_S
    while not all(_stands(task) for task in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < by, f"process {pid} does not stop"
        time.sleep(0.001)


def _stands(task: Path) -> bool:
    try:
        state = (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # a thread that ended
        return True
    return state == "T"
