"""Fuzzes a Python target with atheris: `python -m tests.fuzz.fuzzer TARGET [option…]`, with libFuzzer's options."""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["featdsl", "compiler"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.mutations import CHANGES, change_bytes
from tests.fuzz.seeds import seeds


def main() -> None:
    name = sys.argv.pop(1)
    others = seeds(name)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        kind = chance.randrange(4)
        if kind == 0:
            return bytes(atheris.Mutate(data, max_size))[:max_size]
        change = CHANGES[name] if kind > 1 else change_bytes
        return change(data, others, chance)[:max_size]

    atheris.Setup(sys.argv, TARGETS[name], custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
