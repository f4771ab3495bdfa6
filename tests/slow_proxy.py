"""A TCP proxy that tests put before a server, to make it slow or to cut it off."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class SlowProxy:
    """Passes bytes on to `port` of localhost; what comes back comes `delay_s` later. While it is `cut` every
    connection is closed."""

    def __init__(self, port: int) -> None:
        self.delay_s = 0.0
        self.cut = False
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut_off(self) -> None:
        """Closes all connections, and from now on each that comes."""
        self.cut = True
        self._close_all()

    def close(self) -> None:
        self.cut = True
        _close(self._listener)
        self._close_all()

    def hangs_up(self, data: bytes, comes_back: bool) -> bool:
        """Whether the connection ends instead of passing this on."""
        return False

    def _close_all(self) -> None:
        for pair in self._pairs:
            for end in pair:
                _close(end)
        self._pairs.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # until the listener is closed
            while True:
                client, _ = self._listener.accept()
                if self.cut:
                    _close(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((client, server))
                for source, target, late in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass, args=(source, target, late), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, late: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.hangs_up(data, late):
                    break
                if late:
                    time.sleep(self.delay_s)
                target.sendall(data)
        _close(source)
        _close(target)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextlib.contextmanager
def slow_proxy(port: int) -> Iterator[SlowProxy]:
    proxy = SlowProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
