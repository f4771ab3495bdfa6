"""Twists: other ways to run the whole suite, which must change no bit.

A twist is an entry in `TWISTS`. Its rows are the suite's (`programs.rows_of`), arranged or emptied in some way; what
must come out is what the reference gives for them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.types as kinds

from compiler.bundle import Bundle, write_bundle
from compiler.native.rows import RowRunner, run_rows
from engine import simd
from featdsl.program import Schema
from tests.conformance.layouts import large, sliced
from tests.conformance.one_call import run_as_call
from tests.conformance.run_native import read_table, write_table

SEED_ROWS = 6
"""The rows that twists arrange; even ones have the cases' own values."""
CALL_ITEMS = 4
"""Of a call with SEED_ROWS candidates, so that two items come twice."""

Run = Callable[[Mapping[str, Bundle], Mapping[str, pa.Table]], dict[str, pa.Table]]
"""The outputs by family."""


@dataclass(frozen=True)
class Twist:
    """`held` says where the variables are: `columns` (fields of `request`), `spread` (over a user's row, an item's
    row, `request` and `candidate`) or `constants`. `change` is done to the rows before anything runs, and `order`
    arranges them (by the positions of rows) for `run`, but not for the reference."""

    run: Run
    held: str = "columns"
    change: Callable[[Schema, pa.Table], pa.Table] = lambda schema, rows: rows
    order: Callable[[], list[int]] = lambda: list(range(SEED_ROWS))


# --- ways to run -------------------------------------------------------------------------------


def _each(run: Callable[[Bundle, pa.Table], pa.Table]) -> Run:
    def run_each(bundles: Mapping[str, Bundle], rows: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        return {name: run(bundle, rows[name]) for name, bundle in bundles.items()}

    return run_each


def _engine(bundle: Bundle, rows: pa.Table) -> pa.Table:
    return run_rows(bundle, "features", rows)


def _in_chunks(bundle: Bundle, rows: pa.Table) -> pa.Table:
    """A table of chunks of 1, 3, 1… rows, read two at a time."""
    pieces = [rows.slice(start, 1 + 2 * (start % 2)) for start in (0, 1, 4, 5)]
    return run_rows(bundle, "features", pa.concat_tables(pieces).slice(0, rows.num_rows), chunk_rows=2)


def _as_batch(layout: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Run:
    def run(bundle: Bundle, rows: pa.Table) -> pa.Table:
        batch = layout(rows.combine_chunks().to_batches()[0])
        return pa.Table.from_batches([RowRunner(bundle, "features").run(batch)])

    return _each(run)


def _as_call(bundle: Bundle, rows: pa.Table) -> pa.Table:
    return run_as_call(bundle, "features", rows, CALL_ITEMS)


def _with_simd(name: str) -> Run:
    def run(bundles: Mapping[str, Bundle], rows: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        with tempfile.TemporaryDirectory() as folder:
            for family, bundle in bundles.items():
                write_bundle(bundle, Path(folder, f"{family}.featb"))
                write_table(Path(folder, f"{family}.rows"), rows[family])
            command = [sys.executable, "-m", "tests.conformance.run_native", folder]
            environment = {**os.environ, "FEATDSL_SIMD": name}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.stdout.strip() == name, f"the engine used {done.stdout}, not {name}: {done.stderr}"
            return {family: read_table(Path(folder, f"{family}.out")) for family in bundles}

    return run


# --- changes of the rows -----------------------------------------------------------------------


def all_null(schema: Schema, rows: pa.Table) -> pa.Table:
    """Every field of `request` that may be null is: an optional one, a list, a map."""
    if "request" not in rows.column_names:
        return rows
    struct = rows.combine_chunks().to_struct_array().chunk(0).field("request")
    required = {field.name for field in schema.request if field.required}
    arrays = [
        struct.field(i) if field.name in required else pa.nulls(len(struct), field.type)
        for i, field in enumerate(struct.type)
    ]
    at = rows.column_names.index("request")
    return rows.set_column(at, "request", pa.StructArray.from_arrays(arrays, fields=list(struct.type)))


def _missing(schema: Schema, rows: pa.Table) -> pa.Table:
    """No row of any source is there, nor a request or candidate."""
    return pa.table(
        {
            name: pa.nulls(rows.num_rows, column.type) if kinds.is_struct(column.type) else column
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        }
    )


def _one_user(schema: Schema, rows: pa.Table) -> pa.Table:
    """The rows as they are when they are one call's: the request and the user's row are the first everywhere, and
    an item's row is the same wherever the item comes again."""
    numbers = {"u": [0] * rows.num_rows, "m": [row % CALL_ITEMS for row in range(rows.num_rows)]}
    numbers["request"] = numbers["u"]
    taken = {name: pa.array(numbers.get(name, list(range(rows.num_rows)))) for name in rows.column_names}
    return pa.table({name: rows.column(name).take(taken[name]) for name in rows.column_names})


SIMD = ("scalar", "avx2", "avx512")
"""Instruction sets, the narrowest first: those up to the processor's own are run."""

TWISTS: dict[str, Twist] = {
    "1 row": Twist(_each(_engine), order=lambda: [0]),
    "2 rows": Twist(_each(_engine), order=lambda: [1, 0]),
    "4096 rows": Twist(_each(_engine), order=lambda: [row % SEED_ROWS for row in range(4096)]),
    "constants": Twist(_each(_engine), held="constants"),
    "chunks": Twist(_each(_in_chunks)),
    "slices": Twist(_as_batch(sliced)),
    "64-bit offsets": Twist(_as_batch(large)),
    "all null": Twist(_each(_engine), change=all_null),
    "all missing": Twist(_each(_engine), held="spread", change=_missing),
    "a call from the store": Twist(_each(_as_call), held="spread", change=_one_user),
    "a call of nobody": Twist(_each(_as_call), held="spread", change=_missing),
    **{
        f"{name} instructions": Twist(_with_simd(name), order=lambda: [r % SEED_ROWS for r in range(101)])
        for name in SIMD[: SIMD.index(simd()) + 1]
    },
}
