"""`feat fetch`: a version's files, verified."""

from __future__ import annotations

import argparse
from pathlib import Path

from featdsl.cli.registry_url import PLACES

SUMMARY = "Writes the files of a published version into a folder, after comparing all with their checksums."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", metavar="N", type=int, nargs="?", help="the version (default: HEAD's)")
    parser.add_argument("--registry", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a folder that is not there yet"
    )
    parser.epilog = "example:\n  feat fetch 12 --registry dir://registry --out version12"


def run(args: argparse.Namespace) -> int:
    from featdsl.errors import InputError
    from model_sync import VersionRefused, open_registry

    if args.out.exists():
        raise InputError(
            f"it is there already, so it is not overwritten: {args.out}", help="choose another folder"
        )
    registry = open_registry(args.registry)
    number = args.version
    if number is None:
        head = registry.head()
        if head is None:
            raise InputError(
                f"nothing is published yet: {registry.url}", help="`feat publish` makes the first"
            )
        number = head.version
    if number not in registry.numbers():
        known = ", ".join(map(str, registry.numbers())) or "none"
        raise InputError(f"there is no such version: {number}", help=f"the versions: {known}")
    try:
        args.out.absolute().parent.mkdir(parents=True, exist_ok=True)
        version = registry.fetch(number, args.out.absolute())
    except OSError as fault:
        raise InputError(f"the folder cannot be made: {args.out}: {fault.strerror}") from fault
    except VersionRefused as refused:
        raise InputError(str(refused), help="`feat versions --verify` shows which are whole") from refused
    print(f"version {version.number} of {version.model} is in {args.out} ({version.size / 1000:,.0f} kB)")
    return 0
