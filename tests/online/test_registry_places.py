"""A server whose registry is in Redis or in object storage: it serves what is published, and goes on when the registry
is away, back, or empty."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from featdsl.cli.main import main
from online.client import ScorerClient
from tests.object_storage import object_storage
from tests.online.shop import AT, REQUEST, WeightModel, publish, serving
from tests.services import redis_server

KEYS = {"shopper": 1, "item": ["a"]}
SOON_S = 60.0
"""Mostly it is a tenth of a second, or one in object storage; the machine may be busy."""


@dataclass
class Place:
    url: str
    stop: Callable[[], None]
    start: Callable[[], None]
    empty: Callable[[], None]


@contextmanager
def place(kind: str) -> Iterator[Place]:
    if kind == "redis":
        with redis_server() as server:

            def flush() -> None:
                with Redis(port=server.port) as client:
                    client.flushall()

            yield Place(f"{server.url}?registry=shop", server.kill, server.start, flush)
    else:
        with object_storage() as storage:
            yield Place(storage.url("shop"), storage.kill, storage.start, storage.empty)


def served(client: ScorerClient) -> int:
    return client.score(KEYS, {**REQUEST, "at": AT}).version


def soon(done: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + SOON_S
    while not done():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["redis", "objects"])
def test_what_is_published_while_it_serves_is_served(
    kind: str, lmdb_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, model = tmp_path / "models", WeightModel()
    with place(kind) as registry:
        assert publish(registry.url, models, 2.0) == 1
        with serving(lmdb_url, registry.url, model) as (server, client):
            watcher = server.versions
            assert served(client) == 1
            assert main(["publish", str(models / "model-2.0"), "--registry", registry.url]) == 0
            soon(lambda: served(client) == 2, "the second version is not served")
            assert main(["rollback", "--registry", registry.url]) == 0
            soon(lambda: served(client) == 1, "it does not go back")
            assert main(["versions", "--registry", registry.url]) == 0
            assert "secret_access_key=secret" not in capsys.readouterr().out

            registry.stop()
            soon(lambda: "the registry does not answer" in watcher.problem, watcher.problem)
            assert served(client) == 1
            registry.start()
            soon(lambda: watcher.problem == "", watcher.problem)
            assert publish(registry.url, models, 3.0) == 3
            soon(lambda: served(client) == 3, "the third version is not served")

            registry.empty()
            soon(lambda: "no HEAD any more" in watcher.problem, watcher.problem)
            assert served(client) == 3
            assert publish(registry.url, models, 4.0) == 1, "it begins anew"
            soon(lambda: served(client) == 1, "the new registry's version is not served")
            assert set(model.weights.values()) >= {4.0}
            soon(lambda: watcher.problem == "", watcher.problem)
