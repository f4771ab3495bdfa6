"""The elementary functions against the real thing: Java's StrictMath, to the bit."""

import random
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from featdsl.operators import strictmath, strictmath_hyperbolic, strictmath_trig

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
Pairs = npt.NDArray[np.float64]

OF_ONE: dict[str, Callable[[float], float]] = {
    "exp": strictmath.exp,
    "log": strictmath.log,
    "log1p": strictmath.log1p,
    "expm1": strictmath_hyperbolic.expm1,
    "log10": strictmath_hyperbolic.log10,
    "sinh": strictmath_hyperbolic.sinh,
    "cosh": strictmath_hyperbolic.cosh,
    "tanh": strictmath_hyperbolic.tanh,
    "cbrt": strictmath_hyperbolic.cbrt,
    "sin": strictmath_trig.sin,
    "cos": strictmath_trig.cos,
    "tan": strictmath_trig.tan,
    "asin": strictmath_trig.asin,
    "acos": strictmath_trig.acos,
    "atan": strictmath_trig.atan,
}
OF_TWO: dict[str, Callable[[float, float], float]] = {
    "pow": strictmath.pow,
    "hypot": strictmath_hyperbolic.hypot,
    "atan2": strictmath_trig.atan2,
}
COLUMNS = (
    *("exp", "log", "log1p", "pow", "expm1", "log10", "sinh", "cosh", "tanh", "cbrt", "hypot"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2"),
)
"""In the order in which the two tables have them."""

NASTY = [
    0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 0.25, 3.0, -3.0, 1.5, -1.5, 10.0, 1e300, -1e300, 1e-300,
    5e-324, -5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308, float("inf"),
    float("-inf"), float("nan"), 709.782712893384, 709.7827128933841, -745.1332191019411, -745.1332191019412,
    -708.4, 1024.0, -1074.0, -1075.0, 1 - 2**-53, 1 + 2**-52, -(1 - 2**-53), -(1 + 2**-52), 2.0**31,
    2.0**31 + 1, 2.0**53, 2.0**53 - 1, -(2.0**53 - 1), 2.0**63, 2.0**64, 2.0**64 * 1.5, 0.41421356237309503,
    -0.2928932188134525, -0.29289, 2.0**-29, 2.0**-54, -(2.0**-29), 0.34657359027997264, 1.0397207708399179,
    0.7853981633974483, 1.5707963267948966, -1.5707963267948966, 2.356194490192345, 3.141592653589793,
    6.283185307179586, 0.6743316650390625, 0.4375, 0.6875, 1.1875, 2.4375, 2.0**66, 22.0, -22.0, 38.816242111356935,
    710.4758600739439, 710.475860073944, 0.975, -0.975, 2.0**-27, 2.0**-28, 823549.6, 823550.7,
    6381956970095103.0 * 2.0**797,
]  # fmt: skip


def _pairs(count: int, seed: int) -> Pairs:
    """Every pair of nasty values, then kinds of random pairs: any bits, near 1, whole powers, at over- and
    underflow, subnormals, -1 to 1, next to multiples of pi/2, one size."""
    rng = np.random.default_rng(seed)
    n = max(count // 10, 1)
    nasty = np.array([(a, b) for a in NASTY for b in NASTY])
    bits = rng.integers(0, 2**64, size=(n, 2), dtype=np.uint64).view(np.float64)
    plain = rng.normal(0, 30, size=(n, 2))
    near_one = np.stack(
        [1 + rng.normal(0, 1, n) * 10.0 ** -rng.integers(1, 16, n), rng.normal(0, 1, n) * 1e9], 1
    )
    negative = np.stack([-np.abs(near_one[:, 0]), rng.integers(-(2**40), 2**40, n).astype(np.float64)], 1)
    whole = np.stack([rng.normal(0, 20, n), rng.integers(-320, 320, n).astype(np.float64)], 1)
    base = np.exp2(rng.uniform(-1074, 1023, n))
    edge = np.stack([base, rng.choice([-1074.5, -1022.0, 1023.9, 1024.0], n) / np.log2(base)], 1)
    unit = rng.uniform(-1, 1, size=(n, 2))
    turns = np.floor(10.0 ** rng.uniform(0, 17, n)) * (np.pi / 2)
    quarters = np.stack([turns * rng.choice([-1.0, 1.0], n), turns * rng.normal(0, 1, n)], 1)
    size = np.exp2(rng.uniform(-1074, 1020, n))
    alike = np.stack([size * rng.uniform(0.2, 5, n), size * rng.normal(0, 1, n)], 1)
    return np.concatenate([nasty, bits, plain, near_one, negative, whole, edge, unit, quarters, alike])


@pytest.fixture(scope="session")
def java_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strictmath_java")
    subprocess.run(["javac", "-d", str(folder), str(HERE / "StrictMathTable.java")], check=True)
    return folder


def _java(folder: Path, pairs: Pairs) -> Pairs:
    command = ["java", "-cp", str(folder), "StrictMathTable"]
    done = subprocess.run(command, input=pairs.astype(">f8").tobytes(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, dtype=">f8").astype(np.float64).reshape(-1, len(COLUMNS))


def _same(got: Pairs, wanted: Pairs, pairs: Pairs) -> None:
    """Bits equal, any NaN for any NaN."""
    differ = (got.view(np.uint64) != wanted.view(np.uint64)) & ~(np.isnan(got) & np.isnan(wanted))
    examples = [
        (name, pairs[row].tolist(), float(got[row, i]), float(wanted[row, i]))
        for i, name in enumerate(COLUMNS)
        for row in np.flatnonzero(differ[:, i])[:3]
    ]
    assert not examples, f"{differ.sum()} of {differ.size} differ: {examples}"


def test_the_engines_functions_equal_java(java_table: Path, tmp_path: Path) -> None:
    program = tmp_path / "strictmath_table"
    flags = ["-std=c++20", "-O2", "-ffp-contract=off", f"-I{ROOT}"]
    subprocess.run(["g++", *flags, str(HERE / "strictmath_table.cc"), "-o", str(program)], check=True)
    pairs = _pairs(600_000, seed=1)
    done = subprocess.run([str(program)], input=pairs.tobytes(), stdout=subprocess.PIPE, check=True)
    _same(np.frombuffer(done.stdout).reshape(-1, len(COLUMNS)), _java(java_table, pairs), pairs)


def test_the_references_functions_equal_java(java_table: Path) -> None:
    pairs = _pairs(20_000, seed=2)
    got = [
        [OF_ONE[name](x) if name in OF_ONE else OF_TWO[name](x, y) for name in COLUMNS]
        for x, y in pairs.tolist()
    ]
    _same(np.array(got), _java(java_table, pairs), pairs)


def _ulp_apart(a: float, b: float) -> int:
    words: Sequence[int] = [struct.unpack("<q", struct.pack("<d", v))[0] for v in (a, b)]
    return abs(words[0] - words[1])


def test_they_are_within_one_ulp_of_libm() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        x = rng.uniform(1e-3, 700.0)
        assert _ulp_apart(strictmath.log(x), float(np.log(x))) <= 1
        assert _ulp_apart(strictmath.exp(x), float(np.exp(x))) <= 1
