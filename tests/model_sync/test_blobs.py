"""What every place for versions promises: the contract of `Blobs`, over each kind of it."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from model_sync.blobs import Blobs
from tests.model_sync.places import PLACES, Place, another_process, blobs_at

COUNT = "import itertools\nfor _ in range(10):\n    while True:\n        n = blobs.read('n')\n" + (
    "        if blobs.swap('n', n, b'%d' % (int(n or b'0') + 1)): break\n"
)


@pytest.fixture(params=PLACES)
def url(request: pytest.FixtureRequest, places: dict[str, Place]) -> str:
    return places[request.param].new()


@pytest.fixture
def blobs(url: str) -> Iterator[Blobs]:
    opened = blobs_at(url)
    yield opened
    opened.close()


def ended(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0


def test_what_is_written_is_there_whole(blobs: Blobs) -> None:
    assert blobs.read("HEAD") is None
    for data in (b"first", b"", b"\0\xff\r\n" * 3, bytes(range(256)) * 36_000):
        blobs.write("chunks/0a1b", data)
        assert blobs.read("chunks/0a1b") == data
        blobs.note("replicas/host-1.json", data[:100])
        assert blobs.read("replicas/host-1.json") == data[:100]
    blobs.remove("chunks/0a1b")
    assert blobs.read("chunks/0a1b") is None
    blobs.remove("chunks/0a1b")
    assert blobs.read("replicas/host-1.json") is not None


def test_names_are_found_by_how_they_begin(blobs: Blobs, url: str) -> None:
    assert blobs.names("versions/") == {}
    written = {
        "HEAD": 4, "labels/stable": 0, "versions/000001/manifest.json": 10, "versions/000012/manifest.json": 11,
        "chunks/00aa": 5, "chunks/ffaa": 6, "chunks/ff": 7, "pending/job-1/2/0": 8,
    }  # fmt: skip
    for name, size in written.items():
        blobs.write(name, b"x" * size)
    for prefix in (
        "versions/",
        "versions/000001/",
        "chunks/",
        "chunks/ff",
        "labels/",
        "pending/job-1/",
        "none/",
    ):
        found = blobs_at(url).names(prefix)
        sizes = {name: size for name, size in written.items() if name.startswith(prefix)}
        assert {name: one.size for name, one in found.items()} == sizes, prefix
        assert all(abs(one.written_s - time.time()) < 60 for one in found.values())
    assert set(blobs.names("")) >= set(written)
    blobs.write("chunks/00aa", b"longer")
    blobs.remove("chunks/ffaa")
    assert {name: one.size for name, one in blobs.names("chunks/").items()} == {
        "chunks/00aa": 6,
        "chunks/ff": 7,
    }


def test_registries_beside_each_other_know_nothing_of_each_other(url: str, blobs: Blobs) -> None:
    ours = re.search("[0-9a-f]{32}", url)
    assert ours is not None
    other = blobs_at(url.replace(ours[0], f"{ours[0]}2"))
    other.write("HEAD", b"theirs")
    blobs.write("chunks/ab", b"ours")
    assert blobs.read("HEAD") is None
    assert set(blobs.names("")) == {"chunks/ab"}
    assert set(other.names("")) == {"HEAD"}
    other.close()


def test_a_swap_needs_what_is_there(blobs: Blobs) -> None:
    assert not blobs.swap("HEAD", b"1", b"2"), "nothing is there"
    assert blobs.swap("HEAD", None, b"1")
    assert not blobs.swap("HEAD", None, b"1"), "the same bytes, but not by this swap"
    assert not blobs.swap("HEAD", b"", b"2")
    assert not blobs.swap("HEAD", b"1 ", b"2")
    assert blobs.swap("HEAD", b"1", b"")
    assert blobs.read("HEAD") == b""
    assert not blobs.swap("HEAD", None, b"2"), "what is empty is there"
    assert blobs.swap("HEAD", b"", b"3")
    blobs.write("HEAD", b"by hand")
    assert blobs.swap("HEAD", b"by hand", b"4")
    assert blobs.names("HEAD")["HEAD"].size == 1
    blobs.remove("HEAD")
    assert not blobs.swap("HEAD", b"4", b"5")
    assert blobs.swap("HEAD", None, b"5")


def test_of_swaps_at_once_each_counts(url: str, blobs: Blobs) -> None:
    def count() -> None:
        for _ in range(5):
            while True:
                was = blobs.read("n")
                if blobs.swap("n", was, b"%d" % (int(was or b"0") + 1)):
                    break

    processes = [another_process(url, COUNT) for _ in range(2)]
    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        ended(process)
    assert blobs.read("n") == b"35"


def test_a_reader_never_sees_half_of_a_write(url: str, blobs: Blobs) -> None:
    """Also when the writer is killed."""
    program = (
        "print('on', flush=True)\n"
        "while True:\n"
        "    for what in (b'a' * 1_500_000, b'b' * 900_000):\n"
        "        blobs.write('chunks/cc', what)\n"
    )
    whole = (None, b"a" * 1_500_000, b"b" * 900_000)
    for _ in range(2):
        writer = another_process(url, program)
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(25):
            assert blobs.read("chunks/cc") in whole
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert blobs.read("chunks/cc") in whole


def test_only_what_is_old_is_removed_as_such(blobs: Blobs) -> None:
    assert not blobs.touch("chunks/ab")
    assert not blobs.remove_old("chunks/ab", time.time() + 60)
    blobs.write("chunks/ab", b"whole")
    written_s = blobs.names("chunks/")["chunks/ab"].written_s
    assert not blobs.remove_old("chunks/ab", written_s - 1)
    assert not blobs.remove_old("chunks/ab", written_s), "it is not older than itself"
    assert blobs.touch("chunks/ab")
    assert blobs.read("chunks/ab") == b"whole"
    assert blobs.names("chunks/")["chunks/ab"].written_s >= written_s
    assert blobs.remove_old("chunks/ab", time.time() + 60)
    assert blobs.read("chunks/ab") is None
    assert blobs.names("chunks/") == {}
    assert not blobs.touch("chunks/ab")


def test_a_stamp_tells_of_changes(blobs: Blobs, url: str) -> None:
    names = ["versions/000001/manifest.json", "chunks/ab"]
    for name in names:
        blobs.write(name, b"good")
    before = blobs.stamp(names)
    time.sleep(0.01)
    blobs.write("chunks/ab", b"evil")
    if not url.startswith("s3"):  # there it changes now and then
        assert blobs.stamp(names) != before
        assert blobs.stamp(names) == blobs.stamp(names)


def test_who_waits_is_woken_by_another_process(url: str, blobs: Blobs) -> None:
    blobs.wait(60)  # learns where things are
    for number in range(1 if url.startswith("s3") else 2):
        waker = another_process(url, f"blobs.write('HEAD', b'{number}')\nblobs.moved()\n")
        begun = time.monotonic()
        blobs.wait(60)
        assert time.monotonic() - begun < 30, "it has been told"
        ended(waker)


def test_a_word_that_is_lost_costs_one_wait(blobs: Blobs) -> None:
    blobs.wait(60)
    blobs.write("quiet", b"1")
    begun = time.monotonic()
    blobs.wait(0.2)
    assert 0.15 < time.monotonic() - begun < 20
    assert blobs.read("quiet") == b"1"
    blobs.moved()
    blobs.moved()
    blobs.wait(0)
