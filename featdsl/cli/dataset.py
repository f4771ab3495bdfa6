"""`feat dataset`: makes training data with Spark."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

SUMMARY = (
    "Makes training data with Spark: samples joined with sources as of each sample's time, then transformed."
)

if TYPE_CHECKING:
    from offline.dataset import Report


def configure(parser: argparse.ArgumentParser) -> None:
    from featdsl.cli.project import add_project_options, add_spark_options

    add_project_options(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--rows", metavar="FILE", help="rows that are joined already, in place of the samples"
    )
    parser.add_argument(
        "--now",
        metavar="TIME",
        help="with --rows: what a field with `= now` reads as where the rows do not have it (ISO 8601, or "
        "microseconds since 1970)",
    )
    parser.add_argument(
        "--program", metavar="FILE", help="the .feat file or bundle (default: the one of feat.toml)"
    )
    parser.add_argument("--model", metavar="NAME", help="whose inputs to make (default: the only one's)")
    parser.add_argument(
        "--what",
        choices=("inputs", "features"),
        default="inputs",
        help="a model's inputs with labels, or all features",
    )
    parser.add_argument(
        "--engine",
        choices=("native", "spark"),
        default="native",
        help="the engine inside Spark, or Spark's own columns",
    )
    parser.add_argument(
        "--as-served",
        action="store_true",
        help="target means as when scoring, of all samples; else they leave out the fold of the row",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the data set that is there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_spark_options(parser)
    parser.epilog = (
        "examples:\n  feat dataset --out train\n"
        "  feat dataset --program movies.feat --rows rows.parquet --what features --engine spark --out features"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where the input is at fault, 3 where Java, pyspark or the master is not there."""
    from featdsl.cli.project import config_of, microseconds_of, program_of, say, session_of
    from featdsl.errors import InputError

    config = config_of(args, needed=not args.rows or not args.program)
    bundle = program_of(args.program or (config and str(config.program)) or "")
    if args.what == "features" and args.model:
        raise InputError("--model means nothing for --what features", help="leave one of them out")
    if args.now and not args.rows:
        raise InputError("--now means nothing without --rows", help="a sample's time is in the sample log")
    now_us = None if args.now is None else microseconds_of("--now", args.now)
    if args.rows and "://" not in args.rows and "*" not in args.rows and not Path(args.rows).exists():
        raise InputError(f"there are no such rows: {args.rows}", help="name a Parquet file or folder")
    from offline.choose import may_write, program_set

    set_name = program_set(bundle, args.what, args.model or (config.model if config else None))
    may_write(args.out, args.overwrite)
    started = time.monotonic()
    say("starting Spark")
    with session_of("dataset", args, config) as session:
        from offline.dataset import write_dataset
        from offline.samples import join_samples, read_rows

        if args.rows:
            joined = read_rows(session, bundle, set_name, args.rows, now_us=now_us)
        else:
            assert config is not None
            joined = join_samples(session, bundle, set_name, config, say)
        report = write_dataset(
            bundle,
            set_name,
            joined,
            args.out,
            engine=args.engine,
            overwrite=args.overwrite,
            as_served=args.as_served,
            say=say,
        )
    for message, help in report.warnings:
        print(f"warning: {message}\nhelp: {help}", file=sys.stderr)
    if args.json:
        print(json.dumps(report.as_data()))
    else:
        _print(report, time.monotonic() - started)
    return 0


def _print(report: Report, seconds: float) -> None:
    print(f"{report.rows:,} rows of {report.set_name} with the {report.engine} engine in {seconds:.1f} s")
    for name, missing in report.sources.items():
        print(f"  {name}: {missing:,} rows missing ({_share(missing, report.rows)})")
        for path, nulls in report.fields.items():
            if path.startswith(f"{name}.") and nulls:
                print(f"    {path}: {nulls:,} null")
    for label, nulls in report.labels.items():
        if nulls:
            print(f"  label {label}: {nulls:,} null")
    if report.nonfinite:
        print(f"  {report.nonfinite:,} values were not finite and became 0")
    for line in report.plan:
        print(f"  {line}")
    print(f"  fingerprint {report.fingerprint[:16]}…, in {report.folder}")
    sys.stdout.flush()


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "of none"
