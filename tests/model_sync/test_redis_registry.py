"""A registry in Redis whose server goes away, forgets, fills up, refuses, or hangs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
import redis
import redis.cluster

from featdsl.errors import InputError
from model_sync import Draft, HeadMoved, RegistryError, open_registry
from model_sync.redis_blobs import RedisBlobs
from tests.certificates import certificates
from tests.model_sync.places import EVERYTHING, Place, blobs_at
from tests.services import RedisServer, free_port, redis_server
from tests.slow_proxy import SlowProxy, slow_proxy


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server("--requirepass", "secret") as started:
        yield started


def url_of(port: int, password: str = "secret", options: str = "") -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0?registry=ranker{options}"


def test_a_server_that_is_gone_is_told_and_one_that_is_back_is_used(server: RedisServer) -> None:
    blobs = blobs_at(url_of(server.port))
    blobs.write("HEAD", b"before")
    blobs.wait(0)
    server.kill()
    for call in EVERYTHING.values():
        with pytest.raises(RegistryError, match="the registry does not answer: redis://:…@127") as told:
            call(blobs)
        assert "secret" not in str(told.value)
    server.start()
    assert blobs.read("HEAD") == b"before"
    for call in EVERYTHING.values():
        call(blobs)
    blobs.close()
    assert blobs.read("HEAD") is None, "closed, it opens again what it needs"
    blobs.close()


def test_a_server_that_has_forgotten_everything_goes_on(server: RedisServer) -> None:
    blobs, other = blobs_at(url_of(server.port)), blobs_at(url_of(server.port))
    blobs.write("versions/000001/manifest.json", b"{}")
    blobs.moved()
    blobs.wait(0)
    with redis.Redis(port=server.port, password="secret") as direct:
        direct.flushall()
        assert blobs.names("versions/") == {}
        assert blobs.swap("HEAD", None, b"1")
        # what it says next is older than what was heard last, as of a server whose clock went back
        direct.xadd("{featdsl:ranker}:moved", {"moved": ""}, id="1-1")
    blobs.wait(0.1)
    threading.Timer(0.05, other.moved).start()
    begun = time.monotonic()
    blobs.wait(60)
    assert time.monotonic() - begun < 30


def test_a_user_needs_its_keys_and_a_password(server: RedisServer) -> None:
    for password in ("wrong", ""):
        with pytest.raises(RegistryError, match="refuses the user or password") as told:
            blobs_at(url_of(server.port, password)).read("HEAD")
        assert "redis://user:password@host" in told.value.help
        assert "wrong@" not in str(told.value)
    with redis.Redis(port=server.port, password="secret") as direct:
        rules = ["on", ">pass", "resetkeys", "~{featdsl:ranker*", "+@all", "-@dangerous"]
        direct.execute_command("ACL", "SETUSER", "ranker", *rules)
    base = f"redis://ranker:pass@127.0.0.1:{server.port}"
    blobs = blobs_at(f"{base}?registry=ranker")
    for call in EVERYTHING.values():
        call(blobs)
    with pytest.raises(RegistryError, match="user may not do that: redis://ranker:…@") as told:
        blobs_at(f"{base}?registry=other").read("HEAD")
    assert "`{featdsl:other*`" in told.value.help


def test_a_full_server_says_so(server: RedisServer) -> None:
    blobs = blobs_at(url_of(server.port))
    assert blobs.swap("HEAD", None, b"1")
    with redis.Redis(port=server.port, password="secret") as direct:
        direct.config_set("maxmemory", 1)
    with pytest.raises(RegistryError, match="the registry is full") as told:
        blobs.write("chunks/ab", b"x" * 1000)
    assert "feat prune" in told.value.help
    with pytest.raises(RegistryError, match="the registry is full"):
        blobs.swap("HEAD", b"1", b"2")
    assert blobs.read("HEAD") == b"1"
    blobs.remove("HEAD")


def test_a_server_that_hangs_holds_nobody_for_long(server: RedisServer) -> None:
    with slow_proxy(server.port) as proxy:
        blobs = blobs_at(url_of(proxy.port, options="&socket_timeout=0.2"))
        blobs.write("HEAD", b"1")
        proxy.delay_s = 60
        begun = time.monotonic()
        with pytest.raises(RegistryError, match="the registry does not answer"):
            blobs.read("HEAD")
        assert time.monotonic() - begun < 30
        proxy.delay_s = 0
        assert blobs.read("HEAD") == b"1"


def test_who_waits_holds_nobody(server: RedisServer) -> None:
    blobs = blobs_at(url_of(server.port))
    blobs.wait(0)
    waits = threading.Thread(target=blobs.wait, args=(60,))
    waits.start()
    for _ in range(100):
        assert blobs.read("HEAD") is None
    blobs.moved()
    waits.join(30)
    assert not waits.is_alive()


class LosesAnswers(SlowProxy):
    """Passes on what is asked, and hangs up when a number comes back, so many times."""

    lost = 0

    def hangs_up(self, data: bytes, comes_back: bool) -> bool:
        loses = bool(comes_back and self.lost and data[:1] == b":")
        self.lost -= loses
        return loses


def test_a_swap_whose_answer_got_lost_is_known_to_be_done(server: RedisServer) -> None:
    proxy = LosesAnswers(server.port)
    direct, blobs = blobs_at(url_of(server.port)), blobs_at(url_of(proxy.port))
    assert blobs.swap("HEAD", None, b"1")
    proxy.lost = 1
    assert blobs.swap("HEAD", b"1", b"2"), "it was done the first time"
    proxy.lost = 1
    with pytest.raises(RegistryError, match="HEAD may have been moved, or not"):
        blobs.swap("HEAD", b"1", b"3")
    proxy.lost = 2
    with pytest.raises(RegistryError, match="does not answer"):
        blobs.swap("HEAD", b"2", b"4")
    assert direct.read("HEAD") == b"4"
    blobs.close()
    proxy.close()


def test_a_publish_whose_answer_got_lost_counts_once(server: RedisServer) -> None:
    """The version that HEAD is on is not taken for one that came too late."""
    proxy = LosesAnswers(server.port)
    registry, direct = open_registry(url_of(proxy.port)), open_registry(url_of(server.port))
    files = {"model.json": registry.put_file(b"{}")}
    for number in range(1, 4):
        draft = Draft("ranker", "f" * 64, files)
        head = registry.head()
        proxy.lost = 1
        assert registry.commit(draft, head, now_us=number).number == number
    assert direct.numbers() == [1, 2, 3]
    now = direct.head()
    assert now is not None
    assert now.version == 3
    assert direct.verify(3).number == 3
    with pytest.raises(HeadMoved):
        registry.commit(draft, head, now_us=9)
    registry.close()
    proxy.close()


def test_tls(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = certificates(tmp_path_factory.mktemp("certificates"))
    port = free_port()
    files = ["--tls-cert-file", str(made.server), "--tls-key-file", str(made.server_key)]
    options = [
        "--tls-port",
        str(port),
        *files,
        "--tls-ca-cert-file",
        str(made.ca),
        "--tls-auth-clients",
        "no",
    ]
    with redis_server(*options):
        url = f"rediss://localhost:{port}/0?registry=ranker&ssl_ca_certs="
        blobs = blobs_at(f"{url}{made.ca}")
        assert blobs.swap("HEAD", None, b"1")
        blobs.wait(0)
        with pytest.raises(RegistryError, match=r"does not answer.*certificate verify failed"):
            blobs_at(f"{url}{made.other_ca}").read("HEAD")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis://host:1/0", "the registry has no name"),
        ("redis://host:1/0?registry=", "the registry has no name"),
        ("redis://host:1/0?registry=a/b", "the registry has no name"),
        ("redis://host:1/0?registry=a&registry=b", "the registry has no name"),
        ("redis://host:1/zero?registry=a", "the database is not a number"),
        ("redis://host:port/0?registry=a", "does not read"),
        ("redis+cluster://host:1?registry=a&socket_timeout=soon", "does not read"),
    ],
)
def test_urls_that_are_none(url: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as told:
        open_registry(url)
    assert "?registry=name" in told.value.help


def test_passwords_are_not_shown() -> None:
    for url in ("redis://me:secret@host:1/0?registry=a", "redis://host:1/0?password=secret&registry=a"):
        assert "secret" not in RedisBlobs(url).url
        with pytest.raises(InputError) as told:
            open_registry(url.replace("registry", "register"))
        assert "secret" not in str(told.value)


def test_chunks_are_spread_over_a_cluster(places: dict[str, Place]) -> None:
    url = places["cluster"].new()
    registry = open_registry(url)
    for number in range(64):
        registry.put_chunk(b"%d" % number)
    nodes = redis.cluster.RedisCluster.from_url(url.replace("+cluster", "").partition("?")[0])
    with contextlib.closing(nodes):
        held = [nodes.dbsize(target_nodes=node) for node in nodes.get_primaries()]
    assert min(held) > 10
    assert len(registry.blobs.names("chunks/")) == 64
    registry.close()
