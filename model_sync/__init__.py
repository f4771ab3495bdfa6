"""Versions of a model: published whole or not at all, verified before use, never changed afterwards."""

from model_sync.opening import open_registry
from model_sync.registry import Registry
from model_sync.version import Draft, Head, HeadMoved, RegistryError, Version, VersionRefused

__all__ = [
    "Draft",
    "Head",
    "HeadMoved",
    "Registry",
    "RegistryError",
    "Version",
    "VersionRefused",
    "open_registry",
]
