"""The packages of those that are measured beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def of_make_peers() -> Iterator[None]:
    """Around the import of one. Errors: `SystemExit` with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as fault:
        raise SystemExit(f"{fault.name} is not installed: `make peers` installs it") from None
