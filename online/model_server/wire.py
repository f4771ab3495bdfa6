"""Messages between a scoring server and a model's process: tensors in memory that both map, a doorbell a message
over a Unix socket. No pickle.

A connection has one call at a time. The side that asks makes the region and sends its descriptor with the first
doorbell; it writes tensors into it, and behind them a header in JSON and the tensors' layout. The answer is written
behind these.

doorbell: u64 size of the region, u64 where the header begins, u32 its length, u32 the layout's (little-endian)
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from online.model_server.region import Arrays, Pin, Region

_BELL = struct.Struct("<QQII")
KIND = socket.SOCK_SEQPACKET


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
    ) -> tuple[dict[str, Any], Arrays]:
        """One call. The tensors of the answer are copies. `give_up`: on the clock `time.monotonic`.
        Errors: `OSError`, `TimeoutError`, `TooLarge`; the connection is of no use after one."""
        descriptors = []
        if self._region is None:
            self._region = Region.create()
            descriptors = [self._region.descriptor]
        bell = _written(self._region, header, tensors, 0)
        self._connection.settimeout(max(0.001, give_up - time.monotonic()))
        if descriptors:
            socket.send_fds(self._connection, [bell], descriptors)
        else:
            self._connection.send(bell)
        self._connection.settimeout(max(0.001, give_up - time.monotonic()))
        answer, outputs, _ = _read(self._region, self._connection.recv(_BELL.size))
        return answer, {name: tensor.copy() for name, tensor in outputs.items()}

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

    def receive(self) -> tuple[dict[str, Any], Arrays]:
        """The next call. Its tensors are the shared memory itself: valid until it is answered.
        Errors: `Disconnected`, `OSError`."""
        bell, descriptors, _, _ = socket.recv_fds(self._connection, _BELL.size, 1)
        if descriptors:
            self._adopt(descriptors)
        if self._region is None:
            raise Disconnected("nothing was asked")
        header, tensors, self._end = _read(self._region, bell)
        return header, tensors

    def answer(self, header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Answers the call. Errors: `OSError`, `TooLarge`."""
        assert self._region is not None
        self._connection.send(_written(self._region, header, tensors, self._end))

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
    region: Region, header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]], at: int
) -> bytes:
    """Writes a message, and gives its doorbell."""
    layout, end = region.put(tensors, at)
    head = json.dumps(header).encode()
    region.write(head + layout, end)
    return _BELL.pack(region.size, end, len(head), len(layout))


def _read(region: Region, bell: bytes) -> tuple[dict[str, Any], Arrays, int]:
    """The message of a doorbell, and where it ends."""
    if len(bell) != _BELL.size:
        raise Disconnected("the connection was closed")
    size, at, header_length, layout_length = _BELL.unpack(bell)
    try:
        if size > region.size:
            region.remap()
        header = json.loads(region.read(at, header_length).decode())
        if not isinstance(header, dict):
            raise Disconnected("not a message: its header is no object")
        at += header_length
        return header, region.tensors(region.read(at, layout_length)), at + layout_length
    except (ValueError, TypeError) as fault:
        raise Disconnected(f"not a message: {fault}") from fault
