"""Versions by name: `stable` for servers that do not follow HEAD, `canary` for a share of the users."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from featdsl.errors import InputError
from model_sync.registry import Registry
from model_sync.version import RegistryError

CANARY = "canary"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Label:
    """`digest`: the SHA-256 of the version's manifest. `share`: of the users that get the version, above 0 and at most
    1; a label without a share is for servers that follow it."""

    name: str
    version: int
    digest: str
    moved_at_us: int
    share: float | None = None


def labels(registry: Registry) -> dict[str, Label]:
    """All labels by name. One that does not read is left out. Errors: `RegistryError`."""
    found = {}
    for path in registry.blobs.names("labels/"):
        label = _label(path.removeprefix("labels/"), registry.blobs.read(path) or b"")
        if label is not None:
            found[label.name] = label
    return found


def label(registry: Registry, name: str) -> Label | None:
    """The version that has a label; None where none has. Errors: `RegistryError`, also for one that does not read."""
    raw = registry.blobs.read(f"labels/{name}")
    if raw is None:
        return None
    found = _label(name, raw)
    if found is None:
        raise RegistryError(
            f"the label {name} of the registry does not read: {registry.url}",
            help=f"`feat promote N --to {name}` writes it anew",
        )
    return found


def check_name(name: str) -> None:
    """Errors: `InputError` for a name that no label can have."""
    if not _NAME.fullmatch(name):
        raise InputError(f"not a label: {name}", help="small letters, digits, `-` and `_`, a letter first")


def promote(registry: Registry, number: int, name: str, *, share: float | None = None, now_us: int) -> Label:
    """Puts a label on a version, after reading every byte of that; a version that was taken back counts as good again.
    Errors: `InputError` for a name or a share that cannot be, `VersionRefused`."""
    check_name(name)
    if share is not None and not 0 < share <= 1:
        raise InputError(f"not a share of the users: {share}", help="0.05 are five of a hundred")
    if share is not None and name != CANARY:
        raise InputError(
            f"`{name}` is for all users of the servers that follow it: it has no share",
            help=f"`--to {CANARY}` is for a share of the users",
        )
    if number not in registry.numbers():
        known = ", ".join(map(str, registry.numbers())) or "none"
        raise InputError(f"there is no such version: {number}", help=f"the versions: {known}")
    registry.verify(number)
    registry.restore(number)
    made = Label(name, number, registry.identity(number), now_us, share)
    content = {"version": number, "digest": made.digest, "moved_at_us": now_us, "share": share}
    registry.blobs.write(f"labels/{name}", json.dumps(content).encode())
    registry.blobs.moved()
    return made


def remove_label(registry: Registry, name: str) -> bool:
    """Returns whether there was one. Errors: `RegistryError`."""
    if not _NAME.fullmatch(name) or registry.blobs.read(f"labels/{name}") is None:
        return False
    registry.blobs.remove(f"labels/{name}")
    registry.blobs.moved()
    return True


def _label(name: str, raw: bytes) -> Label | None:
    """None for anything that `promote` does not write."""
    try:
        data = json.loads(raw)
        share = data["share"]
        return Label(
            name, int(data["version"]), str(data["digest"]), int(data["moved_at_us"]), share and float(share)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
