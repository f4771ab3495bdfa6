"""What programs of 500 to 5,000 features over 500 source fields cost: to check, build, store, load and run.

    .venv/bin/python -m benchmarks.scale [--features 500 1000 2000 5000] [--json FILE]

Seconds of processor time; a run is of 1,000 joined rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.large_program import LargeProgram
from benchmarks.measure import machine, report
from compiler.bundle import compile_program, read_bundle, write_bundle
from compiler.native.rows import RowRunner
from featdsl.check import check

ROWS = 1_000
COLUMNS = ("check", "compile", "write", "read", "load", "run", "MB", "nodes")


def main() -> int:
    parser = argparse.ArgumentParser(description="What large programs cost.")
    parser.add_argument("--features", type=int, nargs="+", default=[500, 1_000, 2_000, 5_000])
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    print(f"{'features':>8}", *(f"{column:>8}" for column in COLUMNS))
    results: dict[str, Any] = {}
    for features in args.features:
        found = _measure(LargeProgram(features))
        results[str(features)] = found
        cells = (f"{value:8.3f}" if isinstance(value, float) else f"{value:>8}" for value in found.values())
        print(f"{features:>8}", *cells)
    report({"scale": results}, args.json)
    return 0


def _measure(program: LargeProgram) -> dict[str, float | int]:
    text = program.text()
    checked, check_s = _timed(lambda: check("large.feat", overlay={"large.feat": text}))
    assert checked.program is not None, checked.diagnostics[:3]
    given = checked.program
    bundle, compile_s = _timed(lambda: compile_program(given))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.featb"
        _, write_s = _timed(lambda: write_bundle(bundle, path))
        megabytes = path.stat().st_size / 1e6
        _, read_s = _timed(lambda: read_bundle(path))
    runner, load_s = _timed(lambda: RowRunner(bundle, "features"))
    rows = program.rows(ROWS).combine_chunks().to_batches()[0]
    runner.run(rows)
    run_s = min(_timed(lambda: runner.run(rows))[1] for _ in range(3))
    values = (check_s, compile_s, write_s, read_s, load_s, run_s, megabytes, len(bundle.graph.nodes))
    return dict(zip(COLUMNS, values, strict=True))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


if __name__ == "__main__":
    raise SystemExit(main())
