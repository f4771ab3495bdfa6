"""What a model makes of items alone, kept beside them: answers are those of the whole model, of one version each."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from compiler.bundle import Bundle, build
from engine import Batch, EngineError, ItemTable
from engine import ItemCache as Memory
from featdsl.torch import save_model
from featdsl.torch.saved_model import load_model
from model_sync import open_registry
from online.client import ScorerClient
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.shared import AttachedModelServer, ModelKeeper
from online.models import ModelFailed
from online.server import ScoringServer, ServerOptions
from store.encode import RowEncoder
from store.interface import Store, open_store

PROGRAM = """
namespace parts
entity user: int64 per request
entity item: string per candidate
source movie of item { plot: list<float32>  tag: int64 = 0 }
source profile of user { taste: list<float32> }
candidate { boost: float32 = 0.0 }
model ranker {
  plot: float32 = movie.plot |> pad(8)
  tag: int64 = movie.tag
  boost: float32 = candidate.boost
  taste: float32 per request = profile.taste |> pad(3)
  output like: float32
  output version: float32
}
"""
WIDTH = 64
OPTIONS = ModelOptions(item_parts=True)


class Stamped(torch.nn.Module):
    """All its weights are `weight`, and its inputs are whole numbers: whatever order it adds them in, its answer is
    exact, and another one where an item's part is another version's."""

    def __init__(self, weight: int, width: int = WIDTH, mix: bool = False) -> None:
        super().__init__()
        self.first = torch.nn.Linear(8 + 4 + 1 + 3, width)
        self.tags = torch.nn.Embedding(10, 4)
        self.mix = mix
        for parameter in self.parameters():
            torch.nn.init.constant_(parameter, weight)

    def forward(
        self, plot: torch.Tensor, tag: torch.Tensor, boost: torch.Tensor, taste: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = plot.shape[0]
        x = torch.cat([plot, self.tags(tag), boost.unsqueeze(1), taste.expand(n, -1)], 1)
        like = torch.relu(self.first(x)).sum(1)
        if self.mix:
            like = like + like.mean()
        return like, (self.tags(tag) * 0.25).sum(1) * 1.0


def answer(weight: int, plot: list[float], boost: float, taste: list[float], width: int = WIDTH) -> float:
    return width * max(0.0, weight * (sum(plot) + boost + sum(taste) + 4 * weight + 1))


TASTE = {1: [1.0, 2.0], 2: [-1.0, 0.0, 4.0]}


def plot_of(item: int, turn: int = 0) -> list[float]:
    return [float((item * 7 + k + turn) % 11) for k in range(8)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("program") / "ranker.feat"
    path.write_text(PROGRAM)
    return build(path)


@pytest.fixture(scope="module")
def models(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Path]:
    folder = tmp_path_factory.mktemp("models")
    made: dict[Any, torch.nn.Module] = {weight: Stamped(weight) for weight in range(1, 5)}
    made |= {"wide": Stamped(1, 1500), "mixes": Stamped(1, mix=True)}
    return {name: save_model(module, bundle, folder / str(name)) for name, module in made.items()}


def put(store: Store, bundle: Bundle, source: str, rows: dict[Any, dict[str, Any]]) -> None:
    (declared,) = (one for one in bundle.schema.sources if one.name == source)
    encoder = RowEncoder(declared)
    store.put_schema(encoder.fingerprint, encoder.schema)
    store.put_many(source, [(key, encoder.encode(row)) for key, row in rows.items()])


@pytest.fixture
def store(bundle: Bundle, tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"lmdb://{tmp_path}/store", "parts", writable=True)
    put(store, bundle, "movie", {f"i{i}": {"plot": plot_of(i), "tag": i % 10} for i in range(400)})
    put(store, bundle, "profile", {user: {"taste": taste} for user, taste in TASTE.items()})
    yield store
    store.close()


@pytest.fixture(scope="module")
def keeper() -> Iterator[ModelKeeper]:
    """The model's processes of all servers, which start in a moment."""
    keeper = ModelKeeper(EmbeddedModelServer(OPTIONS))
    yield keeper
    keeper.close()


