"""Where registries live in tests: a place of each kind, in which every test has one of its own."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_sync import open_registry
from model_sync.blobs import Blobs
from tests.redis_cluster import redis_cluster
from tests.services import redis_server

PLACES = ["directory", "redis", "cluster"]


@dataclass(frozen=True)
class Place:
    """`base`: a URL; a registry is a folder there, or has a name of its own."""

    kind: str
    base: str

    def new(self) -> str:
        """The URL of a registry that nobody has used."""
        name = uuid.uuid4().hex
        return f"{self.base}?registry={name}" if self.base.startswith("redis") else f"{self.base}/{name}"


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """A running server of a kind, if it needs one."""
    if kind == "directory":
        yield Place(kind, f"dir://{folder}")
    elif kind == "redis":
        with redis_server() as server:
            yield Place(kind, server.url)
    elif kind == "cluster":
        with redis_cluster() as cluster:
            yield Place(kind, cluster.url)
    else:
        raise AssertionError(kind)


def blobs_at(url: str) -> Blobs:
    return open_registry(url, create=True).blobs


def another_process(url: str, program: str) -> subprocess.Popen[bytes]:
    """A process that has run the program, which knows `blobs`, when it ends."""
    opened = (
        "import sys, time, model_sync\nblobs = model_sync.open_registry(sys.argv[1], create=True).blobs\n"
    )
    return subprocess.Popen([sys.executable, "-c", opened + program, url], stdout=subprocess.PIPE)
