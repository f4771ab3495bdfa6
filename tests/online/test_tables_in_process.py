"""Versions with tables beside their graph share a process: whole or not at all, whatever goes wrong."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from compiler.bundle import read_bundle
from model_sync import open_registry
from model_sync.table_stack import read_tables, write_tables
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.shared import AttachedModelServer, ModelKeeper
from online.models import ModelFailed, ModelRefused, ModelServerDown
from online.observe.model_metrics import ModelCalls, ModelCollector
from online.versions import VersionWatcher
from tests.online.stamped import IDS, WIDTH, Chain, anchor, call, put_chunks, put_parameters, stamps

AT = 1_600_000_000_000_000


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return anchor(tmp_path_factory.mktemp("stamped"), 1.0)


@pytest.fixture
def chain(first: Path, tmp_path: Path) -> Chain:
    return Chain(Path(shutil.copytree(first, tmp_path / "first")))


@pytest.fixture(scope="module")
def shared_server() -> Iterator[EmbeddedModelServer]:
    server = EmbeddedModelServer()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: EmbeddedModelServer, chain: Chain) -> Iterator[EmbeddedModelServer]:
    """With version 1 loaded."""
    shared_server.load(1, chain.last)
    yield shared_server
    for version in list(shared_server._workers):
        shared_server.unload(version)


def of(server: EmbeddedModelServer, version: int, rows: int = 50) -> set[float]:
    return stamps(server.predict(version, call(rows, rows), 20.0))


def test_another_version_is_a_delta_in_the_same_process(server: EmbeddedModelServer, chain: Chain) -> None:
    server.load(2, chain.next(2.0))
    server.load(3, chain.next(3.0, IDS[:100], deleted=IDS[100:].tolist()))
    assert [of(server, version) for version in (1, 2)] == [{1.0}, {2.0}]
    answer = server.predict(3, {**call(5, 0), "movie": IDS[98:103]}, 5.0)
    assert answer["high"].tolist()[:2] == [3.0, 3.0]
    assert answer["low"].tolist()[2:] == [0.0, 0.0, 0.0]
    assert len({server._workers[version].process.pid for version in (1, 2, 3)}) == 1
    assert server.facts(3)["tables"] == f"items: 100 rows of {WIDTH}"
    assert server.facts(3)["applied"].startswith("500 rows, loaded in ")
    counts = server.counts(3)
    assert (counts["versions"], counts["table_rows"], counts["applied_rows"]) == (3, 100, 500)
    assert counts["table_bytes"] > 1100 * WIDTH * 4
    assert [server.counts(version)["calls"] for version in (1, 2, 3)] == [1, 1, 1]
    server.unload(1)
    with pytest.raises(ModelServerDown, match="version 1 is not loaded"):
        of(server, 1)
    assert of(server, 2) == {2.0}
    server.load(1, chain.folder / "first")
    assert of(server, 1) == {1.0}


def test_the_process_ends_with_its_last_version(server: EmbeddedModelServer, chain: Chain) -> None:
    server.load(2, chain.next(2.0))
    process = server._workers[1].process
    server.unload(1)
    assert process.lives()
    server.unload(2)
    assert process.ends(5.0)
    server.load(2, chain.last)
    assert of(server, 2) == {2.0}


def test_a_rollback_to_a_version_that_is_there_applies_nothing(
    server: EmbeddedModelServer, chain: Chain
) -> None:
    server.load(2, chain.next(2.0))
    server.load(9, chain.folder / "first")
    assert server.facts(9)["applied"].startswith("0 rows")
    assert of(server, 9) == {1.0}


def test_no_answer_is_of_two_versions(server: EmbeddedModelServer, chain: Chain) -> None:
    """Calls go on under continuous loads and unloads."""
    stop = threading.Event()
    current = 1
    torn: list[object] = []
    answered = [0] * 4

    def ask(number: int) -> None:
        chance = np.random.default_rng(number)
        while not stop.is_set():
            version = current
            try:
                found = stamps(
                    server.predict(
                        version, call(int(chance.integers(1, 400)), int(chance.integers(1000))), 20
                    )
                )
            except ModelServerDown as down:  # it was unloaded in between
                if version >= current - 1:
                    torn.append(down)
                continue
            answered[number] += 1
            if found != {float(version)}:
                torn.append((version, found))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    try:
        for version in range(2, 40):
            changed = np.random.default_rng(version).permutation(IDS)
            server.load(version, chain.next(float(version), changed))
            current = version
            if version > 3:
                server.unload(version - 3)
            before = sum(answered)
            give_up = time.monotonic() + 20
            while sum(answered) < before + 4 and not torn and time.monotonic() < give_up:
                time.sleep(0.002)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert torn == []
    assert sum(answered) > 100


def flipped(folder: Path) -> None:
    chunk = _chunk(folder)
    data = bytearray(chunk.read_bytes())
    data[-3] ^= 4
    chunk.unlink()
    chunk.write_bytes(data)


def cut(folder: Path) -> None:
    data = _chunk(folder).read_bytes()
    _chunk(folder).unlink()
    _chunk(folder).write_bytes(data[:-1])


def _chunk(folder: Path) -> Path:
    return folder / "layers" / read_tables(folder)["items"].layers[-1].chunks[-1].sha256


def bad_sum(folder: Path) -> None:
    _say(folder, sum="0" * 31 + "1")


def bad_count(folder: Path) -> None:
    _say(folder, rows=499)


def _say(folder: Path, **after: object) -> None:
    entry = read_tables(folder)["items"]
    *below, last = entry.layers
    said = replace(last, after=replace(last.after, **after))  # type: ignore[arg-type]
    write_tables(folder, {"items": replace(entry, layers=(*below, said))})


def without_layer(folder: Path) -> None:
    entry = read_tables(folder)["items"]
    write_tables(folder, {"items": replace(entry, layers=(entry.layers[0], entry.layers[-1]))})


def with_rows(folder: Path, rows: np.ndarray) -> None:
    entry = read_tables(folder)["items"]
    *below, last = entry.layers
    data = save({"ids": IDS[: len(rows)], "rows": rows, "deleted": IDS[:0]})
    (chunk,) = put_chunks(folder, IDS[:1], np.zeros((1, WIDTH), np.float32), IDS[:0])
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / "layers" / sha256).write_bytes(data)
    chunk = replace(chunk, size=len(data), sha256=sha256)
    said = replace(last, rows=len(rows), chunks=(chunk,))
    write_tables(folder, {"items": replace(entry, layers=(*below, said))})


def other_graph(folder: Path) -> None:
    data = (folder / "program.pt2").read_bytes()
    (folder / "program.pt2").unlink()
    (folder / "program.pt2").write_bytes(data[:-1])


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped bit": (flipped, "layer 3 of 3: the checksum of a chunk is wrong"),
    "a cut chunk": (cut, "layer 3 of 3: the checksum of a chunk is wrong"),
    "another sum": (bad_sum, "layer 3 of 3: the sum of the table's rows after it is"),
    "another count": (bad_count, "layer 3 of 3: the table has 500 rows after it, not 499"),
    "a layer that is missing": (without_layer, "layer 2 of 2: the sum of the table's rows after it is"),
    "a row that is not finite": (
        lambda folder: with_rows(folder, np.full((2, WIDTH), np.nan, np.float32)),
        "the row of id 7919 is not finite",
    ),
    "another width": (
        lambda folder: with_rows(folder, np.zeros((2, WIDTH + 1), np.float32)),
        f"for a table of width {WIDTH}",
    ),
    "a parameter that is not finite": (
        lambda folder: put_parameters(folder, 3.0, last=torch.tensor([1.0, torch.nan])),
        "a parameter is not finite: last",
    ),
    "a parameter of another shape": (
        lambda folder: put_parameters(folder, 3.0, last=torch.ones(7)),
        "other parameters than its graph",
    ),
    "a parameter too many": (
        lambda folder: put_parameters(folder, 3.0, more=torch.ones(7)),
        "other parameters than its graph",
    ),
    "a graph that was changed": (other_graph, "the checksum of program.pt2 is wrong"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_is_damaged_is_refused_and_what_serves_goes_on(
    server: EmbeddedModelServer, chain: Chain, what: str
) -> None:
    server.load(2, chain.next(2.0))
    made = chain.next(3.0, IDS[:300])
    good = Path(str(made) + "-good")
    shutil.copytree(made, good)
    damage, said = DAMAGE[what]
    damage(made)
    with pytest.raises(ModelRefused, match=said):
        server.load(3, made)
    assert [of(server, version) for version in (1, 2)] == [{1.0}, {2.0}]
    assert server._workers[1].process.lives()
    with pytest.raises(ModelServerDown, match="version 3 is not loaded"):
        of(server, 3)
    server.load(3, good)
    assert {3.0} <= of(server, 3) <= {2.0, 3.0}


def test_a_process_that_dies_comes_back_with_all_its_versions(
    server: EmbeddedModelServer, chain: Chain
) -> None:
    server.load(2, chain.next(2.0))
    server.load(3, chain.next(3.0))
    pid = server._workers[1].process.pid
    os.kill(pid, signal.SIGKILL)
    assert of(server, 2) == {2.0}
    assert len({worker.process.pid for worker in server._workers.values()}) == 1
    assert server._workers[1].process.pid != pid
    assert [of(server, version) for version in (1, 3)] == [{1.0}, {3.0}]
    assert server.facts(3)["applied"].startswith("500 rows")


def test_a_version_whose_files_were_damaged_does_not_keep_the_others_from_coming_back(
    server: EmbeddedModelServer, chain: Chain
) -> None:
    server.load(2, chain.next(2.0))
    (server._workers[2].directory / "parameters.safetensors").write_bytes(b"")
    os.kill(server._workers[1].process.pid, signal.SIGKILL)
    with pytest.raises(ModelServerDown, match=r"version 2 does not start again: .* checksum"):
        of(server, 2)
    assert of(server, 1) == {1.0}


def test_a_process_that_is_killed_while_it_applies_costs_nothing(
    server: EmbeddedModelServer, chain: Chain
) -> None:
    stop = threading.Event()
    wrong: list[object] = []
    answered: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                found = of(server, 1)
                answered.append(1)
                if found != {1.0}:
                    wrong.append(found)
            except Exception as fault:
                wrong.append(fault)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for version in range(2, 7):
            made = chain.next(float(version))
            killer = threading.Timer(0.001 * version, server._workers[1].process.kill)
            killer.start()
            server.load(version, made)
            killer.join()
            assert of(server, version) == {float(version)}
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert len(answered) > 5


def test_an_unload_does_not_end_a_call_that_has_begun(server: EmbeddedModelServer, chain: Chain) -> None:
    server.load(2, chain.next(2.0))
    answers: list[set[float]] = []
    asked = threading.Thread(target=lambda: answers.append(of(server, 2, 100_000)))
    asked.start()
    give_up = time.monotonic() + 10
    while server.counts(2)["calls"] == 0 and time.monotonic() < give_up:
        time.sleep(0.001)
    server.unload(2)
    asked.join()
    assert answers == [{2.0}]


def test_parts_of_items_are_of_their_version(chain: Chain) -> None:
    server = EmbeddedModelServer(ModelOptions(item_parts=True, dtype="bfloat16"))
    try:
        server.load(1, chain.last)
        server.load(2, chain.next(2.0))
        one = call(30, 0)
        for version in (1, 2):
            parts = server.item_parts(version)
            assert parts is not None
            made = server.make_parts(version, parts, {name: one[name] for name in parts.made_of}, 20.0)
            rest = {**{name: one[name] for name in parts.beside}, **made}
            assert stamps(server.predict_with_parts(version, parts, rest, 20.0)) == {float(version)}
            assert of(server, version) == {float(version)}
        assert server.facts(2)["dtype"] == "bfloat16 in 1 products"
        with pytest.raises(ModelFailed, match="it makes no such parts of items"):
            server.predict_with_parts(1, parts, rest, 20.0)
    finally:
        server.close()


def test_compiled_code_takes_rows_of_any_version(chain: Chain) -> None:
    server = EmbeddedModelServer(ModelOptions(split=True, compile=True))
    try:
        server.load(1, chain.last)
        server.load(2, chain.next(2.0))
        assert server.facts(1)["compile"].startswith("in ")
        assert server.facts(2)["compile"] == "the code of an earlier version"
        assert [of(server, version, rows) for version in (1, 2) for rows in (1, 50)] == [
            {1.0}, {1.0}, {2.0}, {2.0}
        ]  # fmt: skip
    finally:
        server.close()


def test_servers_of_one_machine_share_it(chain: Chain) -> None:
    with_keeper = EmbeddedModelServer()
    keeper = ModelKeeper(with_keeper)
    one, two = AttachedModelServer(keeper.path), AttachedModelServer(keeper.path)
    try:
        for number, attached in ((11, one), (21, two)):
            attached.load(number, chain.folder / "first")
        second = chain.next(2.0)
        for number, attached in ((12, one), (22, two)):
            attached.load(number, second)
        assert [of(one, 11), of(one, 12), of(two, 21), of(two, 22)] == [{1.0}, {2.0}, {1.0}, {2.0}]
        assert len({w.process.pid for at in (one, two) for w in at._workers.values()}) == 1
        assert two.facts(22)["applied"].startswith("500 rows")
        os.kill(one._workers[11].process.pid, signal.SIGKILL)
        assert [of(two, 22), of(one, 11), of(one, 12)] == [{2.0}, {1.0}, {2.0}]
        assert len({w.process.pid for w in with_keeper._workers.values()}) == 1
        one.unload(12)
        assert of(two, 22) == {2.0}
        with pytest.raises(ModelServerDown):
            of(one, 12)
    finally:
        one.close()
        two.close()
        keeper.close()


def test_what_a_registry_publishes_is_loaded_as_what_differs(
    shared_server: EmbeddedModelServer, chain: Chain, tmp_path: Path
) -> None:
    registry = open_registry(f"dir://{tmp_path / 'registry'}", create=True)
    registry.publish(chain.last, now_us=AT)
    watcher = VersionWatcher(registry.url, "ranker", read_bundle(chain.last / "bundle.featb"), shared_server)
    collector = ModelCollector(ModelCalls(), watcher, shared_server.counts)

    def served() -> tuple[int, set[float]]:
        watcher.poll()
        with watcher.pin() as serving:
            return serving.version, of(shared_server, serving.handle)

    try:
        assert served() == (1, {1.0})
        registry.publish(chain.next(2.0), now_us=AT)
        assert served() == (2, {2.0})
        registry.publish(chain.next(3.0), now_us=AT)
        assert served() == (3, {3.0})
        told = {
            (sample.name, sample.labels.get("version")): sample.value
            for family in collector.collect()
            for sample in family.samples
        }
        assert told["featdsl_model_table_rows", "3"] == told["featdsl_model_applied_rows", "3"] == 500
        assert 0 < told["featdsl_model_load_seconds", "3"] < 60
        assert told["featdsl_model_table_bytes", None] > 1500 * WIDTH * 4
        loads = {one.handle for one in watcher.loaded()}
        registry.rollback(1, now_us=AT)
        assert served() == (1, {1.0})
        assert {one.handle for one in watcher.loaded()} == loads
        assert len({worker.process.pid for worker in shared_server._workers.values()}) == 1
    finally:
        watcher.stop()
        registry.close()
        for handle in list(shared_server._workers):
            shared_server.unload(handle)


def test_files_are_links_where_that_can_be(server: EmbeddedModelServer, chain: Chain) -> None:
    second = chain.next(2.0)
    server.load(2, second)
    for chunk in (second / "layers").iterdir():
        assert os.path.samefile(chunk, server._workers[2].directory / "layers" / chunk.name)
    assert not os.path.samefile(
        second / "parameters.safetensors", server._workers[2].directory / "parameters.safetensors"
    )
