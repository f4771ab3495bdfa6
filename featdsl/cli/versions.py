"""`feat versions`: what is published, what came of what, and who serves it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from featdsl.cli.registry_url import PLACES

if TYPE_CHECKING:
    from model_sync import Registry, RegistryError, Version
    from model_sync.labels import Label
    from model_sync.replicas import Replica

SUMMARY = (
    "Lists the published versions: what came of what, which is served and by whom, and why one is refused."
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", required=True, help=f"where versions live: {PLACES}")
    parser.add_argument("--last", type=int, metavar="N", help="the N newest alone")
    parser.add_argument("--verify", action="store_true", help="read every file and compare its checksum")
    parser.add_argument("--json", action="store_true", help="print the versions as JSON")
    parser.epilog = (
        "example:\n  feat versions --registry dir://registry --last 20\n\n"
        "The line at the left shows what a version was made after. `new`: what it does not share with that one."
    )


@dataclass(slots=True)
class _Listed:
    """A registry as it is listed. `unreadable`: what is wrong with HEAD."""

    head: int | None
    versions: list[Version]
    labels: dict[str, Label]
    replicas: list[Replica]
    unreadable: RegistryError | None = None
    faulty: dict[int, str] = field(default_factory=dict)

    def served_by(self, number: int) -> list[str]:
        return [replica.name for replica in self.replicas if replica.serves == number]

    def named(self, number: int) -> list[str]:
        """The labels of a version, with the share of the users that one is for."""
        found = [label for label in self.labels.values() if label.version == number]
        return [
            one.name if one.share is None else f"{one.name} {one.share:.4g} of the users" for one in found
        ]


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when `--verify` finds a version that is not whole, or HEAD does not read; what is there is
    listed all the same."""
    from featdsl.errors import InputError
    from model_sync import open_registry

    if args.last is not None and args.last < 1:
        raise InputError("--last is 1 and more")
    registry = open_registry(args.registry)
    listed = _list(registry)
    shown = (
        listed.versions if args.last is None else listed.versions[max(0, len(listed.versions) - args.last) :]
    )
    if args.verify:
        _verify(registry, listed, shown)
    if args.json:
        import json

        print(json.dumps({"head": listed.head, "versions": [_as_json(listed, v) for v in shown]}))
    elif not listed.versions:
        print("no version is published yet")
    else:
        _print(listed, shown)
    if listed.unreadable is not None:
        raise listed.unreadable
    return 1 if listed.faulty else 0


