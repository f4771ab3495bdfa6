"""A client of HTTP/2 by hand."""

from __future__ import annotations

import socket
import struct

from online.proto import SERVICE


class Raw:
    """A client of HTTP/2 by hand, to do what no gRPC client would."""

    def __init__(self, address: str, service: str = SERVICE, window: int = 65_535) -> None:
        """`service`: whose methods are called; `window`: how many bytes of an answer it takes before it says that it
        wants more, which it never does."""
        self._service = service
        host, _, port = address.partition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._frame(4, 0, 0, struct.pack(">HI", 4, window))  # SETTINGS: INITIAL_WINDOW_SIZE

    def call(
        self, method: str, data: bytes, *, promised: int | None = None, ends: bool | None = None
    ) -> None:
        """Sends a call whose message is said to have `promised` bytes, of which only `data` come. `ends`: it is said to
        be all; unless it is said, what is whole is all."""
        self.begin(method)
        message = struct.pack(">BI", 0, len(data) if promised is None else promised) + data
        self._frame(0, int(promised is None if ends is None else ends), 1, message)  # DATA, END_STREAM

    def begin(self, method: str, *, ends: bool = False) -> None:
        """Sends the headers of a call, and that they are all if they are."""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/{self._service}/{method}",
            ":authority": "a",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        literal = b"".join(
            b"\x00" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in headers.items()
        )
        self._frame(1, 0x4 | ends, 1, literal)  # HEADERS, END_HEADERS, END_STREAM

    def said(self, what: bytes) -> bytes:
        """What has come when `what` has."""
        self.socket.settimeout(20)
        came = b""
        while what not in came:
            part = self.socket.recv(65_536)
            assert part, came
            came += part
        return came

    def _frame(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        self.socket.sendall(
            struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        )
        self.socket.sendall(body)
