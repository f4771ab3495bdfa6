"""Why a model of another feature program cannot serve: which features differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from compiler.bundle import Bundle, feature_differences, read_bundle
from featdsl.errors import FeatError

BUNDLE = "bundle.featb"
"""The program in a version's folder."""

_SHOWN = 6
"""Most names of a kind that are told."""


def mismatch(server: Bundle, fingerprint: str, version: Path) -> str:
    """What a person needs to know about a version (its folder) whose program, `fingerprint`, is not the
    server's."""
    reason = (
        "it was trained on another feature program: "
        f"fingerprint {fingerprint[:12]}, the server's is {server.fingerprint[:12]}"
    )
    try:
        theirs = read_bundle(version / BUNDLE)
    except FeatError:
        return reason
    found = feature_differences(server, theirs)
    told = list(_told({name: kind for name, kind in found.items() if name.startswith("feature/")}))
    return "; ".join([reason, *(told or _told(found))])


def _told(differences: dict[str, str]) -> Iterator[str]:
    """`changed: taste, year`, a text a kind. Names lose `feature/`; others keep their whole root."""
    for kind in ("changed", "added", "removed"):
        names = [name.removeprefix("feature/") for name, what in differences.items() if what == kind]
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"{kind}: {', '.join(names[:_SHOWN])}{more}"
