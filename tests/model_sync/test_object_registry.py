"""A registry in object storage: what a store can do, and one that goes away, forgets, refuses, or loses answers."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from featdsl.errors import InputError
from model_sync import Draft, HeadMoved, RegistryError, open_registry
from model_sync.object_blobs import POLL_S, ObjectBlobs
from tests.model_sync.places import EVERYTHING, blobs_at
from tests.object_storage import (
    BUCKET,
    KEY,
    OTHER_BUCKET,
    SECRET,
    ObjectStorage,
    object_storage,
    plain_object_storage,
)
from tests.services import redis_server
from tests.slow_proxy import SlowProxy


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with object_storage() as started:
        yield started


def test_a_store_that_is_gone_is_told_and_one_that_is_back_is_used(storage: ObjectStorage) -> None:
    blobs = blobs_at(storage.url("gone"))
    blobs.write("HEAD", b"before")
    storage.kill()
    for name in ("read", "swap", "names", "write"):
        with pytest.raises(RegistryError, match=rf"does not answer: s3://{BUCKET}/gone") as told:
            EVERYTHING[name](blobs)
        assert SECRET not in str(told.value).replace("secret_access_key", "")
    storage.start()
    assert blobs.read("HEAD") == b"before"
    for call in EVERYTHING.values():
        call(blobs)


def test_a_store_that_has_forgotten_everything_goes_on(storage: ObjectStorage) -> None:
    registry = open_registry(storage.url("empty"), create=True)
    draft = Draft("ranker", "f" * 64, {"model.json": registry.put_file(b"{}")})
    registry.commit(draft, None, now_us=1)
    head = registry.head()
    storage.empty()
    assert registry.head() is None
    assert registry.numbers() == []
    with pytest.raises(HeadMoved, match="to nothing"):
        registry.commit(draft, head, now_us=2)
    assert registry.put_file(b"{}") == draft.files["model.json"], "what was put before is put again"
    registry.commit(draft, None, now_us=3)
    assert registry.verify(1).number == 1


def test_who_may_not_is_told(storage: ObjectStorage) -> None:
    with pytest.raises(RegistryError, match="there is no such bucket: s3://none/x"):
        blobs_at(storage.url("x", bucket="none"))
    with pytest.raises(RegistryError, match="there is no such bucket"):
        ObjectBlobs(storage.url("x", bucket="none")).read("HEAD")
    for url in (
        storage.url("x").replace(f"={SECRET}", "=wrong"),
        storage.url("x").replace(f"={KEY}&", "=nobody&"),
    ):
        with pytest.raises(
            RegistryError, match=r"refuses these credentials: .*(SignatureDoesNotMatch|InvalidAccess)"
        ):
            ObjectBlobs(url).read("HEAD")


def test_credentials_come_from_the_environment(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": storage.endpoint,
        "AWS_REGION": "eu-west-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    blobs = blobs_at(f"s3://{BUCKET}/environment")
    assert blobs.url == f"s3://{BUCKET}/environment"
    assert blobs.swap("HEAD", None, b"1")
    assert blobs_at(storage.url("environment")).read("HEAD") == b"1"


def test_a_bucket_may_be_a_registry_as_a_whole(storage: ObjectStorage) -> None:
    blobs = blobs_at(storage.url("", bucket=OTHER_BUCKET))
    blobs.write("chunks/ab", b"1")
    assert blobs.swap("HEAD", None, b"1")
    assert set(blobs.names("")) == {"chunks/ab", "HEAD"}


def test_a_store_without_conditional_writes_is_refused() -> None:
    with plain_object_storage() as plain, redis_server() as redis:
        with pytest.raises(RegistryError, match="knows no conditional writes") as told:
            open_registry(plain.url("x"), create=True)
        assert "?head=redis://" in told.value.help
        with pytest.raises(RegistryError, match="knows no conditional writes"):
            open_registry(plain.url("x")).blobs.swap("HEAD", None, b"1")
        assert blobs_at(f"{plain.url('x')}&head={redis.url}?registry=x").swap("HEAD", None, b"1")


@pytest.mark.parametrize("how", ["write", "touch"])
def test_who_writes_what_is_being_removed_writes_it_again(storage: ObjectStorage, how: str) -> None:
    """The mark stands while another process looks whether it is old, and removes it."""
    blobs, remover = blobs_at(storage.url(how)), blobs_at(storage.url(how))
    blobs.write("chunks/ab", b"whole")
    remover.note("removing/chunks/ab", b"")
    done: list[object] = []
    calls = {"write": lambda: blobs.write("chunks/ab", b"whole"), "touch": lambda: blobs.touch("chunks/ab")}
    writes = threading.Thread(target=lambda: done.append(calls[how]()))
    writes.start()
    writes.join(0.3)
    assert writes.is_alive(), "it waits for what becomes of it"
    remover.remove("chunks/ab")
    remover.remove("removing/chunks/ab")
    writes.join(30)
    if how == "write":
        assert blobs.read("chunks/ab") == b"whole"
    else:
        assert done == [False], "who touched it is told to write it"
    assert set(blobs.names("")) == ({"chunks/ab"} if how == "write" else set())


def test_it_is_asked_once_a_second_at_most(storage: ObjectStorage) -> None:
    blobs = blobs_at(storage.url("polls"))
    begun = time.monotonic()
    for _ in range(3):
        blobs.wait(0.01)
    assert 2 * POLL_S <= time.monotonic() - begun < 2 * POLL_S + 20


class LosesAnswers(SlowProxy):
    """Passes on what is asked, and hangs up when the answer to a put comes, so many times."""

    lost = 0
    asked = b""

    def hangs_up(self, data: bytes, comes_back: bool) -> bool:
        if not comes_back:
            self.asked = data
        loses = bool(comes_back and self.lost and self.asked.startswith(b"PUT"))
        self.lost -= loses
        return loses


class BreaksOff(SlowProxy):
    """Hangs up in the middle of a long answer, so many times, once `meanwhile` has been done."""

    broken = 0
    meanwhile: Callable[[], object]

    def hangs_up(self, data: bytes, comes_back: bool) -> bool:
        breaks = bool(comes_back and self.broken and not data.startswith(b"HTTP/"))
        self.broken -= breaks
        if breaks:
            self.meanwhile()
        return breaks


def test_what_is_written_anew_while_its_answer_breaks_off_is_asked_for_again(storage: ObjectStorage) -> None:
    proxy = BreaksOff(storage.port)
    direct = blobs_at(storage.url("broken"))
    blobs = blobs_at(storage.url("broken").replace(f":{storage.port}", f":{proxy.port}"))
    written = itertools.count()
    proxy.meanwhile = lambda: direct.write("chunks/ab", b"%d" % (next(written) % 10) * 3_000_000)
    proxy.meanwhile()
    proxy.broken = 1
    assert blobs.read("chunks/ab") == b"1" * 3_000_000
    proxy.broken = 1_000
    with pytest.raises(RegistryError, match="the registry does not answer"):
        blobs.read("chunks/ab")
    proxy.close()


def test_a_swap_whose_answer_got_lost_is_known_to_be_done(storage: ObjectStorage) -> None:
    proxy = LosesAnswers(storage.port)
    direct = blobs_at(storage.url("lost"))
    blobs = blobs_at(storage.url("lost").replace(f":{storage.port}", f":{proxy.port}"))
    proxy.lost = 1
    assert blobs.swap("HEAD", None, b"1"), "it was done the first time"
    for number in range(2, 5):
        proxy.lost = 1
        assert blobs.swap("HEAD", b"%d" % (number - 1), b"%d" % number)
    proxy.lost = 1
    assert not blobs.swap("HEAD", b"1", b"9")
    assert direct.read("HEAD") == b"4"
    proxy.close()


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://bucket/x?nonsense=1",
        "az://container/x",
        "s3://bucket/x?virtual_hosted_style_request=perhaps",
    ],
)
def test_urls_that_are_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InputError, match="the registry's URL does not read") as told:
        open_registry(url)
    assert "s3://bucket/prefix" in told.value.help


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [("obstore", "s3://bucket/x", "objects"), ("redis", "redis://host:1?registry=x", "redis")],
)
def test_a_package_that_is_missing_is_named(module: str, url: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from model_sync import open_registry\nfrom featdsl.errors import InputError\n"
        f"try: open_registry({url!r})\nexcept InputError as error: print(error, error.help)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert f"needs the package {module}" in said
    assert f"pip install 'featdsl[{extra}]'" in said
