"""The engine on 120 features, against plain Python, numpy, polars and pandas, one thread each.

    .venv/bin/python -m benchmarks.engine [--quick] [--json FILE]

Every contestant gets the calls in the form it likes best, makes all 120 features, and is compared with plain Python
before it is timed: ids and numbers exactly, floats to 1e-13 (a libm's log1p differs in the last bit). 64 different
calls rotate. Times are of the processor, so that what else runs on the machine does not count.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import benchmarks.one_thread  # noqa: F401  before polars
from benchmarks.measure import in_turns, machine, report
from benchmarks.mix.data import LONG, Catalogue
from benchmarks.mix.numpy_peer import Numpy, NumpyVectorized
from benchmarks.mix.ours import Staged, Whole
from benchmarks.mix.pandas_peer import Pandas
from benchmarks.mix.polars_peer import STAND_INS, Polars
from benchmarks.mix.python_peer import NAMES, PythonRows

CONTESTANTS = (Whole, Staged, PythonRows, Numpy, NumpyVectorized, Polars, Pandas)
BARS = {Numpy.name: 20, NumpyVectorized.name: 15, Polars.name: 20, Pandas.name: 60}
"""How many times as long as the engine they take at least, at 500 items with short lists."""
CALLS = 64


def main() -> int:
    parser = argparse.ArgumentParser(description="The engine on 120 features, against its peers.")
    parser.add_argument("--quick", action="store_true", help="500 items only, in about two minutes")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    results: dict[str, Any] = {}
    short, long = Catalogue(items=4_000), Catalogue(items=4_000, lists=LONG)
    runs = (
        [(short, 500), (long, 500)]
        if args.quick
        else [(short, 100), (short, 500), (short, 2_000), (long, 500)]
    )
    for catalogue, size in runs:
        name = f"{size} items" if catalogue is short else f"{size} items, long lists"
        print(f"\n{name}")
        barred = catalogue is short and size == 500
        results[name] = _measure(catalogue, size, seconds=20 if args.quick else 60, barred=barred)
    report({"ms": results}, args.json)
    return 0


def _measure(catalogue: Catalogue, size: int, seconds: float, barred: bool) -> dict[str, float]:
    contestants = [kind(catalogue.vocabs) for kind in CONTESTANTS]
    calls = catalogue.calls(CALLS, size)
    prepared = [[contestant.prepare(call) for call in calls] for contestant in contestants]
    plain = PythonRows(catalogue.vocabs)
    wanted = [plain.outputs(plain.run(call)) for call in calls[:4]]
    for contestant, inputs in zip(contestants, prepared, strict=True):
        _compare(contestant, inputs, wanted)
    runs: list[tuple[Any, list[Any]]] = [
        (c.run, inputs) for c, inputs in zip(contestants, prepared, strict=True)
    ]
    medians = in_turns(runs, seconds)
    for contestant, median in zip(contestants, medians, strict=True):
        ratio = median / medians[0]
        bar = f"  (bar {BARS[contestant.name]})" if barred and contestant.name in BARS else ""
        print(f"  {contestant.name:<26} {median * 1e3:9.3f} ms  {ratio:7.1f} x{bar}")
    return {c.name: median * 1e3 for c, median in zip(contestants, medians, strict=True)}


def _compare(contestant: Any, inputs: list[Any], wanted: list[dict[str, np.ndarray]]) -> None:
    """Errors: `SystemExit` with the features that differ from plain Python's."""
    names = [name for name in NAMES if not (isinstance(contestant, Polars) and name in STAND_INS)]
    for given, plain in zip(inputs, wanted, strict=False):
        found = contestant.outputs(contestant.run(given))
        different = [name for name in names if not _equal(np.asarray(found[name]), plain[name])]
        if different:
            raise SystemExit(f"{contestant.name} differs in {', '.join(different)}")


def _equal(found: np.ndarray, wanted: np.ndarray) -> bool:
    if wanted.dtype.kind == "f":
        return bool(np.allclose(found, wanted, rtol=1e-13, atol=0.0))
    return bool(np.array_equal(found, wanted))


if __name__ == "__main__":
    raise SystemExit(main())
