"""Timing of several contestants in one process: in turns, over many different inputs."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine import simd

ROOT = Path(__file__).parents[1]


def in_turns(
    contestants: Sequence[tuple[Callable[[Any], Any], Sequence[Any]]], seconds: float, rounds: int = 5
) -> list[float]:
    """The median processor seconds of a call of each. In each round each runs over its inputs, one after the
    other, for its share of the time; nobody sees the same input twice in a row."""
    times: list[list[float]] = [[] for _ in contestants]
    share = seconds / rounds / len(contestants)
    for _ in range(rounds):
        for (run, inputs), taken in zip(contestants, times, strict=True):
            end = time.perf_counter() + share
            at = 0
            while time.perf_counter() < end or at < min(len(inputs), 8):
                given = inputs[at % len(inputs)]
                start = time.process_time_ns()
                run(given)
                taken.append((time.process_time_ns() - start) / 1e9)
                at += 1
    return [statistics.median(taken) for taken in times]


def machine() -> dict[str, str]:
    """What a result needs beside it."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "").partition(
        ": "
    )[2]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "cpu": cpu or platform.processor(),
        "simd": simd(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "load": " ".join(_lines("/proc/loadavg")[0].split()[:3]) if Path("/proc/loadavg").exists() else "",
    }


def report(results: dict[str, Any], path: str | None) -> None:
    """Writes the results as JSON, if a path is given."""
    if path is not None:
        Path(path).write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
