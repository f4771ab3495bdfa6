"""Opens a registry by its URL."""

from __future__ import annotations

from pathlib import Path

from featdsl.errors import InputError, without_password
from model_sync.registry import Registry

KINDS = "dir://path, redis://host:6379/0?registry=name or redis+cluster://host:6379?registry=name"


def open_registry(url: str, *, create: bool = False) -> Registry:
    """The registry at `url`: `dir://path`, or a name in Redis, `redis://[user:password@]host:port/db?registry=name` or
    `redis+cluster://host:port?registry=name` (any node); TLS: `rediss`. Redis is not asked before the first use.
    Errors: `InputError` for another scheme, `RegistryError` when it is not there and `create` is false."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "dir", url
    if scheme == "dir" and rest:
        from model_sync.directory import DirectoryBlobs

        return Registry(DirectoryBlobs(Path(rest), create=create))
    if scheme in ("redis", "rediss", "redis+cluster", "rediss+cluster"):
        from model_sync.redis_blobs import RedisBlobs

        return Registry(RedisBlobs(url))
    raise InputError(f"not a registry: {without_password(url)}", help=f"write {KINDS}")
