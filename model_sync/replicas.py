"""Who serves what: each server tells which versions it holds, so that none is removed under it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from model_sync.registry import Registry
from model_sync.version import RegistryError

LIVES_S = 60.0
"""A replica that has not told anything for so long is gone."""
TELLS_S = 15.0


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
    with contextlib.suppress(RegistryError):
        registry.blobs.remove(f"replicas/{name}.json")


def replicas(registry: Registry, *, now_us: int, lives_s: float = LIVES_S) -> list[Replica]:
    """Those that live, by name. Errors: `RegistryError`."""
    found = []
    for path in sorted(registry.blobs.names("replicas/")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            data = json.loads(registry.blobs.read(path) or b"")
            serves = None if data["serves"] is None else int(data["serves"])
            holds = tuple(int(number) for number in data["holds"])
            one = Replica(str(data["name"]), str(data["model"]), serves, holds, int(data["told_at_us"]))
            if now_us - one.told_at_us < lives_s * 1e6:
                found.append(one)
    return found
