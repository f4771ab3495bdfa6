"""Opens a registry by its URL."""

from __future__ import annotations

from pathlib import Path

from featdsl.errors import InputError
from model_sync.registry import Registry


def open_registry(url: str, *, create: bool = False) -> Registry:
    """The registry at `url` (`dir://path`). Errors: `InputError` for another scheme, `RegistryError`
    when it is not there and `create` is false."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "dir", url
    if scheme != "dir" or not rest:
        raise InputError(f"not a registry: {url}", help="write `dir://path/to/registry`")
    from model_sync.directory import DirectoryBlobs

    return Registry(DirectoryBlobs(Path(rest), create=create))
