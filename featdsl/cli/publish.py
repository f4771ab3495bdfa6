"""`feat publish`: adds a saved model to a registry and makes it the one to serve."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from featdsl.cli.registry_url import PLACES

SUMMARY = "Publishes a saved model as the next version; servers that watch the registry switch to it."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="what featdsl.torch.save_model wrote")
    parser.add_argument("--registry", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument("--json", action="store_true", help="print the version as JSON")
    parser.epilog = (
        "examples:\n  feat publish models/ranker --registry dir://registry\n"
        "  feat publish models/ranker --registry 'redis://cache:6379/0?registry=ranker'\n"
        "  feat publish models/ranker --registry 's3://models/ranker?region=eu-west-1'"
    )


def run(args: argparse.Namespace) -> int:
    from model_sync import open_registry
    from model_sync.saved_folder import SavedFolder

    SavedFolder(args.directory)  # no registry is made for what is no model
    registry = open_registry(args.registry, create=True)
    version = registry.publish(args.directory, now_us=time.time_ns() // 1000)
    if args.json:
        import json

        print(json.dumps(version.to_json()))
    else:
        size_kb = version.size / 1000
        print(f"published version {version.number} of {version.model} ({size_kb:,.0f} kB) to {registry.url}")
        print(f"feature program {version.fingerprint[:16]}")
    return 0
