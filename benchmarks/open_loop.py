"""Calls sent at their times whatever becomes of them (open loop), by HTTP/2 made by hand: a client of gRPC's takes as
much of the processor for a call as the server does to refuse it, and on the same cores would be what is measured."""

from __future__ import annotations

import contextlib
import math
import random
import selectors
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import grpc

from online.proto import SERVICE

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_MOST_WINDOW = (1 << 31) - 1
_FIRST_WINDOW = 65_535
_FRAME = 16_384
_CONNECTIONS = 4
_CODES = {str(code.value[0]): code.name for code in grpc.StatusCode}


@dataclass(slots=True)
class Came:
    """What came of the calls. `in_time`: seconds from the time at which a call was to be sent to its answer; `others`:
    those that had none in time, by the status; `late`: the most that one was sent after its time."""

    in_time: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    late: float = 0.0

    @property
    def calls(self) -> int:
        return len(self.in_time) + self.others.total()


def send(address: str, calls: Sequence[bytes], rate: float, seconds: float, deadline_s: float) -> Came:
    """Sends calls of `Score`, in turn, `rate` a second at random (Poisson), each with the deadline; returns when the
    last one is answered, or its time is up."""
    chance, times, due = random.Random(7), list[float](), 0.0
    while (due := due + chance.expovariate(rate)) < seconds:
        times.append(due)
    came = Came()
    with _lines(address, deadline_s, came) as (lines, selector):
        began = time.perf_counter() + 0.2
        sent, end = 0, began + seconds + deadline_s
        while (now := time.perf_counter()) < end:
            while sent < len(times) and began + times[sent] <= now:
                lines[sent % len(lines)].ask(calls[sent % len(calls)], began + times[sent])
                sent += 1
            if sent == len(times) and not any(line.open for line in lines):
                break
            _receive(selector, min(began + times[sent], end) if sent < len(times) else end)
        came.others["no answer"] = sum(line.open for line in lines)
    return came


def answered_a_second(address: str, calls: Sequence[bytes], at_once: int, seconds: float) -> float:
    """How many calls are answered while so many are always asked."""
    came = Came()
    with _lines(address, 60.0, came) as (lines, selector):
        asked, end = 0, time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            while asked - came.calls < at_once:
                lines[asked % len(lines)].ask(calls[asked % len(calls)], now)
                asked += 1
            _receive(selector, end)
        if came.others:
            raise SystemExit(f"calls failed: {dict(came.others)}")
        return len(came.in_time) / seconds


@contextlib.contextmanager
def _lines(
    address: str, deadline_s: float, came: Came
) -> Iterator[tuple[list[_Line], selectors.BaseSelector]]:
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        lines = [stack.enter_context(_Line(address, deadline_s, came)) for _ in range(_CONNECTIONS)]
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
        yield lines, selector


def _receive(selector: selectors.BaseSelector, until: float) -> None:
    for key, _ in selector.select(max(0.0, until - time.perf_counter())):
        key.data.receive()


class _Line:
    """A connection."""

    def __init__(self, address: str, deadline_s: float, came: Came) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked: dict[int, float] = {}
        """By stream the time at which its call was to be sent."""
        self.held: deque[tuple[bytes, float]] = deque()
        """Calls that are more than the server wants to be sent now."""
        self._deadline_s = deadline_s
        self._came = came
        self._headers = _headers(deadline_s)
        self._stream = -1
        self._window = _FIRST_WINDOW
        self._unread = b""
        settings = struct.pack(
            ">HIHI", 1, 0, 4, _MOST_WINDOW
        )  # no table of headers; windows as large as may be
        wider = struct.pack(">I", _MOST_WINDOW - _FIRST_WINDOW)
        self.socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW, 0, 0, wider))

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def open(self) -> int:
        """Calls that are not answered yet."""
        return len(self.asked) + len(self.held)

    def ask(self, request: bytes, due: float) -> None:
        self.held.append((request, due))
        self._send()

    def _send(self) -> None:
        while self.held and len(self.held[0][0]) + 5 <= self._window:
            request, due = self.held.popleft()
            message = struct.pack(">BI", 0, len(request)) + request
            assert len(message) <= _FRAME, "a request in one frame"
            self._window -= len(message)
            self._stream += 2
            self.asked[self._stream] = due
            self._came.late = max(self._came.late, time.perf_counter() - due)
            self.socket.sendall(
                _frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
                + _frame(_DATA, _END_STREAM, self._stream, message)
            )

    def receive(self) -> None:
        self._unread += self.socket.recv(1 << 18)
        data, at = self._unread, 0
        while len(data) >= at + 9:
            length = int.from_bytes(data[at : at + 3], "big")
            if len(data) < at + 9 + length:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            self._took(kind, flags, stream, data[at + 9 : at + 9 + length])
            at += 9 + length
        self._unread = data[at:]

    def _took(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == _HEADERS and flags & _END_STREAM:
            self._ended(stream, _CODES.get(_status(body), "UNKNOWN"))
        elif kind == _RST:
            self._ended(stream, "CANCELLED")
        elif kind == _SETTINGS and not flags & _ACK:
            self.socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self.socket.sendall(_frame(_PING, _ACK, 0, body))
        elif kind == _WINDOW and stream == 0:
            self._window += int.from_bytes(body, "big")
            self._send()
        elif kind == _GOAWAY:
            raise SystemExit(f"the server ended a connection: {body[8:]!r}")

    def _ended(self, stream: int, status: str) -> None:
        due = self.asked.pop(stream, math.nan)
        if math.isnan(due):
            return  # what follows a status
        taken = time.perf_counter() - due
        if status != "OK":
            self._came.others[status] += 1
        elif taken > self._deadline_s:
            self._came.others["too late"] += 1
        else:
            self._came.in_time.append(taken)


def _headers(deadline_s: float) -> bytes:
    named = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/{SERVICE}/Score",
        ":authority": "a",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-timeout": f"{round(deadline_s * 1e3)}m",
    }
    return b"".join(
        b"\x00" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in named.items()
    )


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def _status(headers: bytes) -> str:
    """Of gRPC, written out: there is no table that it could stand in."""
    name = b"grpc-status"
    at = headers.find(name) + len(name)
    return headers[at + 1 : at + 1 + headers[at]].decode("ascii", "replace") if at >= len(name) else ""
