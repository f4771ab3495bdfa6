"""Takes calls from sockets, and runs those together that wait together.

Threads take turns at being the one that listens: it takes what has arrived, hands the listening on and runs what it
took itself. So a call that is alone never changes threads, and calls that come while all threads run are there
together when the next one listens.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from online.calls_in_hand import CALLS
from online.giving_way import giving_way
from online.model_server import wire
from online.model_server.batch_queue import BatchQueue, Waiting
from online.model_server.loaded import LoadedVersion
from online.model_server.options import ModelOptions
from online.model_server.region import Arrays, TooLarge
from online.model_server.residents import Residents
from online.model_server.runner import Outcome, Runner
from online.thread_weight import stand_back, take_long_slices

_ABOUT_S = 0.1
"""A connection that had a call so long ago may have another at any moment."""
_CREDENTIALS = struct.Struct("3i")
_ACCEPT_PAUSE_S = 0.01


@dataclass(slots=True)
class Counts:
    """Of one version, since its process has it. `late`: deadlines that passed before a call was run; `left`: callers
    that were gone by then; `largest`: most calls that were run as one."""

    calls: int = 0
    runs: int = 0
    rows: int = 0
    late: int = 0
    left: int = 0
    largest: int = 0


@dataclass(slots=True, eq=False)
class _Connection:
    asked: wire.Answering
    caller: int
    descriptor: int
    last: float
    busy: bool = False
    gone: bool = False
    closing: threading.Lock = field(default_factory=threading.Lock)
    """Held while it is answered, and while it is closed."""
    tensors: Arrays | None = None
    runner: Runner | None = None
    """What runs its call."""
    handle: int = 0
    """The version that its call is on."""


class Dispatcher:
    """Answers on a socket, for the versions that are there."""

    def __init__(self, listener: socket.socket, residents: Residents, options: ModelOptions) -> None:
        self._listener = listener
        self._residents = residents
        batches = residents.batches
        self._queue: BatchQueue[_Connection] = BatchQueue(
            options.max_rows if batches else 0, options.max_delay_ms / 1000 if batches else 0.0
        )
        self._connections: dict[int, _Connection] = {}
        self._callers: dict[int, int] = {}
        self._listening = threading.Lock()
        self._counting = threading.Lock()
        self._counts: dict[int, Counts] = {}
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)

    def serve(self, threads: int) -> NoReturn:
        """Answers with so many threads, of which this is one. A fault of its own ends the process."""
        for _ in range(threads - 1):
            threading.Thread(target=self._work, daemon=True).start()
        self._work()
        raise AssertionError("it works for ever")

    def _work(self) -> None:
        try:
            while True:
                with self._listening:
                    batch = self._next_batch()
                self._run(batch)
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            os._exit(1)

    # --- listening: one thread at a time ---------------------------------------------------------

    def _next_batch(self) -> list[_Connection]:
        while True:
            wait_s = self._queue.wait_s(time.monotonic(), self._others())
            self._hear(wait_s)
            now = time.monotonic()
            if self._queue.wait_s(now, self._others()) != 0:
                continue
            taken = self._queue.take(now)
            for connection in taken.late:
                self._count(connection.handle, late=1)
                self._answer(connection, {"ok": False, "late": True}, {})
            if taken.batch:
                return taken.batch

    def _others(self) -> int:
        """Connections that may have a call in a moment: they had one not long ago, and none is in hand."""
        since = time.monotonic() - _ABOUT_S
        return sum(1 for one in self._connections.values() if not one.busy and one.last >= since)

    def _hear(self, wait_s: float | None) -> None:
        """Waits until something arrives, and takes all that has."""
        for descriptor, _ in self._epoll.poll(-1 if wait_s is None else wait_s):
            if descriptor == self._listener.fileno():
                self._accept()
            else:
                self._receive(self._connections[descriptor])

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:  # no descriptor is left, or the other side has gone again
            time.sleep(_ACCEPT_PAUSE_S)
            return
        credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        caller = _CREDENTIALS.unpack(credentials)[0]
        connection = _Connection(
            wire.Answering(accepted, self._residents.pin), caller, accepted.fileno(), 0.0
        )
        self._connections[connection.descriptor] = connection
        self._callers[caller] = self._callers.get(caller, 0) + 1
        self._epoll.register(connection.descriptor, select.EPOLLIN)

    def _receive(self, connection: _Connection) -> None:
        try:
            request, tensors, (by, _) = connection.asked.receive()
            if connection.busy:
                raise wire.Disconnected("a call before the last one was answered")
        except OSError:
            self._leave(connection)
            return
        connection.busy = True
        connection.last = time.monotonic()
        op, handle = str(request.get("op")), int(request.get("version", 0))
        version = self._residents.find(handle)
        if op == "load":
            order = (connection, handle, str(request.get("directory")), bool(request.get("gives_way")))
            threading.Thread(target=self._load, args=order, name="load", daemon=True).start()
        elif op == "unload":
            self._residents.unload(handle)
            self._counts.pop(handle, None)
            self._answer(connection, {"ok": True}, {})
        elif version is None:
            reason = self._residents.refusal(handle)
            self._answer(connection, {"ok": False, "gone": not reason, "reason": reason}, {})
        elif op == "ready":
            self._answer(connection, self._told(handle, version), {})
        elif (runner := version.runner(op, request.get("of"))) is None:
            self._answer(connection, {"ok": False, "reason": "it makes no such parts of items"}, {})
        else:
            self._counts.setdefault(handle, Counts())
            connection.tensors, connection.runner, connection.handle = tensors, runner, handle
            self._queue.add(Waiting(connection, connection.caller, runner.rows(tensors), connection.last, by))

    def _told(self, handle: int, version: LoadedVersion) -> dict[str, Any]:
        counts = asdict(self._counts.get(handle, Counts()))
        return {"ok": True, **version.told(), "counts": {**counts, **self._residents.counts(handle)}}

    def _load(self, connection: _Connection, handle: int, directory: str, gives_way: bool) -> None:
        """On a thread of its own, so that calls go on."""
        (stand_back if gives_way else take_long_slices)()
        with giving_way(gives_way):
            reason = self._residents.load(handle, directory)
        version = self._residents.find(handle)
        if version is None:
            self._answer(connection, {"ok": False, "reason": reason or "it was unloaded again"}, {})
        else:
            self._answer(connection, self._told(handle, version), {})

    def _leave(self, connection: _Connection) -> None:
        self._epoll.unregister(connection.descriptor)
        del self._connections[connection.descriptor]
        if self._queue.drop(connection):
            self._count(connection.handle, left=1)
            connection.busy = False
        with connection.closing:
            connection.gone = True
            if not connection.busy:  # else a device may be reading its memory: it is closed when that is done
                connection.asked.close()
        self._callers[connection.caller] -= 1
        if not self._callers[connection.caller]:
            del self._callers[connection.caller]
            self._queue.forget(connection.caller)

    # --- running: each thread its own --------------------------------------------------------------

    def _run(self, batch: list[_Connection]) -> None:
        CALLS.begin()
        try:
            self._run_all(batch)
        finally:
            CALLS.end()

    def _run_all(self, batch: list[_Connection]) -> None:
        by_runner: dict[Runner, list[_Connection]] = {}
        for connection in batch:  # all before the first is answered: it may ask for something else then
            assert connection.runner is not None
            by_runner.setdefault(connection.runner, []).append(connection)
        for runner, some in by_runner.items():
            self._run_with(runner, some)

    def _run_with(self, runner: Runner, batch: list[_Connection]) -> None:
        calls = [connection.tensors or {} for connection in batch]
        rows = sum(map(runner.rows, calls))
        self._count(batch[0].handle, calls=len(batch), runs=1, rows=rows, largest=len(batch))
        started = time.monotonic()
        outcomes = runner.run(calls)
        ran = (started, time.monotonic())
        for connection, outcome in zip(batch, outcomes, strict=True):
            self._give(connection, outcome, ran)

    def _give(self, connection: _Connection, outcome: Outcome, ran: wire.Times) -> None:
        if outcome.fault:
            self._answer(connection, {"ok": False, "reason": outcome.fault}, {})
            return
        try:
            self._answer(connection, {"ok": True}, outcome.outputs, ran)
        except TooLarge as fault:
            self._answer(connection, {"ok": False, "reason": str(fault)}, {})

    def _answer(
        self,
        connection: _Connection,
        header: dict[str, Any],
        outputs: Arrays,
        ran: wire.Times = wire.NEVER,
    ) -> None:
        connection.tensors = None
        with connection.closing, contextlib.suppress(OSError):
            if connection.gone:
                connection.asked.close()
                return
            connection.last = time.monotonic()
            connection.busy = False  # before it is answered: the next call may be quicker than this thread
            connection.asked.answer(header, outputs, ran)

    def _count(self, handle: int, *, largest: int = 0, **more: int) -> None:
        with self._counting:
            counts = self._counts.get(handle)
            if counts is None:  # the version was unloaded meanwhile
                return
            for name, number in more.items():
                setattr(counts, name, getattr(counts, name) + number)
            counts.largest = max(counts.largest, largest)
