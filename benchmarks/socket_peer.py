"""A model's process that is sent tensors over a Unix socket, in safetensors form: what the embedded model server did
before it shared memory, and the peer of `benchmarks.model_server`.

    python -m benchmarks.socket_peer MODEL SOCKET
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

_FRAME = struct.Struct("<IQ")


def send(
    connection: socket.socket, header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]
) -> None:
    head = json.dumps(header).encode()
    body = save({n: np.ascontiguousarray(t) for n, t in tensors.items()}) if tensors else b""
    connection.sendall(_FRAME.pack(len(head), len(body)) + head)
    connection.sendall(body)


def receive(connection: socket.socket) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    head_size, body_size = _FRAME.unpack(_read(connection, _FRAME.size))
    header = json.loads(_read(connection, head_size))
    return header, load(bytes(_read(connection, body_size))) if body_size else {}


def _read(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise EOFError
        view = view[count:]
    return data


def main() -> int:
    import torch

    from featdsl.torch.saved_model import load_model

    torch.set_num_threads(1)
    model = load_model(sys.argv[1])
    model.warm()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[2])
    listener.listen(1)
    print("ready", flush=True)
    connection, _ = listener.accept()
    try:
        while True:
            _, tensors = receive(connection)
            outputs = model.predict({n: torch.from_numpy(t) for n, t in tensors.items()})
            send(connection, {"ok": True}, {n: t.contiguous().numpy() for n, t in outputs.items()})
    except EOFError:
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
