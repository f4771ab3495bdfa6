"""Users, passwords and TLS, as the store's URL says them, on a real Redis."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis

from online.changes import ChangeFollower
from online.item_cache import ItemCache
from online.store_link import StoreLink
from store.interface import StoreUnavailable, open_store
from tests.services import RedisServer, free_port, redis_server

READER = ("on", ">secret", "~shop:*", "+mget", "+ping", "+hello", "+client", "+select")


def add_user(server: RedisServer, *rules: str) -> None:
    with Redis(port=server.port) as direct:
        direct.execute_command("ACL SETUSER", *rules)


def test_a_user_may_do_what_its_rules_say() -> None:
    with redis_server() as server:
        add_user(server, "app", "on", ">word", "~*", "+@all")
        add_user(server, "reader", *READER)
        host = server.url.removeprefix("redis://")
        writer = open_store(f"redis://app:word@{host}", "shop")
        writer.put_many("movie", [("a", b"1")])
        readonly = open_store(f"redis://reader:secret@{host}", "shop")
        assert readonly.get_many("movie", ["a"]) == [b"1"]
        readonly.ping()
        with pytest.raises(StoreUnavailable, match=r"(?i)no permissions"):
            readonly.put_many("movie", [("a", b"2")])
        with pytest.raises(StoreUnavailable, match="refused the user or password"):
            open_store(f"redis://reader:wrong@{host}", "shop").ping()


def test_a_cache_that_may_not_hear_of_changes_is_not_used() -> None:
    with redis_server() as server:
        add_user(server, "reader", *READER)
        cache = ItemCache(1 << 20, 10.0)
        url = server.url.replace("://", "://reader:secret@")
        follower = ChangeFollower(StoreLink(url, "shop", 1.0), cache)
        follower.start()
        time.sleep(0.3)
        follower.stop()
        assert not cache.trusted


def test_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is missing; get it with `apt-get install openssl`"
    key, certificate, port = tmp_path / "key.pem", tmp_path / "cert.pem", free_port()
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    files = [
        "--tls-key-file",
        str(key),
        "--tls-cert-file",
        str(certificate),
        "--tls-ca-cert-file",
        str(certificate),
    ]
    with redis_server("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        store = open_store(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}", "shop")
        store.put_many("movie", [("a", b"1")])
        assert store.get_many("movie", ["a"]) == [b"1"]
        with pytest.raises(StoreUnavailable, match=r"(?i)certificate"):
            open_store(f"rediss://localhost:{port}/0", "shop").ping()