def _list(registry: Registry) -> _Listed:
    from model_sync import RegistryError
    from model_sync.labels import labels
    from model_sync.replicas import replicas

    unreadable: RegistryError | None = None
    head = None
    try:
        head = registry.head()
    except RegistryError as fault:
        unreadable = fault
    living = replicas(registry, now_us=time.time_ns() // 1000)
    number = None if head is None else head.version
    return _Listed(number, registry.versions(), labels(registry), living, unreadable)


def _verify(registry: Registry, listed: _Listed, versions: Sequence[Version]) -> None:
    from model_sync import VersionRefused

    for version in versions:
        try:
            registry.verify(version.number)
        except VersionRefused as refused:
            listed.faulty[version.number] = refused.reason


def _as_json(listed: _Listed, version: Version) -> dict[str, Any]:
    return {
        **version.to_json(),
        "head": version.number == listed.head,
        "refusal": listed.faulty.get(version.number, version.refusal),
        "labels": {
            name: label.share for name, label in listed.labels.items() if label.version == version.number
        },
        "served_by": listed.served_by(version.number),
        "held_by": [replica.name for replica in listed.replicas if version.number in replica.holds],
    }


def _print(listed: _Listed, shown: Sequence[Version]) -> None:
    by_number = {version.number: version for version in listed.versions}
    lines = lanes({v.number: v.parent for v in listed.versions}, listed.head)
    width = max(len(line) for line in lines.values())
    print(
        f"{'':{width}}  {'version':>8}  {'created (UTC)':19}  {'kB':>11}  {'new kB':>9}  {'program':12}  model"
    )
    for version in shown:
        print(_line(listed, version, f"{lines[version.number]:{width}}", by_number))
        beside = _beside(listed, version)
        if beside:
            print(f"{'':{width + 12}}{beside}")
    if listed.head is not None and listed.head not in by_number:
        print(f"{'':{width}}  ->{listed.head:>6}  HEAD names this version, which is not there")


def _line(listed: _Listed, version: Version, graph: str, by_number: Mapping[int, Version]) -> str:
    mark = "->" if version.number == listed.head else "  "
    if not version.files:  # its manifest does not read
        return f"{graph}  {mark}{version.number:>6}"
    made = datetime.fromtimestamp(version.created_at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
    metrics = " ".join(f"{name}={_shown(value)}" for name, value in version.metrics.items())
    new = _new_bytes(version, by_number.get(version.parent or 0))
    return (
        f"{graph}  {mark}{version.number:>6}  {made:19}  {version.size / 1000:>11,.0f}  {new / 1000:>9,.0f}  "
        f"{version.fingerprint[:12]:12}  {version.model}  {metrics}".rstrip()
    )


def _beside(listed: _Listed, version: Version) -> str:
    """What there is to say of a version beside its line."""
    said = []
    serving = listed.served_by(version.number)
    if serving:
        said.append(f"served by {len(serving)} of {len(listed.replicas)}")
    said += listed.named(version.number)
    said += [f"{name}: {table.state.rows:,} rows" for name, table in version.tables.items()]
    reason = listed.faulty.get(version.number, version.refusal)
    if reason:
        said.append(f"refused: {reason}")
    return "; ".join(said)


def _new_bytes(version: Version, parent: Version | None) -> int:
    there = set() if parent is None else {chunk.sha256 for chunk in parent.chunks()}
    fresh = {chunk.sha256: chunk.size for chunk in version.chunks() if chunk.sha256 not in there}
    beside = sum(entry.size for entry in version.files.values() if not entry.chunks)
    return sum(fresh.values()) + beside


def lanes(parents: Mapping[int, int | None], head: int | None) -> dict[int, str]:
    """By version a drawing of where it stands: the way to HEAD is the first lane, each branch has one of its own for as
    long as it goes on. `o` is the version, `|` a branch that passes it."""
    branches = _branches(parents, head)
    ends: list[int] = []  # by lane the last version in it
    passes: list[tuple[int, int, int]] = []
    lane: dict[int, int] = {}
    for branch in branches:
        parent = parents[branch[0]]
        start = parent if parent in parents and parent is not None else branch[0]
        free = [n for n, end in enumerate(ends) if end < start and n]
        place = free[0] if free else len(ends)
        ends[place : place + 1] = [branch[-1]]
        passes.append((place, start, branch[-1]))
        lane |= dict.fromkeys(branch, place)
    drawn = {}
    for number in parents:
        cells = [" "] * len(ends)
        for place, start, end in passes:
            if start < number < end:
                cells[place] = "|"
        cells[lane[number]] = "o"
        drawn[number] = " ".join(cells).rstrip()
    return drawn


def _branches(parents: Mapping[int, int | None], head: int | None) -> list[list[int]]:
    """Versions that came one of the other, the way to HEAD first."""
    way: list[int] = []
    number = head if head in parents else max(parents, default=None)
    while number is not None and number in parents and number not in way:
        way.append(number)
        number = parents[number]
    branches = [sorted(way)] if way else []
    for number in sorted(set(parents) - set(way)):
        goes_on = next((branch for branch in branches[1:] if branch[-1] == parents[number]), None)
        if goes_on is None:
            branches.append([number])
        else:
            goes_on.append(number)
    return branches


def _shown(value: float) -> str:
    """A whole number as one; else with four digits after the point, or where that says little as 1.5e-07."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"
