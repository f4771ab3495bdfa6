"""`feat run`: computes the features of rows that are already joined, without Spark."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from compiler.bundle import Bundle
    from compiler.joined_rows import RowRunner
    from featdsl.cli.rows_file import RowsFile

SUMMARY = "Computes the features of rows that are already joined: the way to try a feature out."

_CHUNK_ROWS = {"native": 16_384, "reference": 512}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .feat file or a bundle")
    parser.add_argument(
        "--rows",
        required=True,
        metavar="PATH",
        help="joined rows (.parquet, .json, .jsonl, .csv): a struct column a source, `request` and "
        "`candidate`, and a column an entity with its key",
    )
    result = parser.add_mutually_exclusive_group(required=True)
    result.add_argument("--out", metavar="PATH", help="the Parquet file to write, a column a feature")
    result.add_argument("--show", type=_count, metavar="N", help="print the first N rows instead")
    parser.add_argument(
        "--engine",
        choices=("native", "reference"),
        default="native",
        help="what computes: the engine (default), or the slow, plain reference",
    )
    parser.add_argument("--features", metavar="A,B", help="only these features")
    parser.add_argument("--model", metavar="NAME", help="the inputs of this model instead of the features")
    parser.add_argument(
        "--now",
        metavar="TIME",
        help="what a field with `= now` reads as where the rows do not have it: ISO 8601, or microseconds "
        "since 1970 (default: the time of this run)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: with --show the rows, else a report")
    parser.epilog = (
        "example:\n  feat run movies.feat --rows rows.parquet --show 5 --features taste,popularity"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when the program or the rows are at fault; then nothing is written."""
    from featdsl.cli.program import load_program
    from featdsl.cli.rows_file import open_rows
    from featdsl.errors import InputError

    if args.features and args.model:
        raise InputError("`--features` and `--model` exclude each other")
    if args.out and args.out.endswith((".csv", ".json", ".jsonl")):
        raise InputError(
            f"results are written as Parquet: {args.out}", help="name a file that ends with .parquet"
        )
    for read in (args.rows, args.file):
        if args.out and _is_same_file(args.out, read):
            raise InputError(f"the results would replace what they are made from: {args.out}")
    now_us = _now(args.now)
    bundle = load_program(args.file)
    if bundle is None:
        return 1
    if args.features:
        bundle = bundle.only(name.strip() for name in args.features.split(",") if name.strip())
    set_name = f"model/{bundle.model(args.model).name}" if args.model else "features"
    rows = open_rows(args.rows, bundle.schema)
    runner = _runner(args.engine, bundle, set_name, now_us)
    _print_notes(rows, runner, bundle)
    if args.show is not None:
        _show(runner, rows, bundle, args)
    else:
        _write(runner, rows, bundle, args)
    return 0


def _is_same_file(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _runner(engine: str, bundle: Bundle, set_name: str, now_us: int) -> RowRunner:
    if engine == "reference":
        from compiler.reference.run import RowRunner as ReferenceRunner

        return ReferenceRunner(bundle, set_name, now_us=now_us)
    from compiler.native.rows import RowRunner as NativeRunner

    return NativeRunner(bundle, set_name, now_us=now_us)


def _print_notes(rows: RowsFile, runner: RowRunner, bundle: Bundle) -> None:
    from compiler.row_notes import notes_on

    for note in notes_on(rows.schema, runner.plan, bundle.schema):
        print(f"note: {note}", file=sys.stderr)


def _results(
    runner: RowRunner, rows: RowsFile, chunk_rows: int, limit: int | None = None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Results by batch, with the number of the first row after each."""
    done = 0
    for batch in rows.batches(chunk_rows if limit is None else max(1, min(chunk_rows, limit))):
        if limit is not None and done >= limit:
            return
        wanted = batch if limit is None else batch.slice(0, limit - done)
        result = runner.run(wanted, first_row=done)
        done += wanted.num_rows
        yield done, result


def _write(runner: RowRunner, rows: RowsFile, bundle: Bundle, args: argparse.Namespace) -> None:
    from featdsl.cli.progress import Progress
    from featdsl.cli.rows_file import write_rows

    progress = Progress("rows", rows.num_rows)
    started = time.monotonic()

    def batches() -> Iterator[pa.RecordBatch]:
        for done, result in _results(runner, rows, _CHUNK_ROWS[args.engine]):
            progress.update(done)
            yield result

    try:
        write_rows(args.out, runner.schema, batches(), {"featdsl.fingerprint": bundle.fingerprint})
    finally:
        progress.close()
    report = {
        "out": args.out,
        "rows": rows.num_rows,
        "columns": len(runner.schema.names),
        "nonfinite": runner.nonfinite_total,
        "seconds": round(time.monotonic() - started, 3),
        "engine": args.engine,
        "fingerprint": bundle.fingerprint,
    }
    if args.json:
        import json

        print(json.dumps(report))
    else:
        print(f"wrote {rows.num_rows:,} rows of {len(runner.schema.names)} columns to {args.out}")
        if runner.nonfinite_total:
            print(f"note: {runner.nonfinite_total:,} values were not finite and are 0", file=sys.stderr)


def _show(runner: RowRunner, rows: RowsFile, bundle: Bundle, args: argparse.Namespace) -> None:
    shown = [
        row
        for _, result in _results(runner, rows, _CHUNK_ROWS[args.engine], args.show)
        for row in result.to_pylist()
    ]
    if args.json:
        import json

        for row in shown:
            print(json.dumps(row, ensure_ascii=False, default=str))
    else:
        print(_table(shown, runner.schema.names))


def _table(rows: list[dict[str, Any]], names: list[str]) -> str:
    """A line a feature, a column a row: there are more features than rows to look at."""
    cells = [[_cell(row[name]) for row in rows] for name in names]
    head = ["", *(f"row {i}" for i in range(len(rows)))]
    lines = [head, *([name, *line] for name, line in zip(names, cells, strict=True))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        shown = [_cell(element) for element in itertools.islice(value, 9)]
        more = [f"… {len(value)} in all"] if len(value) > 9 else []
        return f"[{', '.join(shown + more)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _count(text: str) -> int:
    number = int(text) if text.isdigit() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"not a number of rows: {text}")
    return number


def _now(text: str | None) -> int:
    """Microseconds since 1970."""
    import datetime

    from featdsl.errors import InputError

    if text is None:
        return time.time_ns() // 1_000
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"`--now` is not a time: {text}", help="write it as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)
