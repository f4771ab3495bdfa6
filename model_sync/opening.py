"""Opens a registry by its URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from featdsl.errors import InputError, without_password
from model_sync.blobs import Blobs
from model_sync.registry import Registry

_REDIS = ("redis", "rediss", "redis+cluster", "rediss+cluster")
_OBJECTS = ("s3", "gs", "az")
_HOW = "write `dir://path`, `redis://host:6379/0?registry=name` or `s3://bucket/prefix`"


def open_registry(url: str, *, create: bool = False) -> Registry:
    """The registry at `url`:

    - `dir://path`: a folder, that of a network file system as well;
    - `redis://[user:password@]host:port/db?registry=name`, `redis+cluster://host:port?registry=name` (any node); TLS:
      `rediss`;
    - `s3://bucket/prefix?region=…&endpoint=…`, `gs://bucket/prefix`, `az://container/prefix`; `&head=redis://…` keeps
      all but the chunks in another place.

    Errors: `InputError` for another scheme, `RegistryError` when it is not there and `create` is false (a folder), or
    for object storage that cannot do what is needed."""
    return Registry(_open_blobs(url, create))


def _open_blobs(url: str, create: bool) -> Blobs:
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "dir", url
    if scheme == "dir" and rest:
        from model_sync.directory import DirectoryBlobs

        return DirectoryBlobs(Path(rest), create=create)
    if scheme in _REDIS:
        from model_sync.redis_blobs import RedisBlobs

        return RedisBlobs(url)
    if scheme in _OBJECTS:
        return _open_objects(url, create)
    raise InputError(f"not a registry: {without_password(url)}", help=_HOW)


def _open_objects(url: str, create: bool) -> Blobs:
    from model_sync.object_blobs import ObjectBlobs

    parts = urlsplit(url)
    options = parse_qsl(parts.query)
    head = dict(options).get("head")
    if head is None:
        return ObjectBlobs(url, create=create)
    from model_sync.two_places import TwoPlaces

    rest = urlencode([pair for pair in options if pair[0] != "head"])
    return TwoPlaces(ObjectBlobs(parts._replace(query=rest).geturl()), _open_blobs(head, create))