Open = Callable[..., tuple["Scene", ScorerClient]]


class Scene:
    """A scoring server in this process, with its registry and a client."""

    def __init__(self, folder: Path, bundle: Bundle, models: AttachedModelServer, cache_bytes: int) -> None:
        self._registry = open_registry(f"dir://{folder}/registry", create=True)
        self.models = models
        options = ServerOptions(cache_bytes=cache_bytes, threads=8)
        self.server = ScoringServer(
            bundle,
            bundle.model("ranker"),
            f"lmdb://{folder}/store",
            f"dir://{folder}/registry",
            models,
            options,
        )

    def publish(self, model: Path) -> int:
        return self._registry.publish(model, now_us=time.time_ns() // 1000).number

    def go_back(self, to: int) -> None:
        self._registry.rollback(to, now_us=1)

    def started(self) -> ScorerClient:
        client = ScorerClient(f"127.0.0.1:{self.server.start()}")
        until = time.monotonic() + 60
        while self.server.items is not None and not self.server.items.trusted:
            assert time.monotonic() < until
            time.sleep(0.01)
        return client

    @property
    def stats(self) -> Any:
        assert self.server.items is not None
        return self.server.items.stats()


@pytest.fixture
def scene(store: Store, bundle: Bundle, keeper: ModelKeeper, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(model: Path, cache_bytes: int = 8 << 20) -> tuple[Scene, ScorerClient]:
            made = Scene(tmp_path, bundle, AttachedModelServer(keeper.path), cache_bytes)
            stack.callback(made.server.stop, grace_s=5)
            made.publish(model)
            return made, stack.enter_context(made.started())

        yield opened


def ask(client: ScorerClient, items: list[int], user: int = 1, boost: float = 0.0) -> Any:
    return client.score(
        {"user": user, "item": [f"i{i}" for i in items]},
        candidate={"boost": [boost + i % 3 for i in range(len(items))]},
        want_outputs=True,
    )


def check(
    given: Any, items: list[int], weight: int, user: int = 1, boost: float = 0.0, width: int = WIDTH
) -> None:
    wanted = [
        answer(weight, plot_of(item), boost + i % 3, TASTE[user], width) for i, item in enumerate(items)
    ]
    assert list(given.outputs["like"]) == wanted
    assert set(given.outputs["version"]) == {weight}


def test_an_items_part_is_asked_for_once(models: dict[Any, Path], scene: Open) -> None:
    made, client = scene(models[3])
    facts = made.models.facts(1)
    assert facts["item parts"].startswith("65 numbers an item in place of plot, tag; once a call")
    check(ask(client, [1, 2, 3]), [1, 2, 3], 3)
    assert (made.stats.part_hits, made.stats.part_misses) == (0, 3)
    check(ask(client, [2, 3, 4], 2, 5.0), [2, 3, 4], 3, 2, 5.0)
    assert (made.stats.part_hits, made.stats.part_misses) == (2, 4)
    repeated = [4, 1, 4, 4, 399, 1]
    check(ask(client, repeated), repeated, 3)
    check(ask(client, repeated), repeated, 3)
    assert (made.stats.part_hits, made.stats.part_misses) == (7, 5)
    assert (made.stats.part_entries, made.stats.entries) == (5, 5)
    assert 5 * 65 * 4 < made.stats.part_bytes < 5 * (65 * 4 + 128)


def test_a_changed_item_is_seen_within_a_second(
    store: Store, bundle: Bundle, models: dict[Any, Path], scene: Open
) -> None:
    made, client = scene(models[1])
    for turn in range(1, 6):
        check(ask(client, [1, 2]), [1, 2], 1)
        put(store, bundle, "movie", {"i1": {"plot": plot_of(1, turn), "tag": turn}})
        changed = time.monotonic()
        wanted = answer(1, plot_of(1, turn), 0.0, TASTE[1])
        while ask(client, [1, 2]).outputs["like"][0] != wanted:
            assert time.monotonic() < changed + 1.0
        put(store, bundle, "movie", {"i1": {"plot": plot_of(1), "tag": 1}})
        while ask(client, [1, 2]).outputs["like"][0] != answer(1, plot_of(1), 0.0, TASTE[1]):
            assert time.monotonic() < changed + 10.0
    assert made.stats.part_entries == 2


def test_versions_never_share_parts(models: dict[Any, Path], scene: Open) -> None:
    """Each answer is one version's own, whichever it says, while versions come and go back."""
    made, client = scene(models[1])
    weights = {1: 1}
    stop, failures, seen = threading.Event(), [], set()

    def drive(seed: int) -> None:
        rng = random.Random(seed)
        try:
            while not stop.is_set():
                items = [rng.randrange(400) for _ in range(rng.randrange(1, 60))]
                user = rng.choice([1, 2])
                given = ask(client, items, user, float(seed))
                check(given, items, weights[given.version], user, float(seed))
                seen.add(given.version)
        except BaseException as fault:
            failures.append(fault)

    threads = [threading.Thread(target=drive, args=(seed,), daemon=True) for seed in range(4)]
    for thread in threads:
        thread.start()
    for weight in (2, 3, 4):
        weights[weight] = weight  # its number is the next
        number = made.publish(models[weight])
        assert number == weight
        until = time.monotonic() + 60
        while number not in seen and not failures:
            assert time.monotonic() < until
            time.sleep(0.02)
    misses = made.stats.part_misses
    made.go_back(3)
    until = time.monotonic() + 60
    while (serving := made.server.versions.serving) is None or serving.version != 3:
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen == set(weights)
    assert made.stats.part_hits > made.stats.part_misses > 400
    assert made.stats.part_misses < misses + 400  # those of the version before were still there


def test_parts_outlive_the_process_that_made_them(models: dict[Any, Path], scene: Open) -> None:
    items = list(range(50))
    made, client = scene(models[2])
    check(ask(client, items), items, 2)
    parts = made.models.item_parts(1)
    for more in ([], [60, 61]):
        os.kill(made.models.place(1)["pid"], signal.SIGKILL)
        check(ask(client, items + more), items + more, 2)
    assert made.models.item_parts(1) == parts
    assert made.stats.part_misses == 52


def test_a_small_cache_makes_parts_anew(models: dict[Any, Path], scene: Open) -> None:
    """6 kB a part in 1 MiB: most are evicted before they are asked for again."""
    rng = random.Random(1)
    made, client = scene(models["wide"], 1 << 20)
    for _ in range(40):
        items = [rng.randrange(400) for _ in range(30)]
        check(ask(client, items), items, 1, width=1500)
        stats = made.stats
        assert stats.part_bytes < stats.num_bytes <= stats.limit_bytes
    assert stats.part_hits > 0
    assert stats.part_misses > 500
    assert stats.part_entries < 200


def test_without_a_cache_the_model_is_run_whole(models: dict[Any, Path], scene: Open) -> None:
    _, client = scene(models[3], 0)
    check(ask(client, [1, 2, 1]), [1, 2, 1], 3)


def test_a_model_that_is_not_parted_is_run_whole_and_says_why(models: dict[Any, Path], scene: Open) -> None:
    made, client = scene(models["mixes"])
    assert made.models.facts(1)["item parts"] == "off: `mean` moves or loses the rows"
    one = answer(1, plot_of(7), 0.0, TASTE[1])
    assert list(ask(client, [7]).outputs["like"]) == [2 * one]
    assert made.stats.part_misses == 0


# --- the model's process alone ---


def tensors(rows: int, seed: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {
        "plot": chance.standard_normal((rows, 8)).astype(np.float32),
        "tag": chance.integers(0, 10, rows),
        "boost": chance.standard_normal(rows).astype(np.float32),
        "taste": chance.standard_normal((1, 3)).astype(np.float32),
    }


class Ranker(Stamped):
    """Of random weights, and wide enough for products to be added up in other orders."""

    def __init__(self) -> None:
        super().__init__(0, 256)
        torch.manual_seed(2)
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter)


@pytest.fixture(scope="module")
def ranker(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(Ranker(), bundle, tmp_path_factory.mktemp("ranker") / "model")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (ModelOptions(item_parts=True, runners=1), 1e-5),
        (ModelOptions(item_parts=True, compile=True, dtype="bfloat16", tolerance=0.05), 0.05),
    ],
)
def test_many_callers_ask_in_every_way(ranker: Path, options: ModelOptions, error: float) -> None:
    model = load_model(ranker)
    server = EmbeddedModelServer(options)

    def ask_one(seed: int) -> None:
        one = tensors(1 + seed * 7 % 90, seed)
        wanted = model.predict({name: torch.from_numpy(tensor) for name, tensor in one.items()})
        parts = server.item_parts(1)
        assert parts is not None
        if seed % 3:
            made = server.make_parts(1, parts, {name: one[name] for name in parts.made_of}, 30)
            given = {**{name: one[name] for name in parts.beside}, **made}
            got = server.predict_with_parts(1, parts, given, 30)
        else:
            got = server.predict(1, one, 30)
        for name, tensor in wanted.items():
            atol = error * float(tensor.abs().max() + 1)
            np.testing.assert_allclose(got[name], tensor.numpy(), rtol=error, atol=atol)

    try:
        server.load(1, ranker)
        facts = server.facts(1)
        assert "against float32" in facts["largest error, with item parts"]
        if options.compile:
            assert facts["compile, with item parts"].startswith("in ")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask_one, range(60)))
    finally:
        server.close()


