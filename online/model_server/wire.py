"""Messages between a scoring server and a model's process: tensors in memory that both map, a doorbell a message
over a Unix socket. No pickle.

A connection has one call at a time. The side that asks makes the region and sends its descriptor with the first
doorbell; it writes tensors into it, and behind them a header in JSON and the tensors' layout. The answer is written
behind these.

doorbell: u64 size of the region, u64 where the header begins, u32 its length, u32 the layout's, f64 and f64: times on
          the clock `time.monotonic`, which all processes of a machine share (little-endian). Of a call: its deadline;
          of an answer: from when to when it was run
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy.typing as npt

from online.model_server.region import Arrays, Pin, Region

_BELL = struct.Struct("<QQIIdd")
KIND = socket.SOCK_SEQPACKET
Times = tuple[float, float]
NEVER: Times = (0.0, 0.0)


class Message(NamedTuple):
    """A call or an answer."""

    header: Mapping[str, Any]
    tensors: Arrays
    times: Times


class Disconnected(ConnectionError):
    """The other side is gone, or what it sent is no message."""


class Asking:
    """The side that asks."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._region: Region | None = None

    @property
    def size(self) -> int:
        """The bytes of memory that the connection holds."""
        return self._region.size if self._region is not None else 0

    def ask(
        self, header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]], give_up: float
    ) -> Message:
        """One call, and its answer. The tensors of the answer are copies. `give_up`: on the clock `time.monotonic`.
        Errors: `OSError`, `TimeoutError`, `TooLarge`; the connection is of no use after one."""
        descriptors = []
        if self._region is None:
            self._region = Region.create()
            descriptors = [self._region.descriptor]
        bell = _written(self._region, 0, header, tensors, (give_up, 0.0))
        self._connection.settimeout(max(0.001, give_up - time.monotonic()))
        if descriptors:
            socket.send_fds(self._connection, [bell], descriptors)
        else:
            self._connection.send(bell)
        self._connection.settimeout(max(0.001, give_up - time.monotonic()))
        answer, _ = _read(self._region, self._connection.recv(_BELL.size))
        return answer._replace(tensors={name: tensor.copy() for name, tensor in answer.tensors.items()})

    def hang_up(self) -> None:
        """Ends the call that another thread waits for."""
        with contextlib.suppress(OSError):  # the other side was quicker
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()
        if self._region is not None:
            self._region.close()


class Answering:
    """The side that is asked."""

    def __init__(self, connection: socket.socket, pin: Pin | None = None) -> None:
        """`pin`: of the memory that the other side made."""
        self._connection = connection
        self._pin = pin
        self._region: Region | None = None
        self._end = 0

    def receive(self) -> Message:
        """The next call. Its tensors are the shared memory itself: valid until it is answered.
        Errors: `Disconnected`, `OSError`."""
        bell, descriptors, _, _ = socket.recv_fds(self._connection, _BELL.size, 1)
        if descriptors:
            self._adopt(descriptors)
        if self._region is None:
            raise Disconnected("nothing was asked")
        call, self._end = _read(self._region, bell)
        return call

    def answer(
        self, header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]], ran: Times = NEVER
    ) -> None:
        """Answers the call. Errors: `OSError`, `TooLarge`."""
        assert self._region is not None
        self._connection.send(_written(self._region, self._end, header, tensors, ran))

    def close(self) -> None:
        self._connection.close()
        if self._region is not None:
            self._region.close()

    def _adopt(self, descriptors: list[int]) -> None:
        if self._region is not None:
            for one in descriptors:
                os.close(one)
            raise Disconnected("a second region")
        try:
            self._region = Region(descriptors[0], self._pin)
        except ValueError as fault:
            raise Disconnected(str(fault)) from fault


def _written(
    region: Region,
    at: int,
    header: Mapping[str, Any],
    tensors: Mapping[str, npt.NDArray[Any]],
    times: Times,
) -> bytes:
    """Writes a message, and gives its doorbell."""
    layout, end = region.put(tensors, at)
    head = json.dumps(header).encode()
    region.write(head + layout, end)
    return _BELL.pack(region.size, end, len(head), len(layout), *times)


def _read(region: Region, bell: bytes) -> tuple[Message, int]:
    """The message of a doorbell, and where it ends."""
    if len(bell) != _BELL.size:
        raise Disconnected("the connection was closed")
    size, at, header_length, layout_length, *times = _BELL.unpack(bell)
    try:
        if size > region.size:
            region.remap()
        text = region.read(at, header_length + layout_length)
        tensors = region.tensors(text[header_length:])
        return Message(_header(text[:header_length]), tensors, (times[0], times[1])), at + len(text)
    except (ValueError, TypeError) as fault:
        raise Disconnected(f"not a message: {fault}") from fault


@lru_cache(64)
def _header(text: bytes) -> Mapping[str, Any]:
    """The same for one text: calls are much alike."""
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header
