"""Versions of a model: published whole or not at all, verified before use, never changed afterwards."""

from model_sync.registry import Registry, open_registry
from model_sync.version import RegistryError, Version, VersionRefused

__all__ = ["Registry", "RegistryError", "Version", "VersionRefused", "open_registry"]
