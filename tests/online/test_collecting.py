"""The collector of garbage in a process that serves."""

from __future__ import annotations

import subprocess
import sys

_SPARED = """
import gc
import torch
from online.collecting import spare_what_is_there

before = len(gc.get_objects())
spare_what_is_there()
cycle = []
cycle.append(cycle)
del cycle
print(before, len(gc.get_objects()), gc.collect())
"""


def test_it_looks_at_what_has_come_since_and_at_nothing_else() -> None:
    told = subprocess.run([sys.executable, "-c", _SPARED], capture_output=True, text=True, check=True).stdout
    before, left, collected = map(int, told.split())
    assert left < before / 100
    assert collected == 1
