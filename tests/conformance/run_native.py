"""The engine on programs and rows of a folder, in a process of its own, so that `FEATDSL_SIMD` can choose its
instruction set: `python -m tests.conformance.run_native FOLDER`. Reads `<name>.featb` and `<name>.rows`, writes
`<name>.out`, and says which set it used."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

from compiler.bundle import read_bundle
from compiler.native.rows import run_rows
from engine import simd


def write_table(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()


if __name__ == "__main__":
    for bundle in sorted(Path(sys.argv[1]).glob("*.featb")):
        made = run_rows(read_bundle(bundle), "features", read_table(bundle.with_suffix(".rows")))
        write_table(bundle.with_suffix(".out"), made)
    print(simd())
