"""Removes what no server, no label and no way back needs."""

from __future__ import annotations

from dataclasses import dataclass

from model_sync.chunk_files import CHUNKS
from model_sync.labels import label
from model_sync.registry import MANIFEST, Registry
from model_sync.replicas import forget_the_gone, replicas
from model_sync.version import RegistryError, VersionRefused

GRACE_S = 3600.0
"""What was written this short a time ago may belong to a version that is still being published."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """`kept`: why each version that is left stays. `bytes`: of the chunks that went."""

    versions: tuple[int, ...]
    chunks: int
    bytes: int
    kept: dict[int, str]


def prune(
    registry: Registry, keep: int, *, now_us: int, grace_s: float = GRACE_S, dry_run: bool = False
) -> Pruned:
    """Removes versions but for HEAD's and the `keep` newest, those with a label, and those that a living server holds;
    then the chunks that no version is made of any more. A manifest goes before its chunks, so nobody finds a version
    whose chunks are gone, and one that does not read keeps all chunks. Errors: `RegistryError`, and nothing is removed,
    also for a label or a living server of which nobody can tell what it needs."""
    numbers = registry.numbers()
    kept = _kept(registry, numbers, keep, now_us)
    young_s = now_us / 1e6 - grace_s
    manifests = registry.blobs.names("versions/")
    gone, needed, unsure = [], set(), False
    for number in numbers:
        try:
            version = registry.version(number)
        except VersionRefused:
            kept.setdefault(number, "its manifest does not read")
            unsure = True
            continue
        found = manifests.get(f"versions/{number:06d}/{MANIFEST}")
        if number not in kept and (found is None or found.written_s >= young_s):
            kept[number] = "it is new"
        if number in kept:
            needed |= {chunk.sha256 for chunk in version.chunks()}
        else:
            gone.append(number)
    if not dry_run:
        forget_the_gone(registry, now_us=now_us)
        for number in gone:
            for name in sorted(n for n in manifests if n.startswith(f"versions/{number:06d}/")):
                registry.blobs.remove(name)
            for note in (f"refused/{number:06d}.json", f"withdrawn/{number:06d}.json"):
                registry.blobs.remove(note)
    chunks = size = 0
    for name, found in ({} if unsure else registry.blobs.names(CHUNKS)).items():
        if name.removeprefix(CHUNKS) in needed or found.written_s >= young_s:
            continue
        if dry_run or registry.blobs.remove_old(name, young_s):
            chunks, size = chunks + 1, size + found.size
    return Pruned(tuple(gone), chunks, size, kept)


def _kept(registry: Registry, numbers: list[int], keep: int, now_us: int) -> dict[int, str]:
    head = registry.head()
    if head is None and numbers:
        raise RegistryError(
            f"the registry has no HEAD, so nothing is removed: {registry.url}",
            help="`feat rollback --to N` or the next `feat publish` writes it anew",
        )
    kept = {} if head is None else {head.version: "HEAD"}
    for path in registry.blobs.names("labels/"):
        named = label(registry, path.removeprefix("labels/"))
        if named is not None:
            kept.setdefault(named.version, f"label {named.name}")
    for replica in replicas(registry, now_us=now_us, all_of_them=True):
        for number in replica.holds:
            kept.setdefault(number, f"held by {replica.name}")
    for number in numbers[-keep:] if keep else ():
        kept.setdefault(number, f"one of the {keep} newest")
    return kept
