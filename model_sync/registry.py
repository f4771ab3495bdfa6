"""Versions of a model, and which of them is to be served.

    HEAD                      {"epoch": 4, "version": 3, "digest": …}: moved as one step, from what it was read as
    versions/000003/manifest.json
    chunks/<sha256>           what files and layers of tables are made of, each once
    labels/stable             versions by name (`labels.py`)
    replicas/…                who holds what (`replicas.py`)
    refused/000003.json       why a server does not serve it
    withdrawn/000003.json     a person has taken it back

Chunks are written first, then the manifest under a number that nobody has, then HEAD is moved, if it still is what its
publisher read. A publish that dies at any point leaves HEAD where it was.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from featdsl.errors import InputError
from featdsl.steps import step
from model_sync.blobs import Blobs
from model_sync.chunk_files import CHUNKS, ChunkFiles, link_or_copy, put_layers
from model_sync.saved_folder import MODEL_FILE, SavedFolder
from model_sync.table_stack import LAYERS, Chunk, write_tables
from model_sync.version import (
    Draft,
    FileEntry,
    Head,
    HeadMoved,
    RegistryError,
    Version,
    VersionRefused,
    digest_of,
)

HEAD = "HEAD"
MANIFEST = "manifest.json"
CHUNK_BYTES = 8 << 20
_ATTEMPTS = 64
_MANIFESTS_KEPT = 256
_OTHERS_PUBLISH = (
    "others publish there without a pause: publish again, and see in `feat versions` who they are"
)


class Registry:
    """Versions are numbered upwards and never changed; a publisher that comes too late leaves a gap. No number that
    HEAD has named is given again. HEAD names the one to serve."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.url = blobs.url
        self._files = ChunkFiles(blobs)
        self._manifests: dict[tuple[int, str], Version] = {}
        self._put: set[str] = set()

    def close(self) -> None:
        self._files.close()
        self.blobs.close()

    # --- reading -------------------------------------------------------------------------------

    def head(self) -> Head | None:
        """What is to be served, None before the first publish. Errors: `RegistryError`."""
        raw = self.blobs.read(HEAD)
        if raw is None:
            return None
        try:
            return Head.from_bytes(raw)
        except ValueError as fault:
            raise RegistryError(
                f"HEAD of the registry does not read: {self.url}: {fault}",
                help="`feat rollback --to N` or the next `feat publish` writes it anew",
            ) from fault

    def numbers(self) -> list[int]:
        """The numbers of all versions, readable or not, ascending."""
        parts = [name.split("/") for name in self.blobs.names("versions/")]
        return sorted({int(part[1]) for part in parts if len(part) == 3 and part[1].isdigit()})

    def version(self, number: int) -> Version:
        """What the manifest of a version says. Errors: `VersionRefused`, `RegistryError`."""
        return self._manifest(number)[0]

    def versions(self) -> list[Version]:
        """All versions in order; one whose manifest does not read, or that is not to be served, has a `refusal`."""
        refused, withdrawn = self._notes("refused/"), self.withdrawn()
        found = []
        for number in self.numbers():
            try:
                version = self.version(number)
                reason = withdrawn.get(number) or refused.get(number, "")
            except VersionRefused as fault:
                version, reason = Version(number, None, "", "", 0), fault.reason
            found.append(replace(version, refusal=reason))
        return found

    def identity(self, number: int) -> str:
        """Tells two versions apart that were published under one number, in a registry that was removed and
        made anew; "" while the version's manifest does not read. It is the digest that HEAD says."""
        try:
            return self._manifest(number)[1]
        except VersionRefused:
            return ""

    def stamp(self, number: int) -> str:
        """Changes whenever what is there of a version does; where that cannot be seen for nothing, now and then."""
        names = [_manifest_name(number)]
        with contextlib.suppress(VersionRefused):
            version = self.version(number)
            names += [CHUNKS + chunk.sha256 for chunk in version.chunks()]
            names += [_folder(number) + name for name, entry in version.files.items() if not entry.chunks]
        return self.blobs.stamp(names)

    def _manifest(self, number: int) -> tuple[Version, str]:
        raw = self.blobs.read(_manifest_name(number))
        if raw is None:
            raise VersionRefused(number, f"there is no {MANIFEST}")
        digest = digest_of(raw)
        known = self._manifests.get((number, digest))
        if known is None:
            try:
                known = Version.from_bytes(raw)
            except (ValueError, RecursionError) as fault:
                raise VersionRefused(number, f"{MANIFEST} does not read: {_why(fault)}") from fault
            if known.number != number:
                raise VersionRefused(number, f"{MANIFEST} is of version {known.number}")
            if len(self._manifests) >= _MANIFESTS_KEPT:
                self._manifests.clear()
            self._manifests[number, digest] = known
        return known, digest

    def verify(self, number: int) -> Version:
        """Reads every byte of a version against its manifest. Errors: `VersionRefused`, `RegistryError`."""
        version = self.version(number)
        for chunk in version.chunks():
            self._chunk(version, chunk)
        for name, entry in version.files.items():
            self._content(version, name, entry)
        _has_model(version)
        return version

    def fetch(self, number: int, into: Path, *, identity: str = "", whole: bool = True) -> Version:
        """The folder of a version (what `featdsl.torch.load_model` reads) as `into`, which must not be there yet; every
        byte is compared with its checksum, once for those that versions share. `identity`: the version that it must
        be. Of one that is not `whole` the chunks of tables are pointed at, where they lie on this machine, and what
        `model.json` has checksums of is linked, for who reads it at once. Nothing is left when it fails. Errors:
        `VersionRefused`, `RegistryError`."""
        version, digest = self._manifest(number)
        if identity not in ("", digest):
            raise VersionRefused(number, f"{MANIFEST} is not the one that HEAD names")
        _has_model(version)
        writing = None
        try:
            writing = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
            for name, entry in version.files.items():
                step()
                self._put_file(version, name, entry, writing / name, whole)
            if version.tables:
                chunks = {c.sha256: c for table in version.tables.values() for c in table.chunks}
                put_layers(writing / LAYERS, [self._chunk(version, c) for c in chunks.values()], whole)
                step()
                write_tables(writing, version.tables)
            writing.chmod(0o755)
            writing.rename(into)
        except OSError as fault:
            raise RegistryError(f"version {number} cannot be kept here: {into}: {fault.strerror}") from fault
        finally:
            if writing is not None:
                shutil.rmtree(writing, ignore_errors=True)
        return version

    def keep_local(self, numbers: Iterable[int]) -> None:
        """Lets go of what was brought to this machine for other versions than these."""
        kept = set()
        for number in numbers:
            with contextlib.suppress(VersionRefused):
                kept |= {chunk.sha256 for chunk in self.version(number).chunks()}
        self._files.keep(kept)

    def _chunk(self, version: Version, chunk: Chunk) -> Path:
        try:
            return self._files.path(chunk)
        except ValueError as fault:
            of = next((n for n, f in version.files.items() if chunk in f.chunks), "")
            of = of or next((f"table {n}" for n, t in version.tables.items() if chunk in t.chunks), "")
            raise VersionRefused(version.number, f"a chunk of {of} {fault} ({chunk.sha256[:12]})") from fault

    def _put_file(self, version: Version, name: str, entry: FileEntry, target: Path, whole: bool) -> None:
        """Writes a file of a version, or links it where that says the same."""
        is_chunk = [(chunk.size, chunk.sha256) for chunk in entry.chunks] == [(entry.size, entry.sha256)]
        if whole or name == MODEL_FILE or not is_chunk:
            target.write_bytes(self._content(version, name, entry))
        else:
            link_or_copy(self._chunk(version, entry.chunks[0]), target)

    def _content(self, version: Version, name: str, entry: FileEntry) -> bytes:
        try:
            if entry.chunks:
                data = b"".join(self._chunk(version, chunk).read_bytes() for chunk in entry.chunks)
            else:
                data = self.blobs.read(f"{_folder(version.number)}{name}") or b""
        except OSError as fault:
            raise VersionRefused(version.number, f"{name} does not read: {fault.strerror}") from fault
        if len(data) != entry.size:
            raise VersionRefused(
                version.number, f"{name} has {len(data)} bytes, the manifest says {entry.size}"
            )
        if digest_of(data) != entry.sha256:
            raise VersionRefused(version.number, f"the checksum of {name} is wrong")
        return data

    # --- writing -------------------------------------------------------------------------------

    def put_chunk(self, data: bytes) -> Chunk:
        """Bytes that a version is to be made of; what is there already is not written again."""
        chunk = Chunk(len(data), digest_of(data))
        name = CHUNKS + chunk.sha256
        whole = chunk.sha256 in self._put or self.blobs.read(name) == data
        if not whole or not self.blobs.touch(name):
            self.blobs.write(name, data)
        self._put.add(chunk.sha256)
        return chunk

    def touch_chunk(self, chunk: Chunk) -> bool:
        """Whether a chunk that was put is there still. If it is, it counts as put now."""
        return self.blobs.touch(CHUNKS + chunk.sha256)

    def distrust(self) -> None:
        """What was put before is compared again when it is to be put: a server has found something damaged."""
        self._put.clear()

    def put_file(self, data: bytes) -> FileEntry:
        """The content of a file, in chunks."""
        begins = range(0, max(1, len(data)), CHUNK_BYTES)
        chunks = tuple(self.put_chunk(data[begin : begin + CHUNK_BYTES]) for begin in begins)
        return FileEntry(len(data), digest_of(data), chunks)

    def commit(self, draft: Draft, parent: Head | None, *, now_us: int, why: str = "publish") -> Version:
        """A version of chunks that were put before, and HEAD on it: both, or neither that anybody would serve.
        `parent`: what HEAD was read as; None: nothing was published. Errors: `HeadMoved`, `RegistryError`."""
        return self._commit(draft, parent, None if parent is None else parent.raw, now_us=now_us, why=why)

    def _commit(
        self, draft: Draft, parent: Head | None, raw: bytes | None, *, now_us: int, why: str
    ) -> Version:
        """`raw`: what HEAD was read as, also where that does not read as one. Who is late writes no manifest: it knows
        too little of which numbers are taken."""
        if self.blobs.read(HEAD) != raw:
            raise HeadMoved(self._readable_head())
        epoch = 1 if parent is None else parent.epoch + 1
        version = Version(
            number=0,
            parent=None if parent is None else parent.version,
            parent_digest=None if parent is None else parent.digest,
            model=draft.model,
            fingerprint=draft.fingerprint,
            created_at_us=now_us,
            watermark_us=draft.watermark_us,
            metrics=dict(draft.metrics),
            files=draft.files,
            tables=draft.tables,
            epoch=epoch,
        )
        newest, before = (
            (0, 0 if raw is None else None) if parent is None else (parent.newest, parent.version)
        )
        version, digest = self._numbered(version, newest)
        if not self._swap_head(raw, Head(epoch, version.number, digest, now_us, why, newest, before)):
            self.blobs.remove(_manifest_name(version.number))
            raise HeadMoved(self._readable_head())
        return version

    def _numbered(self, version: Version, newest: int) -> tuple[Version, str]:
        """Writes the manifest under the next free number above `newest`; another publisher may be faster."""
        for _ in range(_ATTEMPTS):
            number = max([*self.numbers(), version.parent or 0, newest]) + 1
            numbered = replace(version, number=number)
            raw = numbered.to_bytes()
            if self.blobs.swap(_manifest_name(number), None, raw):
                return numbered, digest_of(raw)
        raise RegistryError(
            f"no number is free for long enough to publish a version: {self.url}", help=_OTHERS_PUBLISH
        )

    def publish(self, directory: Path, *, now_us: int, metrics: Mapping[str, float] | None = None) -> Version:
        """Adds a saved model as the next version and moves HEAD to it, whatever it says by then: both or, after a
        crash, neither that anybody would serve. Errors: `InputError` when the folder is not a saved model."""
        folder = SavedFolder(directory)
        self.distrust()
        files = {name: self.put_file(data) for name, data in folder.contents()}
        for data in folder.layer_chunks():
            self.put_chunk(data)
        draft = Draft(
            folder.model, folder.fingerprint, files, folder.tables, {**folder.metrics, **(metrics or {})}
        )
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(HeadMoved):
                head, raw = self._head_as_it_is()
                return self._commit(draft, head, raw, now_us=now_us, why="publish")
        raise RegistryError(f"HEAD of the registry moves all the time: {self.url}", help=_OTHERS_PUBLISH)

    def rollback(self, to: int | None = None, *, now_us: int) -> Version:
        """Moves HEAD to `to`, by default to the newest before HEAD's version that was not taken back. What HEAD leaves
        is taken back (`withdraw`); what it goes to no longer is. Errors: `InputError`, `VersionRefused`."""
        head, raw = self._head_as_it_is()
        number = self._before(self.head() if head is None else head) if to is None else to
        if number not in self.numbers():
            known = ", ".join(map(str, self.numbers())) or "none"
            raise InputError(f"there is no such version: {number}", help=f"the versions: {known}")
        version = self.verify(number)
        epoch, newest = (1, 0) if head is None else (head.epoch + 1, head.newest)
        before = None if head is None else head.version
        why = "rollback" if before is None else f"rollback from {before}"
        if not self._swap_head(raw, Head(epoch, number, self.identity(number), now_us, why, newest, before)):
            raise HeadMoved(self._readable_head())
        self.restore(number)
        if head is not None and head.version > number:
            self.withdraw(head.version, f"rolled back to version {number}")
        return version

    def _before(self, head: Head | None) -> int:
        if head is None:
            raise InputError("there is no version to go back from", help="`feat publish` makes the first")
        withdrawn, number = self.withdrawn(), self.version(head.version).parent
        while number is not None and number in withdrawn:
            number = self.version(number).parent
        if number is None:
            raise InputError(f"version {head.version} has no parent to go back to", help="name one with --to")
        return number

    def _head_as_it_is(self) -> tuple[Head | None, bytes | None]:
        """What HEAD says, None where it is not there or does not read, and its very bytes, of one look."""
        raw = self.blobs.read(HEAD)
        try:
            return (None if raw is None else Head.from_bytes(raw)), raw
        except ValueError:
            return None, raw

    def _readable_head(self) -> Head | None:
        return self._head_as_it_is()[0]

    def _swap_head(self, expected: bytes | None, head: Head) -> bool:
        swapped = self.blobs.swap(HEAD, expected, head.to_bytes())
        if swapped:
            self.blobs.moved()
        return swapped

    def wait(self, timeout_s: float) -> None:
        """Returns when HEAD or a label may have moved since it last returned, or after a while."""
        self.blobs.wait(timeout_s)

    # --- what is not to be served ----------------------------------------------------------------

    def refuse(self, number: int, reason: str) -> None:
        """Notes why a server does not serve a version."""
        with contextlib.suppress(RegistryError):  # a server may have no right to write here
            self._note("refused/", number, reason)

    def accept(self, number: int) -> None:
        """Takes a note of `refuse` back: the version is served."""
        with contextlib.suppress(RegistryError):
            if number in self._notes("refused/"):
                self.blobs.remove(f"refused/{number:06d}.json")

    def withdraw(self, number: int, reason: str) -> None:
        """Takes a version back: no server falls back to it, and none follows a label to it."""
        self._note("withdrawn/", number, reason)

    def restore(self, number: int) -> None:
        """Takes `withdraw` back."""
        self.blobs.remove(f"withdrawn/{number:06d}.json")

    def withdrawn(self) -> dict[int, str]:
        """The versions that were taken back, and why."""
        return self._notes("withdrawn/")

    def refusal(self, number: int) -> str:
        """Why a version is not to be served, as a server or a person has noted; or ""."""
        return self.withdrawn().get(number) or self._notes("refused/").get(number, "")

    def _note(self, kind: str, number: int, reason: str) -> None:
        self.blobs.write(
            f"{kind}{number:06d}.json", json.dumps({"version": number, "reason": reason}).encode()
        )

    def _notes(self, kind: str) -> dict[int, str]:
        found = {}
        for name in self.blobs.names(kind):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                note = json.loads(self.blobs.read(name) or b"")
                found[int(note["version"])] = str(note["reason"])
        return found


def _manifest_name(number: int) -> str:
    return f"{_folder(number)}{MANIFEST}"


def _folder(number: int) -> str:
    return f"versions/{number:06d}/"


def _has_model(version: Version) -> None:
    if MODEL_FILE not in version.files:
        raise VersionRefused(version.number, f"{MODEL_FILE} is not among its files")


def _why(fault: Exception) -> str:
    if isinstance(fault, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return f"it is not JSON ({fault})"
    return str(fault)
