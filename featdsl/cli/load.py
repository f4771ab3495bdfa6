"""`feat load`: writes every source's newest rows to the store."""

from __future__ import annotations

import argparse
import json
import time

SUMMARY = "Writes the newest row of every key of every source to the store, with Spark. May be run again."


def configure(parser: argparse.ArgumentParser) -> None:
    from featdsl.cli.project import add_project_options, add_spark_options

    add_project_options(parser)
    parser.add_argument("--store", metavar="URL", help="such as lmdb://store or redis://localhost:6379/0")
    parser.add_argument("--sources", metavar="A,B", help="only these sources")
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="the rows that held then (ISO 8601, or microseconds since 1970) instead of the newest",
    )
    parser.add_argument(
        "--program", metavar="FILE", help="the .feat file or bundle (default: that of feat.toml)"
    )
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    add_spark_options(parser)
    parser.epilog = "example:\n  feat load --store lmdb://store --sources movie,profile"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where the input is at fault, 3 where Java, pyspark or the store is not there."""
    from featdsl.cli.project import config_of, microseconds_of, program_of, say, session_of
    from featdsl.errors import InputError

    config = config_of(args)
    assert config is not None
    url = args.store or config.store
    if not url:
        raise InputError("no store is named", help="add --store URL, or `url` under [store] in feat.toml")
    at_us = None if args.at is None else microseconds_of("--at", args.at)
    only = [name.strip() for name in (args.sources or "").split(",") if name.strip()]
    bundle = program_of(args.program or str(config.program))
    started = time.monotonic()
    say("starting Spark")
    with session_of("load", args, config) as session:
        from offline.load import load_sources

        loaded = load_sources(session, bundle, config, url, only=only, at_us=at_us, say=say)
    if args.json:
        print(json.dumps({one.source: {"rows": one.rows, "bytes": one.num_bytes} for one in loaded}))
        return 0
    for one in loaded:
        print(f"  {one.source}: {one.rows:,} rows, {one.num_bytes:,} bytes")
    total = sum(one.rows for one in loaded)
    print(f"{total:,} rows to {url} in {time.monotonic() - started:.1f} s")
    return 0
