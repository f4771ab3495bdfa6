"""`feat versions`: lists what is published."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

SUMMARY = "Lists the published versions: which one is served, and why one is refused."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", required=True, help="where versions live: dir://path")
    parser.add_argument("--verify", action="store_true", help="read every file and compare its checksum")
    parser.add_argument("--json", action="store_true", help="print the versions as JSON")
    parser.epilog = "example:\n  feat versions --registry dir://registry"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when `--verify` finds a version that is not whole."""
    from model_sync import Version, VersionRefused, open_registry

    registry = open_registry(args.registry)
    head = registry.head()
    faulty = 0
    rows: list[tuple[Version, str]] = []
    for version in registry.versions():
        reason = version.refusal
        if args.verify:
            try:
                registry.verify(version.number)
            except VersionRefused as refused:
                reason = refused.reason
                faulty += 1
        rows.append((version, reason))
    if args.json:
        import json

        listed = [{**v.to_json(), "head": v.number == head, "refusal": reason} for v, reason in rows]
        print(json.dumps({"head": head, "versions": listed}))
        return 1 if faulty else 0
    if not rows:
        print("no version is published yet")
        return 0
    print(f"{'':2}{'version':>7}  {'parent':>6}  {'created (UTC)':19}  {'kB':>9}  {'program':12}  model")
    for version, reason in rows:
        made = datetime.fromtimestamp(version.created_at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
        mark = "->" if version.number == head else "  "
        parent = "-" if version.parent is None else str(version.parent)
        metrics = " ".join(f"{name}={value:.4g}" for name, value in version.metrics.items())
        print(
            f"{mark}{version.number:>7}  {parent:>6}  {made:19}  {version.size / 1000:>9,.0f}  "
            f"{version.fingerprint[:12]:12}  {version.model}  {metrics}".rstrip()
        )
        if reason:
            print(f"{'':11}refused: {reason}")
    return 1 if faulty else 0
