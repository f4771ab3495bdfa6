"""Bytes by name in object storage: S3 and all that speak it, Google Cloud Storage, Azure Blob Storage."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from featdsl.errors import InputError, without_password
from model_sync.blobs import Found
from model_sync.version import RegistryDown, RegistryError

try:
    import obstore
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        PermissionDeniedError,
        PreconditionError,
        UnauthenticatedError,
    )
    from obstore.store import from_url
except ImportError as fault:
    raise InputError(
        "a registry in object storage needs the package obstore", help="pip install 'featdsl[objects]'"
    ) from fault

CONNECT_S = 5
TIMEOUT_S = 30
"""Of one request, its bytes among it: a chunk has 8 MiB."""
RETRIES = 2
RETRY_S = 10
POLL_S = 1.0
"""Nobody is told when something has moved, and each look costs: so often at most."""
TOUCHED_S = 300.0
"""What was written this short a time ago counts as written now."""
_REMOVED_WITHIN_S = 10.0
_REMOVER_LIVES_S = _REMOVED_WITHIN_S + TIMEOUT_S + CONNECT_S
_STAMPED_S = 60
_ATTEMPTS = 16
_ATTEMPTS_LOST = 6
_PROBE = "probe"
_REMOVING = "removing/"
_SWAPPED_BY = "swappers"
_SWAPPERS = 16
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
_T = TypeVar("_T")


class ObjectBlobs:
    """A `Blobs` under a prefix of a bucket. `swap` is a conditional put (`If-None-Match`, `If-Match`); a store that
    does not know it is refused. `touch` is for what is written once and not changed, as chunks are.

    Object storage cannot remove what is old as one step. So who removes puts a mark first and looks once more, and who
    writes looks for a mark afterwards: one of the two sees the other."""

    def __init__(self, url: str, *, create: bool = False) -> None:
        """`url`: `s3://bucket/prefix`, `gs://…`, `az://…`, with the options of obstore (`?endpoint=…&region=…`).
        `create`: it is to be written to, so the store is asked what it can do. Errors: `InputError` for a URL,
        `RegistryError` for a store that knows no conditional writes."""
        self.url = without_password(url)
        parts = urlsplit(url)
        place = parts._replace(query="").geturl().rstrip("/")
        options = dict(parse_qsl(parts.query))
        self._reads = self._open(place, options, RETRIES)
        self._swaps = self._open(place, options, 0)
        self._tags_are_sums = True
        self._waited_at = -POLL_S
        if create:
            self._needs_conditions()

    def read(self, name: str) -> bytes | None:
        """RADOS Gateway may answer with what one write says of itself and the bytes of another: they are compared."""
        before: tuple[str, bytes] | None = None
        broken = 0
        for _ in range(_ATTEMPTS):
            found = self._get(name)
            if found is None:
                return None
            try:
                read = found.meta["e_tag"] or "", self._call(partial(_content, found))
            except RegistryDown:  # its answer broke off; obstore asks again only where none has begun
                broken += 1
                if broken > RETRIES:
                    raise
                continue
            if self._belong_together(*read, found.meta["size"]):
                return read[1]
            if read == before:  # twice the same: the tag is another kind of sum
                self._tags_are_sums = False
                return read[1]
            before = read
        raise RegistryError(f"{name} is written whenever it is read: {self.url}")

    def _belong_together(self, tag: str, data: bytes, size: int) -> bool:
        """As far as a tag tells: of most stores, for what was put in one piece, it is the MD5 of the content."""
        if len(data) != size:
            return False
        tag = tag.strip('"')
        if not self._tags_are_sums or not re.fullmatch("[0-9a-f]{32}", tag):
            return True
        return hashlib.md5(data, usedforsecurity=False).hexdigest() == tag

    def write(self, name: str, data: bytes) -> None:
        for _ in range(_ATTEMPTS):
            self._put(name, data)
            if not self._is_removed(name):
                return
        raise RegistryError(f"{name} is removed whenever it is written: {self.url}")

    def note(self, name: str, data: bytes) -> None:
        self._put(name, data)

    def touch(self, name: str) -> bool:
        """Without a second put where it is young already."""
        found = self._head(name)
        if found is None:
            return False
        if found.written_s > time.time() - TOUCHED_S and not self._is_removed(name):
            return True
        data = self.read(name)
        if data is None:
            return False
        self.write(name, data)
        return True

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        """Beside what is there stands who has swapped it, the last first: an answer that got lost is found there."""
        self._needs_conditions()
        asks, unsure = secrets.token_hex(8), False
        before: list[str] = []
        for attempt in range(_ATTEMPTS):
            mode: Any = "create"
            if expected is not None:
                found = self._get(name)
                if found is None or bytes(found.bytes()) != expected:
                    return self._was_swapped(name, asks, before, unsure)
                before = _swappers(found)
                tag, version = found.meta["e_tag"] or "", found.meta["version"]
                # RADOS Gateway takes no tag in quotation marks
                mode = {"e_tag": tag.strip('"') if attempt % 2 else tag}
                mode |= {} if version is None else {"version": version}
            told = {_SWAPPED_BY: ",".join([asks, *before][:_SWAPPERS])}
            try:
                obstore.put(self._swaps, name, data, mode=mode, attributes=told, use_multipart=False)
                return True
            except (AlreadyExistsError, PreconditionError):
                # so it says too when another write is on its way, of which nothing may come
                if expected is None and self._head(name) is not None:
                    return self._was_swapped(name, asks, before, unsure)
            except (BaseError, OSError) as fault:
                # RADOS Gateway calls it an error of its own when another was faster, so it is asked some times
                if attempt + 1 == _ATTEMPTS_LOST:
                    raise self._error(fault) from fault
                unsure = True
        raise RegistryError(f"{name} moves all the time: {self.url}")

    def remove(self, name: str) -> None:
        self._call(lambda: obstore.delete(self._reads, name))

    def remove_old(self, name: str, before_s: float) -> bool:
        if not self._is_old(name, before_s):
            return False
        mark, begun = _REMOVING + name, time.monotonic()
        self._put(mark, b"")
        try:
            if not self._is_old(name, before_s) or time.monotonic() - begun > _REMOVED_WITHIN_S:
                return False
            self.remove(name)
            return True
        finally:
            self.remove(mark)

    def names(self, prefix: str) -> Mapping[str, Found]:
        folder = prefix.rpartition("/")[0]
        listed = self._call(lambda: obstore.list(self._reads, folder or None).collect())
        return {
            entry["path"]: Found(entry["size"], entry["last_modified"].timestamp())
            for entry in listed
            if entry["path"].startswith(prefix)
            and entry["path"] != _PROBE
            and not entry["path"].startswith(_REMOVING)
        }

    def stamp(self, names: Sequence[str]) -> str:
        """Now and then another: a request a name would be many."""
        return str(int(time.time() // _STAMPED_S))

    def local(self, name: str) -> Path | None:
        return None

    def moved(self) -> None:
        pass  # those who wait look by themselves

    def wait(self, timeout_s: float) -> None:
        """Returns a second after it last did, whatever `timeout_s` is."""
        time.sleep(max(0.0, self._waited_at + POLL_S - time.monotonic()))
        self._waited_at = time.monotonic()

    def close(self) -> None:
        pass  # connections are closed when nobody has used them for a while

    def _get(self, name: str) -> Any:
        try:
            return self._call(lambda: obstore.get(self._reads, name))
        except FileNotFoundError as fault:
            self._needs_bucket(fault)
            return None

    def _head(self, name: str) -> Found | None:
        try:
            meta = self._call(lambda: obstore.head(self._reads, name))
        except FileNotFoundError:
            return None
        return Found(meta["size"], meta["last_modified"].timestamp())

    def _put(self, name: str, data: bytes) -> None:
        try:
            self._call(lambda: obstore.put(self._reads, name, data, use_multipart=False))
        except FileNotFoundError as fault:
            self._needs_bucket(fault)
            raise self._error(fault) from fault

    def _is_old(self, name: str, before_s: float) -> bool:
        found = self._head(name)
        return found is not None and found.written_s + 1 <= before_s  # stores tell whole seconds

    def _is_removed(self, name: str) -> bool:
        """Whether what was written before has been removed, after waiting for who may be at it. A remover that died
        is not waited for twice."""
        mark, until = _REMOVING + name, time.monotonic() + _REMOVER_LIVES_S
        while self._head(mark) is not None:
            if time.monotonic() > until:
                self.remove(mark)
                break
            time.sleep(0.05)
        return self._head(name) is None

    def _was_swapped(self, name: str, asks: str, before: list[str], unsure: bool) -> bool:
        """Whether the swap was done, where its own answer may not have come. `before`: who had swapped what it was
        to replace."""
        if not unsure:
            return False
        found = self._get(name)
        by = [] if found is None else _swappers(found)
        if asks in by:
            return True
        if before[0] in by if before else 0 < len(by) < _SWAPPERS:
            return False
        raise RegistryError(
            f"{name} may have been moved, or not: an answer of the registry got lost: {self.url}",
            help="`feat versions` shows where HEAD is; do it again if that is where it was",
        )

    def _needs_conditions(self) -> None:
        if not self._has_conditions:
            raise RegistryError(
                f"this object storage knows no conditional writes (If-None-Match, If-Match): {self.url}",
                help="keep what moves in another place: `?head=redis://host:6379/0?registry=name`",
            )

    @cached_property
    def _has_conditions(self) -> bool:
        """Asks for writes that must be refused; the first may be the one that makes what they are about."""
        made = self._refuses("create") or self._refuses("create")
        return made and self._refuses({"e_tag": '"none"'})

    def _refuses(self, mode: Any) -> bool:
        try:
            self._call(lambda: obstore.put(self._reads, _PROBE, b"", mode=mode, use_multipart=False))
        except (AlreadyExistsError, PreconditionError):
            return True
        except FileNotFoundError as fault:
            self._needs_bucket(fault)
            raise self._error(fault) from fault
        except RegistryError as fault:
            if "NotImplemented" not in str(fault):
                raise
        return False

    def _needs_bucket(self, fault: Exception) -> None:
        if re.search("NoSuchBucket|ContainerNotFound|bucket does not exist", str(fault)):
            raise RegistryError(
                f"there is no such bucket: {self.url}", help="a bucket is made by who runs the storage"
            ) from fault

    def _call(self, command: Callable[[], _T]) -> _T:
        """Errors: as they are, those that say what is there."""
        try:
            return command()
        except (FileNotFoundError, AlreadyExistsError, PreconditionError):
            raise
        except (BaseError, OSError, ValueError) as fault:
            raise self._error(fault) from fault

    def _error(self, fault: Exception) -> RegistryError:
        said = str(fault).partition("\n\nDebug")[0]
        code = re.search("<Code>(.*?)</Code>", said)
        said = said.partition(" - Server returned")[2] or said.rpartition(" - ")[2]
        said = code.group(1) if code else said.partition("\n")[0]
        if isinstance(fault, PermissionDeniedError | UnauthenticatedError):
            return RegistryError(
                f"the registry refuses these credentials: {self.url} ({said})",
                help="they come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the machine's role, "
                "or `~/.aws` where boto3 is installed; they must be allowed to list, too",
            )
        return RegistryDown(
            f"the registry does not answer: {self.url} ({said.strip()})",
            help="is it reached from this machine, and at this `?endpoint=`?",
        )

    def _open(self, place: str, options: Mapping[str, str], retries: int) -> Any:
        endpoint = (
            options.get("endpoint")
            or os.environ.get("AWS_ENDPOINT_URL_S3")
            or os.environ.get("AWS_ENDPOINT_URL")
        )
        plain = bool(endpoint and endpoint.startswith("http://"))
        settings: dict[str, Any] = {
            "client_options": {
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "timeout": timedelta(seconds=TIMEOUT_S),
                "allow_http": plain or os.environ.get("AWS_ALLOW_HTTP", "") == "true",
            },
            "retry_config": {
                "max_retries": retries,
                "retry_timeout": timedelta(seconds=RETRY_S),
                "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2)},
            },
        }
        if place.startswith("s3") and "access_key_id" not in options:
            provider = _from_profile()
            if provider is not None:
                settings["credential_provider"] = provider
        try:
            opened: Any = from_url(place, config=dict(options), **settings)  # type: ignore[call-overload]
            return opened
        except (BaseError, ValueError) as fault:
            said = str(fault).partition("\n\nDebug")[0]
            raise InputError(
                f"the registry's URL does not read: {self.url} ({said})",
                help="write `s3://bucket/prefix?region=…`, with `&endpoint=http://host:9000` for other stores than AWS",
            ) from fault


def _content(found: Any) -> bytes:
    return bytes(found.bytes())


def _swappers(found: Any) -> list[str]:
    told = found.attributes.get(_SWAPPED_BY)
    return str(told).split(",") if told else []


def _from_profile() -> Any:
    """What a file of AWS's own tools says, if that is all there is and boto3 can read it."""
    if any(os.environ.get(name) for name in _CREDENTIALS):
        return None
    if not os.environ.get("AWS_PROFILE") and not Path("~/.aws/credentials").expanduser().exists():
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    return Boto3CredentialProvider()
