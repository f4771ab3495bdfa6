"""Titles to ids (lower, words, lookup in 30,000 entries, pad to 32) against matxscript and plain Python.

    .venv/bin/python -m benchmarks.text_to_ids [--quick] [--json FILE]

Real titles, 64 different calls that rotate, one thread each. All ids of all calls are compared with plain Python's
before anything is timed. matxscript runs in a process of its own (`make peers` installs it), which times its calls
itself, in turns with the others. Everybody gets the titles as it holds them, and gives ids as it holds those.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure import machine, report
from benchmarks.titles.data import Titles
from benchmarks.titles.matxscript_peer import PYTHON, Matxscript
from benchmarks.titles.ours import EngineTitles
from benchmarks.titles.python_peer import PythonTitles
from benchmarks.turns import Turn, in_rounds, timed

CALLS = 64
BAR = 3
"""How many times as long as the engine matxscript takes at least, at 500 titles."""

Ids = list[list[int]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Titles to ids, against matxscript and plain Python.")
    parser.add_argument("--quick", action="store_true", help="500 titles only, in under a minute")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    titles = Titles()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    results: dict[str, Any] = {}
    for size in (500,) if args.quick else (100, 500, 2_000):
        results[str(size)] = _measure(titles, size, seconds=15 if args.quick else 40)
    report({"ms": results}, args.json)
    return 0


def _measure(titles: Titles, size: int, seconds: float) -> dict[str, float]:
    calls = titles.calls(CALLS, size)
    engine, plain = EngineTitles(titles.vocab), PythonTitles(titles.vocab)
    batches = [engine.prepare(call) for call in calls]
    wanted = [plain.run(call) for call in calls]
    _compare(engine.name, lambda k: engine.ids(engine.run(batches[k])), wanted)
    turns: dict[str, Turn] = {
        engine.name: partial(timed, engine.run, batches),
        plain.name: partial(timed, plain.run, calls),
    }
    try:
        peer = Matxscript(titles.vocab, calls)
    except FileNotFoundError:
        print(f"\nmatxscript is not measured: {PYTHON} is not there (`make peers` makes it)")
        return _report(size, turns, seconds)
    with peer:
        for form in peer.forms:
            _compare(f"matxscript, {form}", partial(peer.ids, form), wanted)
            turns[f"matxscript, {form}"] = partial(peer.timed, form)
        return _report(size, turns, seconds)


def _compare(name: str, ids: Callable[[int], Ids], wanted: list[Ids]) -> None:
    """Errors: `SystemExit` with the first title that got other ids than plain Python gives."""
    for call, rows in enumerate(wanted):
        found = ids(call)
        if found != rows:
            row = next(k for k, ids in enumerate(rows) if k >= len(found) or found[k] != ids)
            raise SystemExit(f"{name} differs in call {call}, title {row}")


def _report(size: int, turns: dict[str, Turn], seconds: float) -> dict[str, float]:
    medians = [statistics.median(taken) for taken in in_rounds(list(turns.values()), seconds)]
    print(f"\n{size} titles")
    for name, median in zip(turns, medians, strict=True):
        bar = f"  (bar {BAR})" if size == 500 and name.startswith("matxscript") else ""
        print(f"  {name:<32} {median * 1e3:9.4f} ms  {median / medians[0]:7.1f} x{bar}")
    return {name: median * 1e3 for name, median in zip(turns, medians, strict=True)}


if __name__ == "__main__":
    raise SystemExit(main())
