"""Several worker processes on one port: started, watched, replaced one by one, stopped.

The supervisor holds the port and does nothing for calls. Each worker is a fresh process (so a restart runs the
code, program and settings that are there then) and hangs on a line, a socket with a JSON object a line:

supervisor to worker                               worker to supervisor
{"number", "port", "arguments"}   first of all     {"ready": true, "problem", "state", "name"}   it listens
{"do": "take", "place"}   all new connections      {"taken": true}    it gets all new connections
{"do": "share"}           by the hash again        {"closed": true}   it gets no new connections any more
{"do": "leave"}           serve out, then end      {"alive": true}    every second

A line that ends says that the other side is gone: a worker without a supervisor serves out and ends, too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from online.stopping import CLOSED_IN_S, end_within

log = logging.getLogger("featdsl.supervisor")

STEADY_S = 10.0
"""A worker that dies sooner has failed to start, and the next one waits longer."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
SILENT_S = 30.0
"""A worker that listens and has said nothing for so long hangs: it is killed, and started again."""

KILLED_AFTER_S = CLOSED_IN_S + 3.0
"""Beyond the grace, until a worker that does not end, not even by itself as one that hangs does, is killed."""


def pause_before(failures: int) -> float:
    """Seconds until a worker is started again that died `failures` times in a row soon after its start: the
    first time none, then twice as long each time."""
    return 0.0 if failures == 0 else min(FIRST_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S)


@dataclass(slots=True)
class Worker:
    """A worker process. `ready` is what it told when it began to listen; `closed`: it gets no new connections."""

    number: int
    process: subprocess.Popen[bytes]
    line: socket.socket
    started: float
    ready: Mapping[str, Any] | None = None
    taken: bool = False
    closed: bool = False
    heard: float = 0.0
    unread: bytes = b""

    @property
    def listens(self) -> bool:
        return self.ready is not None and not self.closed

    def tell(self, **message: Any) -> None:
        with contextlib.suppress(OSError):  # it is gone, which is seen where it ends
            self.line.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, now: float) -> bool:
        """Takes in what it says. False when the line has ended."""
        self.heard = now
        try:
            data = self.line.recv(65_536)
        except ConnectionError:
            return False
        *lines, self.unread = (self.unread + data).split(b"\n")
        for message in map(json.loads, lines):
            if "ready" in message:
                self.ready = message
            self.taken = self.taken or "taken" in message
            self.closed = self.closed or "closed" in message
        return bool(data)


@dataclass(slots=True)
class _Place:
    """What is known of worker number `number`, whichever process it is now."""

    worker: Worker | None = None
    failures: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Signals:
    stop: bool = False
    reload: bool = False


