"""The checksum of what is long."""

from __future__ import annotations

import hashlib

import pytest

from featdsl.steps import between_steps, in_steps
from model_sync.version import digest_of

DATA = bytes(range(256)) * (1 << 13)


@pytest.mark.parametrize("data", [b"", DATA, DATA + b"more"], ids=["nothing", "steps", "and a part"])
def test_it_is_made_in_steps_for_who_has_something_to_do_between_them(data: bytes) -> None:
    steps: list[int] = []
    with between_steps(lambda: steps.append(1)):
        assert digest_of(data) == hashlib.sha256(data).hexdigest()
    assert len(steps) > 1 or not data
    assert digest_of(data) == hashlib.sha256(data).hexdigest()


def test_who_has_nothing_to_do_between_them_takes_it_whole() -> None:
    """A trainer publishes beside threads that read what it trains on: after each of thirty parts of a chunk it would
    wait for the interpreter."""
    assert [len(part) for part in in_steps(DATA, 1 << 18)] == [len(DATA)]
