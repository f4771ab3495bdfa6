"""A Redis Cluster that tests start for themselves: three masters and a replica of each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.services import RedisServer, free_port

MASTERS = 3
SLOTS = 16384
FAILOVER_MS = 500


@dataclass
class RedisCluster:
    """The first three `servers` begin as masters; `clients[i]` talks to server i alone."""

    servers: list[RedisServer]
    clients: list[Any]

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.servers[0].port}"

    def id(self, number: int) -> str:
        return str(self.clients[number].execute_command("CLUSTER MYID").decode())

    def is_whole(self, number: int) -> bool:
        """Whether this server says that all slots are served."""
        return self.info(number)["cluster_state"] == "ok"

    def info(self, number: int) -> dict[str, str]:
        found: dict[str, str] = self.clients[number].execute_command("CLUSTER INFO")
        return found

    def move_slot(self, slot: int, source: int, target: int) -> None:
        """Moves a slot with its keys from one master to another, as `redis-cli --cluster reshard` does."""
        self.clients[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.id(source))
        self.clients[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.id(target))
        port = self.servers[target].port
        for key in self.clients[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 1000):
            self.clients[source].execute_command("MIGRATE", "127.0.0.1", port, key, 0, 5000)
        for number in (target, source):
            self.clients[number].execute_command("CLUSTER SETSLOT", slot, "NODE", self.id(target))


def wait_until(done: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


@contextmanager
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster of one's own; ended and forgotten at the end."""
    with ExitStack() as ends:
        servers = []
        for _ in range(2 * MASTERS):
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="featdsl-cluster-")))
            bus = ["--cluster-port", str(free_port())]
            options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(FAILOVER_MS), *bus]
            server = RedisServer(free_port(), folder, [*options, "--repl-diskless-sync-delay", "0"])
            ends.callback(server.kill)
            server.start()
            servers.append(server)
        cluster = RedisCluster(servers, [redis.Redis(port=server.port) for server in servers])
        for client in cluster.clients:
            ends.callback(client.close)
        _join(cluster)
        yield cluster


def _join(cluster: RedisCluster) -> None:
    for number, client in enumerate(cluster.clients):
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        if number < MASTERS:
            first, end = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
    everyone = range(len(cluster.servers))
    for server in cluster.servers[1:]:
        bus = server.options[list(server.options).index("--cluster-port") + 1]
        cluster.clients[0].execute_command("CLUSTER MEET", "127.0.0.1", server.port, bus)
    known = str(len(cluster.servers))
    wait_until(
        lambda: all(cluster.info(number)["cluster_known_nodes"] == known for number in everyone),
        "the nodes of the cluster do not meet",
    )
    for number in range(MASTERS):
        replica = cluster.clients[number + MASTERS]
        replica.execute_command("CLUSTER REPLICATE", cluster.id(number))
    wait_until(lambda: all(map(cluster.is_whole, everyone)), "the cluster does not serve all slots")
    wait_until(
        lambda: all(
            client.info("replication").get("master_link_status") == "up"
            for client in cluster.clients[MASTERS:]
        ),
        "the replicas do not follow",
    )
