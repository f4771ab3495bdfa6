"""`feat rollback`: makes an earlier version the one to serve."""

from __future__ import annotations

import argparse
import time

from featdsl.cli.registry_url import PLACES

SUMMARY = "Goes back to the version before, or to the one named with --to, after verifying it."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument("--to", type=int, metavar="N", help="the version to serve (default: HEAD's parent)")
    parser.add_argument("--json", action="store_true", help="print the version as JSON")
    parser.epilog = "example:\n  feat rollback --registry dir://registry --to 3"


def run(args: argparse.Namespace) -> int:
    from featdsl.errors import InputError
    from model_sync import VersionRefused, open_registry

    registry = open_registry(args.registry)
    try:
        version = registry.rollback(args.to, now_us=time.time_ns() // 1000)
    except VersionRefused as refused:
        raise InputError(str(refused), help="`feat versions --verify` shows which are whole") from refused
    if args.json:
        import json

        print(json.dumps(version.to_json()))
    else:
        print(f"serving version {version.number} of {version.model} again")
    return 0
