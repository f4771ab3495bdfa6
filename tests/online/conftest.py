"""A filled store and a registry with one version."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from online.client import ScorerClient
from store.interface import open_store
from tests.online.environments import run_in
from tests.online.exporting import Shop
from tests.online.remote import HERE, RemoteServer, TensorFlowServer, TritonServer, running, until
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


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels by their weight, made by TensorFlow."""
    folder = tmp_path_factory.mktemp("stock")
    run_in("tensorflow", HERE / "tf_shop.py", folder)
    return folder


@pytest.fixture(scope="session", params=["tfs", "triton"])
def remote(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RemoteServer]:
    """A running server without a version, of each kind; every test puts the versions that it wants."""
    folder = tmp_path_factory.mktemp(request.param)
    server: RemoteServer
    if request.param == "tfs":
        server = TensorFlowServer(folder, request.getfixturevalue("stock"), "--latest", "0")
    else:
        server = TritonServer(folder)
    with running(server):
        yield server


@pytest.fixture
def versions(remote: RemoteServer) -> Iterator[RemoteServer]:
    """The server, with version 1 of weight 2 ready; afterwards it has none."""
    until(lambda: not remote.ready())
    remote.put(1, 2.0)
    until(lambda: remote.ready() == {1})
    yield remote
    empty(remote)


@pytest.fixture
def shop(remote: RemoteServer, tmp_path: Path) -> Iterator[Shop]:
    """A registry without a version, and the server without one."""
    until(lambda: not remote.ready())
    yield Shop(tmp_path, remote)
    empty(remote)


def empty(remote: RemoteServer) -> None:
    for path in list((remote.models / "shop").iterdir()):
        if path.name.isdecimal():
            shutil.rmtree(path)
    if isinstance(remote, TritonServer):
        remote.reload()
