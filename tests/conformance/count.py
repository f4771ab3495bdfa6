"""Writes what may not shrink: how many cases each family has to the file COUNT, and what is run where to the file
RUNS. `python -m tests.conformance.count`."""

from collections import Counter

from tests.conformance import runs
from tests.conformance.cases import FOLDER
from tests.conformance.suite import CASES

if __name__ == "__main__":
    counts = Counter(case.family for case in CASES)
    (FOLDER / "COUNT").write_text("".join(f"{family} {n}\n" for family, n in sorted(counts.items())))
    runs.write()
