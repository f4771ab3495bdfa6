"""Timing of several contestants in one process: in turns, over many different inputs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.turns import in_rounds, timed

ROOT = Path(__file__).parents[1]


def in_turns(
    contestants: Sequence[tuple[Callable[[Any], Any], Sequence[Any]]], seconds: float, rounds: int = 5
) -> list[float]:
    """The median processor seconds of a call of each."""
    turns = [partial(timed, run, inputs) for run, inputs in contestants]
    return [statistics.median(taken) for taken in in_rounds(turns, seconds, rounds)]


def processor_seconds(root: int | None = None) -> float:
    """Seconds of the processor that a process (this one) and all that it started have taken so far."""
    ticks: dict[int, tuple[int, int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        ticks[int(stat.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    mine, found = {root or os.getpid()}, 0
    while mine:
        found += sum(ticks[number][1] for number in mine & ticks.keys())
        mine = {number for number, (parent, _) in ticks.items() if parent in mine}
    return found / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, str]:
    """What a result needs beside it."""
    from engine import simd  # the device's benchmark runs without the engine

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
