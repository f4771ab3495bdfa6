"""What programs of 500 to 5,000 features over 500 source fields cost: to check, build, store, load and run.

    .venv/bin/python -m benchmarks.scale [--quick] [--features 500 1000 2000 5000] [--spark] [--json FILE]

Seconds of processor time; a run is of 1,000 joined rows. `--spark` adds data sets of these rows in Spark, with the
engine and with Spark's own columns: the seconds of the driver, the JVM and its workers together, after a first one that
starts them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.large_program import LargeProgram
from benchmarks.measure import machine, processor_seconds, report
from compiler.bundle import compile_program, read_bundle, write_bundle
from compiler.native.rows import RowRunner
from featdsl.check import check

ROWS = 1_000
COLUMNS = ("check", "compile", "write", "read", "load", "run", "MB", "nodes")


def main() -> int:
    parser = argparse.ArgumentParser(description="What large programs cost.")
    parser.add_argument("--features", type=int, nargs="+", help="500 1000 2000 5000")
    parser.add_argument("--quick", action="store_true", help="500 and 2,000 features")
    parser.add_argument("--spark", action="store_true", help="data sets in Spark, too")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    sizes = args.features or ([500, 2_000] if args.quick else [500, 1_000, 2_000, 5_000])
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    print(f"{'features':>8}", *(f"{column:>8}" for column in COLUMNS))
    results: dict[str, Any] = {}
    for features in sizes:
        found = _measure(LargeProgram(features))
        results[str(features)] = found
        cells = (f"{value:8.3f}" if isinstance(value, float) else f"{value:>8}" for value in found.values())
        print(f"{features:>8}", *cells)
    if args.spark:
        results["spark"] = _in_spark(sizes)
    report({"scale": results}, args.json)
    return 0


def _in_spark(sizes: Sequence[int]) -> dict[str, dict[str, float]]:
    from offline.dataset import write_dataset
    from offline.samples import read_rows
    from offline.session import open_session

    session = open_session("benchmark", small=True)
    results: dict[str, dict[str, float]] = {}
    print(f"\n{'features':>8} {'native':>8} {'spark':>8}  seconds of a data set of all features")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for features in (min(sizes), *sizes):
                program = LargeProgram(features)
                given = check("large.feat", overlay={"large.feat": program.text()}).program
                assert given is not None
                bundle = compile_program(given)
                path = str(Path(folder, "rows.parquet"))
                pq.write_table(program.rows(ROWS), path)
                found = results[str(features)] = {}
                for engine in ("native", "spark"):
                    start = processor_seconds()
                    joined = read_rows(session, bundle, "features", path)
                    write_dataset(
                        bundle, "features", joined, Path(folder, "out"), engine=engine, overwrite=True
                    )
                    found[engine] = processor_seconds() - start
                print(f"{features:>8} {found['native']:8.1f} {found['spark']:8.1f}", flush=True)
    finally:
        session.stop()
    return results


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
