"""Each fuzzer's target for a few seconds, without its guidance: seeds, inputs that failed once, and changes of them.
The fuzzers themselves run with `make fuzz`."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.mutations import CHANGES
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

CHANGED = {"check": 200, "state": 40, "bundle": 300, "program": 4000, "rows": 4000}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_is_too_much(name: str) -> None:
    target, given = TARGETS[name], seeds(name)
    for data in given:
        target(data)
    chance = random.Random(name)
    small = [data for data in given if len(data) < 4000]
    for _ in range(CHANGED[name]):
        data = chance.choice(small)
        for _ in range(chance.randint(1, 3)):
            data = CHANGES[name](data, given, chance)
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{name} fails for {data!r}") from error