def test_parts_of_another_version_are_refused(models: dict[Any, Path]) -> None:
    server = EmbeddedModelServer(OPTIONS)
    try:
        for version in (1, 2):
            server.load(version, models[version])
        first, second = server.item_parts(1), server.item_parts(2)
        assert first is not None
        assert second is not None
        assert first.identity != second.identity
        one = tensors(3, 1)
        made = server.make_parts(1, first, {name: one[name] for name in first.made_of}, 30)
        given = {**{name: one[name] for name in second.beside}, **made}
        with pytest.raises(ModelFailed, match="it makes no such parts of items"):
            server.predict_with_parts(2, first, given, 30)
        server.load(3, models[1])
        again = server.item_parts(3)
        assert again == first
    finally:
        server.close()


def test_workers_share_a_process_and_each_keeps_parts(models: dict[Any, Path]) -> None:
    keeper = ModelKeeper(EmbeddedModelServer(OPTIONS))
    workers = [AttachedModelServer(keeper.path) for _ in range(2)]
    try:
        one = tensors(3, 1)
        found = []
        for worker in workers:
            worker.load(1, models[1])
            parts = worker.item_parts(1)
            assert parts is not None
            made = worker.make_parts(1, parts, {name: one[name] for name in parts.made_of}, 30)
            os.kill(keeper._server.place(1)["pid"], signal.SIGKILL)
            given = {**{name: one[name] for name in parts.beside}, **made}
            found.append(worker.predict_with_parts(1, parts, given, 30)["like"])
            assert worker.item_parts(1) == parts
        np.testing.assert_array_equal(*found)
    finally:
        for worker in workers:
            worker.close()
        keeper.close()


