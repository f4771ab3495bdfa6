"""`feat promote`: gives a version a label, for servers that follow it, or for a share of the users."""

from __future__ import annotations

import argparse
import time

from featdsl.cli.registry_url import PLACES

SUMMARY = "Puts a label on a version: servers with `--follow LABEL` serve it; `canary` with a share is for some users."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", metavar="N", type=int, nargs="?", help="the version; not with --remove")
    parser.add_argument("--registry", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument("--to", metavar="LABEL", default="stable", help="the label (stable)")
    parser.add_argument(
        "--share",
        type=float,
        metavar="S",
        help="of `canary`: of the users that get it, 0.05 for five of a hundred; the same ones on every server",
    )
    parser.add_argument("--remove", action="store_true", help="take the label off instead")
    parser.add_argument("--json", action="store_true", help="print the label as JSON")
    parser.epilog = (
        "examples:\n"
        "  feat promote 12 --registry dir://registry\n"
        "  feat promote 13 --registry dir://registry --to canary --share 0.05\n"
        "  feat promote --remove --to canary --registry dir://registry"
    )


def run(args: argparse.Namespace) -> int:
    from featdsl.errors import InputError
    from model_sync import VersionRefused, open_registry
    from model_sync.labels import CANARY, promote, remove_label

    if args.remove == (args.version is not None):
        raise InputError(
            "name a version, or --remove the label", help="feat promote 12 --to stable --registry URL"
        )
    if args.to == CANARY and args.share is None and not args.remove:
        raise InputError(
            "say for which share of the users the canary is", help="--share 0.05 for five of a hundred"
        )
    registry = open_registry(args.registry)
    if args.remove:
        if not remove_label(registry, args.to):
            raise InputError(f"there is no such label: {args.to}")
        print('{"removed": true}' if args.json else f"no version has the label {args.to} any more")
        return 0
    try:
        label = promote(registry, args.version, args.to, share=args.share, now_us=time.time_ns() // 1000)
    except VersionRefused as refused:
        raise InputError(str(refused), help="`feat versions --verify` shows which are whole") from refused
    if args.json:
        import json
        from dataclasses import asdict

        print(json.dumps(asdict(label)))
    elif label.share is not None:
        print(f"version {label.version} is {label.name} for {label.share:.4g} of the users")
    else:
        print(f"version {label.version} is {label.name}")
    return 0
