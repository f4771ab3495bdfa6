"""Versions of a model: published whole or not at all, verified before use, never changed afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_sync.opening import open_registry
from model_sync.registry import Registry
from model_sync.version import Draft, Head, HeadMoved, RegistryError, Version, VersionRefused

if TYPE_CHECKING:
    from model_sync.publisher import Publisher

__all__ = [
    "Draft",
    "Head",
    "HeadMoved",
    "Publisher",
    "Registry",
    "RegistryError",
    "Version",
    "VersionRefused",
    "open_registry",
]


def __getattr__(name: str) -> Any:
    """A server has no use for what a trainer needs."""
    if name != "Publisher":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from model_sync.publisher import Publisher

    return Publisher