# --- the memory itself ---

ROW = [
    ("$1", "int64"),
    ("wide", "vector<float32, 40>"),
    ("$2", "string?"),
    ("id", "int64"),
    ("x", "float32?"),
]
PART = [("part_0__", "vector<float32, 30>"), ("part_1__", "float32")]


def rows_of(items: list[int], turn: int) -> Batch:
    arrays = [
        pa.array(items), pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(items, 40) + turn, pa.float32()), 40),
        pa.array([None if i % 3 == 0 else "x" * (i % 50) for i in items], pa.string()), pa.array([-i for i in items]),
        pa.array([None if i % 5 == 0 else i / 2 for i in items], pa.float32()),
    ]  # fmt: skip
    return Batch.from_arrow(pa.RecordBatch.from_arrays(arrays, [name for name, _ in ROW]), ROW)


def parts_of(numbers: list[float]) -> Batch:
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(numbers, 30), pa.float32()), 30),
        pa.array(numbers, pa.float32()),
    ]
    return Batch.from_arrow(pa.RecordBatch.from_arrays(arrays, [name for name, _ in PART]), PART)


@pytest.mark.parametrize("seed", range(3))
def test_a_part_is_its_rows_own_whatever_comes_and_goes(seed: int) -> None:
    """Rows change, age and are evicted; each part tells of which row, and for which version, it was made."""
    rng = random.Random(seed)
    memory = Memory(1 << 20)
    table = ItemTable(memory, ROW)
    versions = [ItemTable(memory, PART) for _ in range(2)]
    some = table.without(["wide", "id"])
    turns: dict[int, int] = {}
    for now in range(600):
        if rng.random() < 0.3:
            changed = rng.randrange(300)
            memory.changed("movie", [changed])
            turns[changed] = turns.get(changed, 0) + 1
        if rng.random() < 0.01:
            table.drop()
        items = list(dict.fromkeys(int(rng.paretovariate(0.4)) % 3000 for _ in range(30)))
        lookup = table.find(items, now)
        missing = [items[i] for i in lookup.missing]
        lookup.made_of("movie", missing)
        kept = rng.random() < 0.9
        if missing:
            made = [rows_of([item], turns.get(item, 0)) for item in missing]
            whole = (
                pa.Table.from_batches([pa.record_batch(one) for one in made]).combine_chunks().to_batches()[0]
            )
            until = now + 100 if kept else now
            lookup.add(Batch.from_arrow(whole, ROW), np.zeros(len(missing), np.uint8), now, until, until)
        version = rng.randrange(2)
        found = versions[version].find_parts(lookup)
        unknown = [items[i] for i in found.missing]
        assert set(missing) <= set(unknown)
        if unknown:
            found.add_parts(parts_of([item + turns.get(item, 0) / 64 + version / 2 for item in unknown]))
        order = [rng.randrange(len(items)) for _ in range(40)]
        wanted = [items[i] + turns.get(items[i], 0) / 64 + version / 2 for i in order]
        parts = found.rows(np.array(order, np.int64)).tensors([name for name, _ in PART])
        assert parts["part_1__"].tolist() == wanted
        assert parts["part_0__"].tolist() == [[number] * 30 for number in wanted]
        beside, rows = lookup.rows(np.array(order, np.int64), some), lookup.rows(np.array(order, np.int64))
        assert beside.names == ["$1", "$2", "x"]
        for name in beside.names:
            assert beside.values(name) == rows.values(name)
        stats = memory.stats()
        assert 0 <= stats["part_bytes"] < stats["bytes"] <= stats["limit_bytes"]
        assert min(stats["part_entries"], stats["entries"]) >= 0
    assert stats["part_hits"] > 1000
    assert stats["part_misses"] > 1000
    assert stats["evicted"] > 100


def test_columns_are_a_tables_own_and_of_a_fixed_size() -> None:
    memory = Memory(1 << 20)
    table, other = ItemTable(memory, ROW), ItemTable(memory, ROW)
    with pytest.raises(EngineError, match=r"a column without a fixed size: \$2"):
        table.without(["$2"])
    with pytest.raises(EngineError, match="a column that is not there"):
        table.without(["$2x"])
    lookup = table.find([1], 0)
    lookup.add(rows_of([1], 0), np.zeros(1, np.uint8), 0, 9, 9)
    with pytest.raises(EngineError, match="columns of another table"):
        lookup.rows(np.array([0]), other.without([]))
    with pytest.raises(EngineError, match="not as many rows"):
        ItemTable(memory, PART).find_parts(lookup).add_parts(parts_of([1.0, 2.0]))
    only = ItemTable(memory, ROW[1:2])
    lookup = only.find([1], 0)
    lookup.add(rows_of([1], 0).select(["wide"]), np.zeros(1, np.uint8), 0, 9, 9)
    assert lookup.rows(np.array([0, 0]), only.without(["wide"])).num_rows == 2
