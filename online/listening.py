"""The sockets that gRPC listens on and serves, which it does not hand out: found by their port in this process.

Several processes that listen on one port with SO_REUSEPORT are a group; the kernel gives each new connection to
one of them by a hash. A process that only closes its socket loses the connections that wait in it and those that
are being made. So a process that leaves is first passed over: a classic BPF program of one line, which needs no
privileges, gives every new connection to the process that takes its place.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
import struct
from collections.abc import Iterator

from online.proto import MAX_MESSAGE_BYTES

_ATTACH_REUSEPORT_CBPF = 51
_DETACH_REUSEPORT_BPF = 68
_RETURN = 0x06
"""BPF_RET | BPF_K"""


MOST_CALLS = 10_000
"""In hand at once, of any kind, those of the health service and those whose requests come slowly too."""

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # of calls that nobody has looked at yet gRPC refuses some beyond 1,000, as CANCELLED and without a word
    ("grpc.server.max_pending_requests", MOST_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", MOST_CALLS),
)
"""Of every server."""


def take_new_connections(port: int, place: int) -> bool:
    """Gives all new connections of the group to its member number `place` (from 0, in the order in which they
    began to listen); a place that there is not leaves it to the hash. False where the kernel cannot."""
    code = ctypes.create_string_buffer(struct.pack("=HBBI", _RETURN, 0, 0, place))
    program = struct.pack("@HP", 1, ctypes.addressof(code))
    return _set(port, _ATTACH_REUSEPORT_CBPF, program)


def share_new_connections(port: int) -> bool:
    """Ends `take_new_connections`: by the hash again."""
    return _set(port, _DETACH_REUSEPORT_BPF, 0)


def stop_listening(port: int) -> None:
    """This process gets no new connections; those that it has go on."""
    for one in _sockets(port):
        if _listens(one):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RD)


def connections(port: int) -> int:
    """How many connections on the port this process serves."""
    return sum(map(_is_connected, _sockets(port)))


def allow_many_connections() -> None:
    """Lifts this process's limit of open files to what it may be lifted to."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Holds a port for the processes that will share it, without listening; 0: any free one. Gives the port.
    Errors: `OSError` when another program has it."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    if port:
        # two that both say SO_REUSEPORT would share it unasked
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    with socket.socket(family) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
        yield holder.getsockname()[1]


def _set(port: int, option: int, value: bytes | int) -> bool:
    done = False
    for one in _sockets(port):
        if _listens(one):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, option, value)
                done = True
    return done


def _sockets(port: int) -> Iterator[socket.socket]:
    """Every internet socket of this process with this local port, one after the other, each closed after."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # closed meanwhile
            continue
        with found:
            if found.family in (socket.AF_INET, socket.AF_INET6) and found.getsockname()[1] == port:
                yield found


def _listens(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _is_connected(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True
