"""Where registries live in tests: a place of each kind, in which every test has one of its own."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_sync import open_registry
from model_sync.blobs import Blobs
from tests.object_storage import object_storage, plain_object_storage
from tests.redis_cluster import redis_cluster
from tests.services import redis_server

PLACES = ["directory", "redis", "cluster", "objects", "both"]

EVERYTHING: dict[str, Callable[[Blobs], object]] = {
    "read": lambda blobs: blobs.read("HEAD"),
    "write": lambda blobs: blobs.write("HEAD", b"1"),
    "note": lambda blobs: blobs.note("HEAD", b"1"),
    "touch": lambda blobs: blobs.touch("HEAD"),
    "swap": lambda blobs: blobs.swap("HEAD", None, b"1"),
    "remove": lambda blobs: blobs.remove("HEAD"),
    "remove_old": lambda blobs: blobs.remove_old("HEAD", 1.0),
    "names": lambda blobs: blobs.names("versions/"),
    "stamp": lambda blobs: blobs.stamp(["HEAD"]),
    "moved": lambda blobs: blobs.moved(),
    "wait": lambda blobs: blobs.wait(0.1),
}
"""What a place can be asked, by the method that does it."""


@dataclass(frozen=True)
class Place:
    """`base`: a URL with NAME for what is a registry's own."""

    kind: str
    base: str

    def new(self) -> str:
        """The URL of a registry that nobody has used."""
        return self.base.replace("NAME", uuid.uuid4().hex)


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """A running server of a kind, if it needs one."""
    if kind == "directory":
        yield Place(kind, f"dir://{folder}/NAME")
    elif kind == "redis":
        with redis_server() as server:
            yield Place(kind, f"{server.url}?registry=NAME")
    elif kind == "cluster":
        with redis_cluster() as cluster:
            yield Place(kind, f"{cluster.url}?registry=NAME")
    elif kind == "objects":
        with object_storage() as storage:
            yield Place(kind, storage.url("NAME"))
    elif kind == "both":
        with plain_object_storage() as storage, redis_server() as server:
            yield Place(kind, f"{storage.url('NAME')}&head={server.url}?registry=NAME")
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
