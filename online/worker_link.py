"""A worker's end of the line to its supervisor (`supervisor.py` has the protocol)."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from online.listening import share_new_connections, take_new_connections
from online.stopping import Stopping

_BEAT_S = 1.0


class WorkerLink:
    """`number`, `port` and `arguments` are what the supervisor gave."""

    def __init__(self, descriptor: int) -> None:
        # a terminal's signals go to all; the supervisor decides
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._line = socket.socket(fileno=descriptor)
        self._telling = threading.Lock()
        self._orders = self._received()
        first = next(self._orders)
        self.number: int = first["number"]
        self.port: int = first["port"]
        self.arguments: dict[str, Any] = first["arguments"]
        self.told = threading.Event()
        """Set when it is time to end: `stops` says whether all do, else another worker has taken this one's place."""
        # whoever stops all processes of a service tells a worker once more than its supervisor does
        self.stopping = Stopping((signal.SIGTERM,), then=self.told.set, ends_at_second=False)

    @property
    def stops(self) -> bool:
        return self.stopping.told.is_set()

    def ready(self, *, problem: str, state: str, name: str) -> None:
        """Tells that this worker listens, and obeys from now on, in a thread."""
        self._tell(ready=True, problem=problem, state=state, name=name)
        threading.Thread(target=self._obey, name="supervisor", daemon=True).start()
        threading.Thread(target=self._beat, name="alive", daemon=True).start()

    def closed(self) -> None:
        """Tells that this worker gets no new connections any more."""
        self._tell(closed=True)

    def _obey(self) -> None:
        try:
            for order in self._orders:
                match order["do"]:
                    case "take":
                        take_new_connections(self.port, order["place"])
                        self._tell(taken=True)
                    case "share":
                        share_new_connections(self.port)
                    case "leave":
                        self.told.set()
        finally:
            self.stopping.tell()

    def _beat(self) -> None:
        while True:
            self._tell(alive=True)
            time.sleep(_BEAT_S)

    def _received(self) -> Iterator[dict[str, Any]]:
        # a supervisor that is killed while it has not read all leaves an error in place of an end
        with self._line.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for line in lines:
                yield json.loads(line)

    def _tell(self, **message: Any) -> None:
        with contextlib.suppress(OSError), self._telling:  # the supervisor is gone, which `_obey` sees
            self._line.sendall(json.dumps(message).encode() + b"\n")
