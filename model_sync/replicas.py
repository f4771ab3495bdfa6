"""Who serves what: each server tells which versions it holds, so that none is removed under it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model_sync.registry import Registry
from model_sync.version import RegistryError

LIVES_S = 60.0
"""A replica that has not told anything for so long is gone."""
TELLS_S = 15.0
FORGOTTEN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Replica:
    """`name`: of the process, unlike all others. `serves`: the version that calls get; `holds`: all that are loaded, it
    among them."""

    name: str
    model: str
    serves: int | None
    holds: Sequence[int]
    told_at_us: int


def tell(registry: Registry, replica: Replica) -> None:
    """Errors: none; a server may have no right to write."""
    with contextlib.suppress(RegistryError):
        registry.blobs.note(f"replicas/{replica.name}.json", json.dumps(asdict(replica)).encode())


def take_leave(registry: Registry, name: str) -> None:
    """Takes back what `tell` told. Errors: none."""
    with contextlib.suppress(RegistryError):
        registry.blobs.remove(f"replicas/{name}.json")


def replicas(
    registry: Registry, *, now_us: int, lives_s: float = LIVES_S, all_of_them: bool = False
) -> list[Replica]:
    """Those that live, by name. Errors: `RegistryError`, with `all_of_them` also for one that may live and whose note
    does not read."""
    found = []
    for path, note in sorted(registry.blobs.names("replicas/").items()):
        raw = registry.blobs.read(path)
        if raw is None:  # it has just left
            continue
        try:
            one = _replica(json.loads(raw))
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            if all_of_them and note.written_s * 1e6 > now_us - lives_s * 1e6:
                raise RegistryError(
                    f"who serves what does not read: {path}: {registry.url}",
                    help=f"a server writes it anew within {TELLS_S:.0f} s, and after {lives_s:.0f} s it counts as gone",
                ) from fault
            continue
        if now_us - one.told_at_us < lives_s * 1e6:
            found.append(one)
    return found


def forget_the_gone(registry: Registry, *, now_us: int) -> None:
    """Removes the notes of those that have not told anything for a day: they were killed, or they would have taken
    leave. Errors: `RegistryError`."""
    for path in registry.blobs.names("replicas/"):
        registry.blobs.remove_old(path, now_us / 1e6 - FORGOTTEN_S)


def _replica(data: Any) -> Replica:
    serves = None if data["serves"] is None else int(data["serves"])
    holds = tuple(int(number) for number in data["holds"])
    return Replica(str(data["name"]), str(data["model"]), serves, holds, int(data["told_at_us"]))
