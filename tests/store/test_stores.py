"""The stores: one behaviour, on a real LMDB folder and a real Redis server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from featdsl.errors import InputError, ServiceError
from store.interface import Store, StoreUnavailable, open_store
from store.redis_store import without_password
from tests.services import RedisServer, free_port, redis_server
from tests.standstill import stand_still

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["lmdb", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "lmdb":
        opened = open_store(f"lmdb://{tmp_path}/rows", "movies", writable=True)
    else:
        server = request.getfixturevalue("redis")
        opened = open_store(server.url, f"ns{free_port()}", timeout_s=2.0)
    yield opened
    opened.close()


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)


def test_rows_come_back_in_the_order_of_the_keys(store: Store) -> None:
    store.put_many(
        "movie", [("a", b"1"), ("", b"empty"), ("日本", b"j"), ("x:y z", b"s"), (7, b"7"), (-7, b"m")]
    )
    assert store.get_many("movie", ["-7", "7", 7, "x:y z", "日本", "", "none", "a", "a"]) == [
        b"m", b"7", b"7", b"s", b"j", b"empty", None, b"1", b"1",
    ]  # fmt: skip
    assert store.get_many("user", ["a"]) == [None]
    assert store.get_many("movie", []) == []


def test_several_sources_in_one_round(store: Store) -> None:
    store.put_many("movie", [("a", b"m")])
    store.put_many("user", [("a", b"u")])
    several = store.several([("movie", ["a", "b"]), ("user", []), ("user", ["b", "a"])])
    assert [list(rows) for rows in several] == [
        [b"m", None], [], [None, b"u"],
    ]  # fmt: skip
    assert store.several([]) == []


def test_rows_are_overwritten_and_deleted(store: Store) -> None:
    store.put_many("movie", ((i, b"%d" % i) for i in range(2_500)))
    store.put_many("movie", [(1, b"new")])
    store.delete_many("movie", [2, 2_499, 99_999])
    assert store.get_many("movie", [0, 1, 2, 2_498, 2_499]) == [b"0", b"new", None, b"2498", None]


def test_long_keys_and_binary_rows(store: Store) -> None:
    row = bytes(range(256)) * 4_000
    long = ["k" * 300, "k" * 5_000, "k" * 5_001]
    store.put_many("movie", [(long[0], row), (long[1], b"1"), (long[2], b"")])
    assert store.get_many("movie", [*long, "k" * 5_002]) == [row, b"1", b"", None]


def test_some_keys(store: Store) -> None:
    assert store.some_keys("kept*[a]", 5) == []
    store.put_many("kept*[a]", [(key, b"row") for key in ("a", "a:b", 7, "é", "")])
    store.put_many("kept", [("other", b"row")])
    store.put_many("keptx[a]", [("another", b"row")])
    assert sorted(store.some_keys("kept*[a]", 100)) == ["", "7", "a", "a:b", "é"]
    assert len(store.some_keys("kept*[a]", 2)) == 2


def test_schemas(store: Store) -> None:
    assert store.schema(b"\x00\x01\x02\x03\x04\x05\x06\x07") is None
    store.put_schema(b"\x00\x01\x02\x03\x04\x05\x06\x07", '{"type": "é"}')
    assert store.schema(b"\x00\x01\x02\x03\x04\x05\x06\x07") == '{"type": "é"}'
    assert store.get_many("schema", ["0001020304050607"]) == ['{"type": "é"}'.encode()]


def test_namespaces_are_apart(tmp_path: Path) -> None:
    for namespace in ("a", "b"):
        with_namespace = open_store(f"lmdb://{tmp_path}/rows", namespace, writable=True)
        with_namespace.put_many("s", [(1, namespace.encode())])
    assert open_store(f"lmdb://{tmp_path}/rows", "a").get_many("s", [1]) == [b"a"]


def test_threads_share_a_store(store: Store) -> None:
    store.put_many("movie", [(i, b"%d" % i) for i in range(100)])
    wrong: list[object] = []

    def read() -> None:
        try:
            for _ in range(50):
                found = store.get_many("movie", range(100))
                wrong.extend(f for i, f in enumerate(found) if f != b"%d" % i)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- LMDB ---


def test_a_reader_sees_what_another_process_loads(tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/rows"
    write = f"from store.interface import open_store\nstore = open_store({url!r}, 'n', writable=True)\n"
    run_python(write + "store.put_many('s', [(1, b'old')])")
    reader = open_store(url, "n")
    assert reader.get_many("s", [1, 2]) == [b"old", None]
    run_python(write + "store.put_many('s', ((i, b'x' * 1000) for i in range(20_000)))")
    assert reader.get_many("s", [1, 19_999]) == [b"x" * 1000] * 2


def test_a_reader_follows_a_folder_that_is_replaced(tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/rows"
    write = f"from store.interface import open_store\nstore = open_store({url!r}, 'n', writable=True)\n"
    run_python(write + "store.put_many('s', [(1, b'old')])")
    reader = open_store(url, "n")
    assert reader.get_many("s", [1]) == [b"old"]
    shutil.rmtree(tmp_path / "rows")
    assert reader.get_many("s", [1]) == [b"old"], "while there is none, what was there is read on"
    with pytest.raises(StoreUnavailable, match="does not answer"):
        reader.ping()
    run_python(write + "store.put_many('s', [(1, b'new')])")
    assert reader.get_many("s", [1]) == [b"new"]
    reader.ping()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_copy_under_way_is_not_read(tmp_path: Path, share: float) -> None:
    """Reading what the file does not have yet would end the process."""
    url = f"lmdb://{tmp_path}/rows"
    write = f"from store.interface import open_store\nstore = open_store({url!r}, 'n', writable=True)\n"
    run_python(write + "store.put_many('s', ((i, b'x' * 1000) for i in range(10_000)))")
    reader = open_store(url, "n")
    whole = (tmp_path / "rows" / "data.mdb").read_bytes()
    shutil.rmtree(tmp_path / "rows")
    (tmp_path / "rows").mkdir()
    with open(tmp_path / "rows" / "data.mdb", "wb") as copy:
        copy.write(whole[: int(len(whole) * share)])
        copy.flush()
        assert reader.get_many("s", [1, 9_999]) == [b"x" * 1000] * 2
        with pytest.raises(StoreUnavailable):
            open_store(url, "n").get_many("s", [1, 9_999])
        copy.write(whole[int(len(whole) * share) :])
    assert reader.get_many("s", [1, 9_999]) == [b"x" * 1000] * 2
    reader.ping()


def test_a_writer_killed_half_way_leaves_no_trace(tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/rows"
    code = (
        "import os, signal\nfrom store.interface import open_store\n"
        f"store = open_store({url!r}, 'n', writable=True)\n"
        "store.put_many('s', [(1, b'whole')])\n"
        "def rows():\n    yield 1, b'half'\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.put_many('s', rows())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT)
    assert ended.returncode == -signal.SIGKILL
    store = open_store(url, "n", writable=True)
    assert store.get_many("s", [1]) == [b"whole"]
    store.put_many("s", [(1, b"next")])
    assert store.get_many("s", [1]) == [b"next"]


def test_a_folder_that_cannot_be_written_is_still_read(tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/rows"
    write = f"from store.interface import open_store\nopen_store({url!r}, 'n', writable=True)"
    run_python(write + ".put_many('s', [(1, b'row')])")
    code = (
        "import os, store.lmdb_store as s\nos.access = lambda *a: False\nfrom store.interface import open_store\n"
        f"reader = open_store({url!r}, 'n')\nprint(reader.get_many('s', [1]))\n"
    )
    assert run_python(code).stdout == "[b'row']\n"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("lmdb://", "names no folder"),
        ("lmdb:///no/such/folder", "there is no store in this folder: /no/such/folder"),
        ("rows", "no known scheme: rows"),
        ("postgres://localhost", "no known scheme"),
        ("redis://localhost:port/0", "does not read"),
        ("redis://localhost:6379/rows", "the database is not a number"),
    ],
)
def test_urls_that_open_nothing(url: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        open_store(url, "n")
    assert message in error.value.message
    assert error.value.help


# --- Redis ---


def test_redis_killed_and_started_again() -> None:
    with redis_server() as server:
        store = open_store(server.url, "n", timeout_s=1.0)
        store.put_many("s", [(1, b"row")])
        server.kill()
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match=f"the store does not answer: {server.url}"):
                store.get_many("s", [1])
            assert time.monotonic() - began < 10
        server.start()
        assert store.get_many("s", [1]) == [b"row"]


def test_a_redis_that_hangs_does_not_hang_the_call() -> None:
    with redis_server() as server:
        store = open_store(server.url, "n", timeout_s=0.2)
        store.put_many("s", [(1, b"one"), (2, b"two")])
        stand_still(server.pid)
        try:
            with pytest.raises(StoreUnavailable):
                store.get_many("s", [1])
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert store.get_many("s", [2]) == [b"two"]


def test_redis_that_asks_for_a_password() -> None:
    with redis_server("--requirepass", "secret") as server:
        address = server.url.removeprefix("redis://")
        good = open_store(f"redis://:secret@{address}", "n")
        good.put_many("s", [(1, b"row")])
        assert good.get_many("s", [1]) == [b"row"]
        for user in ("", ":wrong@"):
            with pytest.raises(StoreUnavailable) as error:
                open_store(f"redis://{user}{address}", "n").ping()
            assert "secret" not in error.value.message
            assert "wrong" not in error.value.message.replace("WRONGPASS", "")


def test_a_redis_that_is_not_there() -> None:
    store = open_store(f"redis://127.0.0.1:{free_port()}/0", "n", timeout_s=0.5)
    with pytest.raises(ServiceError) as error:
        store.ping()
    assert error.value.exit_code == 3


def test_a_password_is_not_shown() -> None:
    assert without_password("redis://me:secret@host:1/0") == "redis://me:…@host:1/0"
    assert without_password("redis://host:1/0") == "redis://host:1/0"
