"""`feat prune`: removes old versions that nobody needs."""

from __future__ import annotations

import argparse
import time

from featdsl.cli.registry_url import PLACES

SUMMARY = "Removes old versions but those that HEAD or a label names, or a living server holds."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument("--keep", type=int, default=20, metavar="N", help="how many of the newest stay (20)")
    parser.add_argument(
        "--grace-s",
        type=float,
        default=3600.0,
        metavar="S",
        help="what is younger stays as well (3600); beside a running publisher no less than a publish takes",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and remove nothing"
    )
    parser.add_argument("--json", action="store_true", help="print what was removed as JSON")
    parser.epilog = "example:\n  feat prune --registry dir://registry --keep 50"


def run(args: argparse.Namespace) -> int:
    from featdsl.errors import InputError
    from model_sync import open_registry
    from model_sync.pruning import prune

    if args.keep < 0 or args.grace_s < 0:
        raise InputError("--keep and --grace-s are 0 and more")
    registry = open_registry(args.registry)
    now_us = time.time_ns() // 1000
    pruned = prune(registry, args.keep, now_us=now_us, grace_s=args.grace_s, dry_run=args.dry_run)
    if args.json:
        import json
        from dataclasses import asdict

        print(json.dumps(asdict(pruned)))
        return 0
    for number, why in sorted(pruned.kept.items()):
        if "newest" not in why:
            print(f"version {number} stays: {why}")
    would = "would be removed" if args.dry_run else "removed"
    print(
        f"{len(pruned.versions)} versions and {pruned.chunks} chunks ({pruned.bytes / 1000:,.0f} kB) {would}"
    )
    return 0
