"""A worker as those see it that ask it: its process, and the connections to it."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from online.model_server import wire
from online.models import ItemParts

_CONNECT_PAUSE_S = 0.005


class WorkerProcess:
    """A process that is not this one's child, by a handle that stays its own when the pid is given again."""

    def __init__(self, pid: int) -> None:
        """Errors: `OSError` when it is gone already."""
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def lives(self) -> bool:
        """Whether it runs; one that has ended does not, even where nobody collects it."""
        return not self.ends(0.0)

    def ends(self, within_s: float) -> bool:
        """Whether it has ended by then: what was killed answers no more some time before it is gone."""
        watch = select.poll()
        watch.register(self._handle, select.POLLIN)
        return bool(watch.poll(within_s * 1000))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)


@dataclass(slots=True)
class Worker:
    """A version in its process, which knows it by `handle`. Versions of one `graph` that read tables beside it share a
    process; "" for a version that has one of its own. `idle` holds connections that are open and not in use, the one
    used last on top: its memory is the warmest."""

    process: WorkerProcess
    address: str
    directory: Path
    handle: int
    graph: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    parts: ItemParts | None = None
    idle: queue.LifoQueue[wire.Asking] = field(default_factory=queue.LifoQueue)

    def connection(self, give_up: float) -> wire.Asking:
        """One that nobody uses, or a new one. `give_up`: until when, on the monotonic clock, it is waited for a process
        that has just been forked. Errors: `TimeoutError`, `ProcessLookupError` when the process is gone, `OSError`."""
        with contextlib.suppress(queue.Empty):
            return self.idle.get_nowait()
        while True:
            connection = socket.socket(socket.AF_UNIX, wire.KIND)
            try:
                connection.connect(self.address)
                return wire.Asking(connection)
            except (FileNotFoundError, ConnectionRefusedError):
                # it has been forked and has not bound its socket yet, or it is gone
                connection.close()
                if time.monotonic() > give_up:
                    raise TimeoutError from None
                if not self.process.lives():
                    raise ProcessLookupError("the process is gone") from None
                time.sleep(_CONNECT_PAUSE_S)

    def disconnect(self) -> None:
        """Closes the connections that are not in use."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.idle.get_nowait().close()

    def end(self) -> None:
        """Ends a process that no call uses any more."""
        self.disconnect()
        self.process.kill()
        with contextlib.suppress(OSError):
            os.unlink(self.address)
