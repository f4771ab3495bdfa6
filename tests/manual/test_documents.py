"""The generated documents are up to date."""

from __future__ import annotations

from tests.manual.generate import stale


def test_nothing_is_stale() -> None:
    assert stale() == [], "run `make docs`"
