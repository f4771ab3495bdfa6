"""Timing in turns. Imports nothing, so that a peer with an environment of its own times itself the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

Turn = Callable[[float], list[float]]
"""Runs for that many seconds, and gives the processor seconds of each call."""


def timed(run: Callable[[Any], Any], inputs: Sequence[Any], seconds: float) -> list[float]:
    """Runs over the inputs, one after the other: nobody sees the same input twice in a row."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < min(len(inputs), 8):
        given = inputs[len(taken) % len(inputs)]
        start = time.process_time_ns()
        run(given)
        taken.append((time.process_time_ns() - start) / 1e9)
    return taken


def in_rounds(turns: Sequence[Turn], seconds: float, rounds: int = 5) -> list[list[float]]:
    """What each took. In each round each has its turn, for its share of the time."""
    times: list[list[float]] = [[] for _ in turns]
    for _ in range(rounds):
        for turn, taken in zip(turns, times, strict=True):
            taken += turn(seconds / rounds / len(turns))
    return times
