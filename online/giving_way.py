"""Work beside calls: it takes the interpreter for short whiles only."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

_GIVES_WAY_S = 0.0005
_lock = threading.Lock()
_at_work = 0
_usual_s = 0.0


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """Within it no call waits long for the interpreter, which it shares with this work."""
    global _at_work, _usual_s
    with _lock:
        if not _at_work:
            _usual_s = sys.getswitchinterval()
            sys.setswitchinterval(_GIVES_WAY_S)
        _at_work += 1
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1
            if not _at_work:
                sys.setswitchinterval(_usual_s)
