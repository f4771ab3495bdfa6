"""`feat versions`: lists what is published."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_sync import Version

SUMMARY = "Lists the published versions: which one is served, and why one is refused."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", required=True, help="where versions live: dir://path")
    parser.add_argument("--verify", action="store_true", help="read every file and compare its checksum")
    parser.add_argument("--json", action="store_true", help="print the versions as JSON")
    parser.epilog = "example:\n  feat versions --registry dir://registry"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when `--verify` finds a version that is not whole, or HEAD does not read; what is there is
    listed all the same."""
    from model_sync import RegistryError, VersionRefused, open_registry

    registry = open_registry(args.registry)
    unreadable: RegistryError | None = None
    try:
        found = registry.head()
        head = None if found is None else found.version
    except RegistryError as fault:
        head, unreadable = None, fault
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
    elif not rows:
        print("no version is published yet")
    else:
        print(f"{'':2}{'version':>7}  {'parent':>6}  {'created (UTC)':19}  {'kB':>9}  {'program':12}  model")
        for version, reason in rows:
            print(_line(version, version.number == head))
            if reason:
                print(f"{'':11}refused: {reason}")
        if head is not None and head not in [version.number for version, _ in rows]:
            print(f"->{head:>7}  HEAD names this version, which is not there")
    if unreadable is not None:
        raise unreadable
    return 1 if faulty else 0


def _line(version: Version, is_head: bool) -> str:
    mark = "->" if is_head else "  "
    if not version.files:  # its manifest does not read
        return f"{mark}{version.number:>7}"
    parent = "-" if version.parent is None else str(version.parent)
    made = datetime.fromtimestamp(version.created_at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
    metrics = " ".join(f"{name}={_shown(value)}" for name, value in version.metrics.items())
    return (
        f"{mark}{version.number:>7}  {parent:>6}  {made:19}  {version.size / 1000:>9,.0f}  "
        f"{version.fingerprint[:12]:12}  {version.model}  {metrics}".rstrip()
    )


def _shown(value: float) -> str:
    """A whole number as one; else with four digits after the point, or where that says little as 1.5e-07."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"