@dataclass(slots=True)
class Supervisor:
    """Runs `workers` processes of `command`, each given the number of its line's file descriptor as last
    argument, until SIGTERM or SIGINT. SIGHUP replaces them one by one. `announce` is called once, when all
    listen, with what the first one told."""

    command: Sequence[str]
    arguments: Mapping[str, Any]
    workers: int
    port: int
    grace_s: float
    announce: Callable[[Mapping[str, Any]], None]
    silent_s: float = SILENT_S
    clock: Callable[[], float] = time.monotonic
    restarts: int = 0
    _places: list[_Place] = field(default_factory=list)
    _others: list[Worker] = field(default_factory=list)
    """Workers beside those of the places: one that comes, one that leaves."""
    _signals: _Signals = field(default_factory=_Signals)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> int:
        """Returns the exit code: 0, or that of a first worker that did not come to listen."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        self._selector.register(woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        try:
            code = self._start()
            while code is None and not self._signals.stop:
                self._turn()
                if self._signals.reload and not self._signals.stop:
                    self._signals.reload = False
                    self._replace_all()
            return self._stop() if code is None else code
        finally:
            self._kill()
            signal.set_wakeup_fd(-1)

    # --- starting ------------------------------------------------------------------------------

    def _start(self) -> int | None:
        """The first worker, and when it listens the others: what is wrong with all is told once."""
        first = self._spawn(0)
        self._others.append(first)
        self._turn_until(lambda: first.ready is not None or first.process.poll() is not None)
        if self._signals.stop:
            return None
        if first.ready is None:
            return first.process.returncode
        self._others.remove(first)
        self._places = [_Place(first), *(_Place() for _ in range(self.workers - 1))]
        self._turn_until(lambda: sum(w.listens for w in self._living()) >= self.workers)
        if not self._signals.stop:
            self.announce(first.ready)
        return None

    def _spawn(self, number: int) -> Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [*self.command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        worker = Worker(number, process, ours, self.clock())
        self._selector.register(ours, selectors.EVENT_READ, worker)
        worker.tell(number=number, port=self.port, arguments=dict(self.arguments))
        return worker

    # --- watching ------------------------------------------------------------------------------

    def _turn_until(self, condition: Callable[[], bool], give_up: float | None = None) -> bool:
        """Goes on with all that must be until the condition holds; False when told to stop, or at `give_up`."""
        while not condition():
            if self._signals.stop or (give_up is not None and self.clock() >= give_up):
                return False
            self._turn(give_up)
        return True

    def _turn(self, until: float | None = None) -> None:
        """Waits for what happens next, and deals with it."""
        times = [] if until is None else [until]
        if not self._signals.stop:
            times += [place.due for place in self._places if place.worker is None]
            times += [worker.heard + self.silent_s for worker in self._living() if worker.ready is not None]
        timeout = max(0.0, min(times) - self.clock()) if times else None
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, Worker):
                if not key.data.receive(self.clock()):
                    self._selector.unregister(key.fileobj)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)
        for worker in self._living():
            if worker.ready is not None and self.clock() > worker.heard + self.silent_s:
                log.error("worker %d (pid %d) hangs and is killed", worker.number, worker.process.pid)
                worker.process.kill()
                worker.heard = self.clock()
        for place in self._places:
            if place.worker is not None and place.worker.process.poll() is not None:
                self._bury(place, place.worker)
        for worker in [one for one in self._others if one.process.poll() is not None]:
            self._forget(worker)
            self._others.remove(worker)
        if self._signals.stop:
            return
        for number, place in enumerate(self._places):
            if place.worker is None and self.clock() >= place.due:
                place.worker = self._spawn(number)

    def _bury(self, place: _Place, worker: Worker) -> None:
        self._forget(worker)
        place.worker = None
        if self._signals.stop:
            return
        lived = self.clock() - worker.started
        if lived >= STEADY_S and worker.ready is not None:
            place.failures = 0
        pause = pause_before(place.failures)
        place.failures += 1
        place.due = self.clock() + pause
        self.restarts += 1
        log.error(
            "worker %d (pid %d) ended after %.1f s, %s; it is started again %s",
            worker.number,
            worker.process.pid,
            lived,
            _how(worker.process.returncode),
            f"in {pause:.1f} s" if pause else "at once",
        )

    def _forget(self, worker: Worker) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.line)
        worker.line.close()

    def _living(self) -> list[Worker]:
        return [*(place.worker for place in self._places if place.worker is not None), *self._others]

    # --- replacing -----------------------------------------------------------------------------

    def _replace_all(self) -> None:
        """One by one. A new worker that does not come, or comes with a problem, ends it: the old ones serve on."""
        log.info("replacing %d workers one by one", self.workers)
        for number, place in enumerate(self._places):
            if not self._replace(number, place):
                if not self._signals.stop:
                    log.error("the workers that are not replaced yet serve on")
                return
        log.info("all workers are replaced")

    def _replace(self, number: int, place: _Place) -> bool:
        fresh = self._spawn(number)
        self._others.append(fresh)
        self._turn_until(lambda: fresh.ready is not None or fresh.process.poll() is not None)
        if fresh.ready is None or fresh.ready["problem"]:
            if fresh.ready is not None:
                log.error("a new worker listens but does not serve: %s", fresh.ready["problem"])
            fresh.process.terminate()
            return False
        old, place.worker, place.failures = place.worker, fresh, 0
        self._others.remove(fresh)
        if old is None:  # it had died, and was to be started again
            return True
        self._others.append(old)
        fresh.tell(do="take", place=sum(w.listens for w in self._living() if w is not fresh))
        self._turn_until(lambda: fresh.taken or fresh.process.poll() is not None)
        old.tell(do="leave")
        self._turn_until(lambda: old.closed or old.process.poll() is not None)
        fresh.tell(do="share")
        return self._turn_until(lambda: old not in self._others)

    # --- stopping ------------------------------------------------------------------------------

    def _signalled(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:
            self._signals.reload = True
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._signals.stop:
                self._kill()
                os._exit(130)
            self._signals.stop = True

    def _stop(self) -> int:
        """All at once: each answers what it has in flight."""
        log.info("stopping: the workers finish the calls in flight")
        for worker in self._living():
            worker.process.terminate()
        most_s = self.grace_s + KILLED_AFTER_S
        end_within(most_s + CLOSED_IN_S)
        give_up = self.clock() + most_s
        while self._living() and self.clock() < give_up:
            self._turn(give_up)
        for worker in self._living():
            log.error("worker %d (pid %d) does not end and is killed", worker.number, worker.process.pid)
        return 0

    def _kill(self) -> None:
        for worker in self._living():
            worker.process.kill()
        for worker in self._living():
            worker.process.wait()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
