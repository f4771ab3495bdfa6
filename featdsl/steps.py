"""Long work in steps: who does it beside something that is more urgent may let that go first, between two of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_between: ContextVar[Callable[[], None] | None] = ContextVar("between", default=None)


def step() -> None:
    """Said where one step of long work is over and the next has not begun, so that nothing waits for what this thread
    holds. Costs next to nothing where nobody asked."""
    between = _between.get()
    if between is not None:
        between()


def asked_for() -> bool:
    """Whether anybody has something to do between steps."""
    return _between.get() is not None


def in_steps(data: bytes, size: int) -> Iterator[memoryview]:
    """`data` in parts of `size` bytes, a `step` after each; whole where nobody asked, who might wait for the
    interpreter after each part."""
    between, view = _between.get(), memoryview(data)
    if between is None:
        yield view
        return
    for begin in range(0, len(view), size):
        yield view[begin : begin + size]
        between()


@contextlib.contextmanager
def between_steps(do: Callable[[], None]) -> Iterator[None]:
    """Within it this thread does `do` at each `step`."""
    before = _between.set(do)
    try:
        yield
    finally:
        _between.reset(before)
