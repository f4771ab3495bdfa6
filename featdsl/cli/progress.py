"""Progress of long work on stderr: a bar on a terminal, lines elsewhere, nothing for what is quick."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_QUIET_SECONDS = 1.0
_BAR_SECONDS = 0.1
_LINE_SECONDS = 10.0
_WIDTH = 30


class Progress:
    """Say `update(done)` as often as you like, `close()` at the end. `total` None: not known."""

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._start = clock()
        self._said = self._start + _QUIET_SECONDS - _BAR_SECONDS
        self._bar_is_shown = False

    def update(self, done: int) -> None:
        """`done` of the total, in the unit that `what` names."""
        now = self._clock()
        on_terminal = self._stream.isatty()
        if now - self._said < (_BAR_SECONDS if on_terminal else _LINE_SECONDS):
            return
        self._said = now
        if on_terminal:
            self._bar_is_shown = True
            print(f"\r{self._bar(done)}\x1b[K", end="", file=self._stream, flush=True)
        else:
            print(self._counts(done), file=self._stream, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar_is_shown:
            print("\r\x1b[K", end="", file=self._stream, flush=True)
            self._bar_is_shown = False

    def _bar(self, done: int) -> str:
        if not self._total:
            return self._counts(done)
        filled = min(_WIDTH, _WIDTH * done // self._total)
        return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {self._counts(done)}"

    def _counts(self, done: int) -> str:
        seconds = self._clock() - self._start
        rate = f", {done / seconds:,.0f} a second" if seconds > 0 else ""
        of = f" of {self._total:,}" if self._total else ""
        return f"{done:,}{of} {self._what}{rate}"
