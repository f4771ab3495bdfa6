"""Messages between the server and a worker: a JSON header and tensors in safetensors form. No pickle.

u32 length of the header, u64 length of the body (little-endian), header, body
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

Arrays = dict[str, npt.NDArray[Any]]

_FRAME = struct.Struct("<IQ")
_MAX_HEADER = 1 << 20
_MAX_BODY = 1 << 31


class Disconnected(ConnectionError):
    """The other side is gone, or what it sent is no message."""


def send(
    connection: socket.socket, header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Sends one message. Errors: `OSError`, `TimeoutError`."""
    head = json.dumps(header).encode()
    body = save({n: np.ascontiguousarray(t) for n, t in tensors.items()}) if tensors else b""
    connection.sendall(_FRAME.pack(len(head), len(body)) + head)
    connection.sendall(body)


def receive(connection: socket.socket) -> tuple[dict[str, Any], Arrays]:
    """The next message. Errors: `Disconnected`, `OSError`, `TimeoutError`."""
    head_size, body_size = _FRAME.unpack(_read(connection, _FRAME.size))
    if head_size > _MAX_HEADER or body_size > _MAX_BODY:
        raise Disconnected(f"a message that is too long: {head_size}, {body_size}")
    try:
        header = json.loads(_read(connection, head_size))
        tensors = load(bytes(_read(connection, body_size))) if body_size else {}
    except ValueError as fault:
        raise Disconnected(f"not a message: {fault}") from fault
    return header, tensors


def _read(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise Disconnected("the connection was closed")
        view = view[count:]
    return data
