"""What is run where: how many twists, and how Spark makes each case's value.

A case whose plan holds one node that runs in the engine proves little about Spark, and one that is a constant
nothing: so they are counted, and operators that fall back are listed, in the file RUNS.
"""

from __future__ import annotations

from collections import Counter

from compiler.bundle import compile_program
from compiler.ir import reachable
from compiler.spark.fallbacks import fallback_of
from tests.conformance.cases import FOLDER
from tests.conformance.suite import FAMILIES, checked_family
from tests.conformance.twists import SIMD, TWISTS

RUNS = FOLDER / "RUNS"


def twist_count() -> int:
    """Instruction sets count as one twist: which are run depends on the processor."""
    return 1 + sum(not name.startswith(SIMD) for name in TWISTS)


def spark_outcomes() -> tuple[Counter[str], set[str]]:
    """How many cases Spark makes by `sql` alone, with nodes in the `engine`, or as a `constant`; and the case files
    in which an operator falls back, as `string/lower lower`."""
    outcomes: Counter[str] = Counter()
    fallbacks = set()
    for family in FAMILIES:
        program, checked = checked_family(family)
        roots = compile_program(checked).outputs("features")
        for index, case in enumerate(program.cases):
            nodes = list(reachable([roots[f"f{index}"].node]))
            found = {node.op for node in nodes if fallback_of(node) is not None}
            computed = any(node.op not in ("const", "input") for node in nodes)
            outcomes["engine" if found else "sql" if computed else "constant"] += 1
            fallbacks |= {f"{family}/{case.operator} {op}" for op in found}
    return outcomes, fallbacks


def write() -> None:
    outcomes, fallbacks = spark_outcomes()
    lines = [f"twists {twist_count()}", *(f"spark {name} {outcomes[name]}" for name in sorted(outcomes))]
    lines += [f"fallback {found}" for found in sorted(fallbacks)]
    RUNS.write_text("\n".join(lines) + "\n")


def stored_count(name: str) -> int:
    """A number of the file."""
    return next(
        int(line.removeprefix(name)) for line in RUNS.read_text().splitlines() if line.startswith(f"{name} ")
    )


def stored_fallbacks() -> set[str]:
    return {
        line.removeprefix("fallback ")
        for line in RUNS.read_text().splitlines()
        if line.startswith("fallback ")
    }
