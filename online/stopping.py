"""Told to stop by a signal, and ended then, whatever hangs.

Python runs a handler in the main thread, when that comes to run Python again, and nothing may wake it for that: the
kernel may hand a signal to another thread (one that starts a thread at that moment takes it), while the main thread
sleeps on in a lock. And where the handler does run, the main thread may hold the very lock that it wants. What runs at
once, in whichever thread, is C that writes the signal's number to a pipe. So a thread here reads the pipe, and no
handler does anything.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

log = logging.getLogger("featdsl.stopping")

CLOSED_IN_S = 10.0
"""Beyond the grace for calls, for all else that is to be closed."""

_FRAMES = 6


class Stopping:
    """Stops by signal, from now on, for the process whose main thread makes this; once for all.

    `told` is set by the first of the signals, or by `tell`. From then on the process has `grace_s`, which is for
    whoever has calls to finish to set, and CLOSED_IN_S to end by itself. A second signal ends it at once.
    """

    def __init__(
        self,
        numbers: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        *,
        then: Callable[[], None] | None = None,
        ends_at_second: bool = True,
    ) -> None:
        """`then` is called when it is told, on the thread that tells it."""
        self.told = threading.Event()
        self.grace_s = 0.0
        self._then = then
        self._ends_at_second = ends_at_second
        self._telling = threading.Lock()
        came, comes = os.pipe()
        os.set_blocking(comes, False)
        signal.set_wakeup_fd(comes, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _nothing)
        threading.Thread(target=self._listen, args=(came, numbers), name="signals", daemon=True).start()

    def tell(self) -> None:
        """As the first signal does."""
        with self._telling:
            if self.told.is_set():
                return
            end_within(self.grace_s + CLOSED_IN_S)
            self.told.set()
        if self._then is not None:
            self._then()

    def _listen(self, came: int, numbers: Sequence[int]) -> None:
        while True:
            for number in os.read(came, 64):
                if number not in numbers:
                    continue
                if self.told.is_set() and self._ends_at_second:
                    os._exit(130)
                self.tell()


def end_within(seconds: float) -> None:
    """Ends this process unless it has ended by itself by then; the log says what it waits for."""
    threading.Thread(target=_end_after, args=(seconds,), name="end", daemon=True).start()
    # where a thread keeps Python to itself for ever: by C
    faulthandler.dump_traceback_later(seconds + 1, exit=True)
    # where nobody reads what either of them says: by the kernel
    signal.setitimer(signal.ITIMER_REAL, seconds + 2)


def end_now(code: int) -> NoReturn:
    """Ends this process without a wait for its threads: nobody wants any more what they wait for."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(code)


def _nothing(number: int, frame: object) -> None:
    """The handler, so that the signal is not ignored and does not kill."""


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    log.critical(
        "it did not end within %.1f s and is ended now; what hangs: %s", seconds, "; ".join(_hanging())
    )
    os._exit(1)


def _hanging() -> Iterator[str]:
    """Where the threads are that a process waits for before it ends, the innermost call first."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None and not thread.daemon:
            calls = reversed(traceback.extract_stack(frame)[-_FRAMES:])
            where = " < ".join(f"{call.name} ({Path(call.filename).name}:{call.lineno})" for call in calls)
            yield f"{thread.name} in {where}"
