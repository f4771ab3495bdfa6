"""A filled store and a registry with one version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from online.client import ScorerClient
from store.interface import open_store
from tests.online.shop import fill, publish, serving


@pytest.fixture(scope="session")
def lmdb_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"lmdb://{tmp_path_factory.mktemp('shop') / 'store'}"
    store = open_store(url, "shop", writable=True)
    fill(store)
    store.close()
    return url


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry whose version 1 has the weight 2."""
    publish(tmp_path / "registry", tmp_path / "models", 2.0)
    return tmp_path / "registry"


@pytest.fixture
def client(lmdb_url: str, registry: Path) -> Iterator[ScorerClient]:
    with serving(lmdb_url, registry) as (_, client):
        yield client
