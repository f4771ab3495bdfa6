"""Writes how many cases each family has to the file COUNT: `python -m tests.conformance.count`."""

from collections import Counter

from tests.conformance.cases import FOLDER, all_cases

if __name__ == "__main__":
    counts = Counter(case.family for case in all_cases())
    (FOLDER / "COUNT").write_text("".join(f"{family} {n}\n" for family, n in sorted(counts.items())))
