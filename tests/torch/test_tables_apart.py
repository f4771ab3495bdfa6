"""Saved models whose embedding tables lie beside the graph: the same answers, and damage is told with its place."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from compiler.bundle import Bundle, build
from engine import SnapshotTable
from featdsl.errors import InputError
from featdsl.torch import EmbeddingTable, RowAdagrad, load_model, save_model
from featdsl.torch.across_calls import CALL_OF_ROW, AcrossCalls
from featdsl.torch.freezing import freeze
from featdsl.torch.item_parts import Parted, item_inputs, part_items
from featdsl.torch.levels import levels
from featdsl.torch.rows_first import RowsFirst, rows_first
from featdsl.torch.table_layers import resident_table
from featdsl.torch.table_rows import tables_read
from model_sync.layer_file import layer_chunks
from model_sync.table_stack import Chunk, Layer, TableEntry, TableState, read_tables, write_tables

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source profile of user { liked: list<string> }
source movie of item { year: int32 = 0  tags: list<string>  plot: list<float32> }
model ranker {
  dense: float32 = [movie.year]
  movie: int64   = item |> hash
  tags:  int64   = movie.tags |> hash |> pad(3)
  plot:  float32 = movie.plot |> pad(9)
  liked: int64 per request = profile.liked |> hash |> pad(3)
  output like: float32
}
"""
KNOWN = np.random.default_rng(2).integers(-(1 << 63), 1 << 63, 300)
NO_IDS = np.zeros(0, np.int64)


class Ranker(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.items = EmbeddingTable("items", 4)
        self.also_items = self.items
        self.words = EmbeddingTable("words", 2)
        self.layer = torch.nn.Linear(1 + 4 + 4 + 2 + 9, 1)

    def forward(
        self, dense: torch.Tensor, movie: torch.Tensor, tags: torch.Tensor, plot: torch.Tensor, liked: torch.Tensor
    ) -> torch.Tensor:  # fmt: skip
        user = self.also_items(liked).mean(1).expand(dense.shape[0], -1)
        rows = torch.cat([dense, self.items(movie), user, self.words(tags).sum(1), plot], 1)
        return self.layer(rows)[:, 0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("program") / "ranker.feat"
    path.write_text(PROGRAM)
    return build(path)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    made = Ranker()
    optimizer = RowAdagrad([made.items, made.words], 0.5)
    for _ in range(3):
        ids = torch.from_numpy(KNOWN)
        (made.items(ids).sum() + made.words(ids).sum()).backward()
        optimizer.step()
    return made


@pytest.fixture
def apart(ranker: Ranker, bundle: Bundle, tmp_path: Path) -> Path:
    return save_model(ranker, bundle, tmp_path / "apart", tables="apart")


def call(rows: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """With ids that have a row, and others."""
    chance = np.random.default_rng(seed)
    ids = np.append(KNOWN, np.arange(30))
    return {
        "dense": torch.from_numpy(chance.normal(size=(rows, 1)).astype(np.float32)),
        "movie": torch.from_numpy(chance.choice(ids, rows)),
        "tags": torch.from_numpy(chance.choice(ids, (rows, 3))),
        "plot": torch.from_numpy(chance.normal(size=(rows, 9)).astype(np.float32)),
        "liked": torch.from_numpy(chance.choice(ids, (1, 3))),
    }


def test_it_answers_with_the_bits_of_the_module_and_of_frozen_tables(
    ranker: Ranker, bundle: Bundle, apart: Path, tmp_path: Path
) -> None:
    assert isinstance(ranker.items, EmbeddingTable)
    assert ranker.training
    frozen = load_model(save_model(ranker, bundle, tmp_path / "frozen"))
    loaded = load_model(apart)
    ranker.eval()
    for rows in (0, 1, 2, 50):
        with torch.no_grad():
            wanted = ranker(**call(rows))
        assert torch.equal(loaded.predict(call(rows))["like"], wanted)
        assert torch.equal(frozen.predict(call(rows))["like"], wanted)
    ranker.train()
    loaded.warm()
    seen = {**call(50), "movie": call(1)["movie"].expand(50)}
    assert torch.equal(loaded.predict(seen)["like"], frozen.predict(seen)["like"])
    assert json.loads((apart / "model.json").read_text())["tables"] == {
        "items": {"width": 4},
        "words": {"width": 2},
    }
    assert not (tmp_path / "frozen" / "tables.json").exists()


def test_a_version_is_frozen_with_the_rows_that_it_has(apart: Path, tmp_path: Path) -> None:
    """As exporters do for servers that have no tables."""
    whole = load_model(apart)
    frozen = load_model(freeze(apart, tmp_path / "frozen"))
    assert not frozen.tables
    assert sorted(path.name for path in (tmp_path / "frozen").iterdir()) == [
        "bundle.featb", "model.json", "parameters.safetensors", "program.pt2"
    ]  # fmt: skip
    for rows in (0, 1, 2, 50):
        assert torch.equal(frozen.predict(call(rows))["like"], whole.predict(call(rows))["like"])
    (chunk, *_) = sorted((apart / "layers").iterdir())
    chunk.write_bytes(chunk.read_bytes()[:-4])
    with pytest.raises(InputError, match="a chunk is wrong"):
        freeze(apart, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_empty_table_is_frozen(bundle: Bundle, tmp_path: Path) -> None:
    empty = save_model(Ranker(), bundle, tmp_path / "apart", tables="apart")
    frozen = load_model(freeze(empty, tmp_path / "frozen"))
    assert torch.equal(frozen.predict(call(7))["like"], load_model(empty).predict(call(7))["like"])


def test_the_passes_know_the_operator(apart: Path) -> None:
    model = load_model(apart)
    assert levels(model.module, model.inputs)
    across = AcrossCalls(model.module, model.inputs)
    calls = [call(rows, rows) for rows in (3, 1, 20)]
    with model.running():
        joined = across.joined(calls, (3, 1, 20))
        together = across(joined, joined[CALL_OF_ROW])
    alone = torch.cat([model.predict(one)["like"] for one in calls])
    torch.testing.assert_close(together, alone)
    parted = part_items(model, item_inputs(apart, "ranker"))
    assert isinstance(parted, Parted)
    assert "tags" in parted.of_items.inputs
    parts = parted.of_items.predict({name: calls[2][name] for name in parted.of_items.inputs})
    rest = parted.rest.predict({name: ({**calls[2], **parts})[name] for name in parted.rest.inputs})
    torch.testing.assert_close(rest["like"], model.predict(calls[2])["like"])


def test_rows_may_be_looked_up_first(apart: Path) -> None:
    model = load_model(apart)
    two = rows_first(model)
    assert isinstance(two, RowsFirst)
    assert sorted(two.rows.inputs) == ["liked", "movie", "tags"]
    assert [two.rest.inputs[name][1] for name in two.rows.outputs] == [(1, 3, 4), (None, 4), (None, 3, 2)]
    assert not tables_read(two.rest.module)
    for rows in (0, 1, 20):
        one = call(rows, rows)
        found = two.rest.predict({**one, **two.rows.predict(one)})
        assert torch.equal(found["like"], model.predict(one)["like"])


def test_the_same_rows_are_the_same_chunks_and_their_order_does_not_matter(
    bundle: Bundle, apart: Path, tmp_path: Path
) -> None:
    shuffled = Ranker()
    for table, name in ((shuffled.items, "items"), (shuffled.words, "words")):
        ids = torch.from_numpy(KNOWN[::-1].copy())
        for id in ids:  # one by one: their places are in this order
            table(id)
        saved = resident_table(name, read_tables(apart)[name], apart)
        rows = np.zeros((len(KNOWN), table.width), np.float32)
        saved.rows.gather(ids.numpy(), rows)
        table.rows[: len(ids)] = torch.from_numpy(rows)
        assert (saved.rows.rows, saved.applied) == (len(KNOWN), len(KNOWN))
    other = save_model(shuffled, bundle, tmp_path / "other", tables="apart")
    assert (other / "tables.json").read_text() == (apart / "tables.json").read_text()
    assert (other / "program.pt2").read_bytes() == (apart / "program.pt2").read_bytes()


def test_tables_of_one_name_and_rows_that_are_not_finite_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    module = Ranker()
    module.words.name = "items"
    with pytest.raises(InputError, match="two tables have one name: items"):
        save_model(module, bundle, tmp_path / "model", tables="apart")
    module = Ranker()
    module.words(torch.tensor([5]))
    module.words.rows[0, 1] = torch.nan
    with pytest.raises(InputError, match="the table words is not saved: the row of id 5 is not finite"):
        save_model(module, bundle, tmp_path / "model", tables="apart")
    assert not list(tmp_path.iterdir())


def put(folder: Path, ids: np.ndarray, rows: np.ndarray, deleted: np.ndarray) -> tuple[Chunk, ...]:
    chunks = []
    for data in layer_chunks(ids, rows, deleted, most_bytes=64):
        sha256 = hashlib.sha256(data).hexdigest()
        (folder / "layers" / sha256).write_bytes(data)
        chunks.append(Chunk(len(data), sha256))
    return tuple(chunks)


def with_delta(folder: Path, name: str, ids: np.ndarray, rows: np.ndarray, deleted: np.ndarray) -> TableEntry:
    """Puts a layer on a table of a saved model. Returns what it is made of then."""
    entries = read_tables(folder)
    entry = entries[name]
    below = resident_table(name, entry, folder).rows
    after = below.table.apply(below, ids, rows, deleted)
    chunks = put(folder, ids, rows, deleted)
    layer = Layer(len(ids), len(deleted), chunks, TableState.of(after.rows, after.sum))
    entries[name] = TableEntry(entry.width, (*entry.layers, layer))
    write_tables(folder, entries)
    return entries[name]


def test_a_version_is_made_of_the_one_that_has_most_of_its_layers(apart: Path) -> None:
    ids = np.array([KNOWN[3], 77, KNOWN[9], 78])
    first = resident_table("items", read_tables(apart)["items"], apart)
    entry = with_delta(apart, "items", ids, np.full((4, 4), 0.5, np.float32), KNOWN[:2])
    second = resident_table("items", entry, apart, [first])
    assert (second.applied, second.rows.rows) == (6, 300)
    assert second.rows.table is first.rows.table
    entry = with_delta(apart, "items", ids[:1], np.full((1, 4), 0.25, np.float32), NO_IDS)
    third = resident_table("items", entry, apart, [second, first])
    assert third.applied == 1
    again = resident_table("items", entry, apart, [third, first])
    assert (again.applied, again.rows) == (0, third.rows)
    anew = resident_table("items", entry, apart)
    assert anew.applied == 307
    for table in (third, anew):
        rows = np.empty((5, 4), np.float32)
        assert table.rows.gather(np.append(ids, KNOWN[0]), rows) == 1
        assert rows[:, 0].tolist() == [0.25, 0.5, 0.5, 0.5, 0.0]
    other = replace(entry, layers=(replace(entry.layers[0], rows=1), *entry.layers[1:]))
    with pytest.raises(InputError, match="layer 1 of 3"):
        resident_table("items", other, apart)
    assert resident_table("items", other, apart, [third]).rows is third.rows, "whatever it was made of"


def test_an_anchor_keeps_the_rows_that_are_the_same(
    ranker: Ranker, bundle: Bundle, apart: Path, tmp_path: Path
) -> None:
    """Also those of zeros, and without the ids that it does not have."""
    first = resident_table("items", read_tables(apart)["items"], apart)
    more = np.array([77, KNOWN[0], 78])
    held = with_delta(apart, "items", more, np.full((3, 4), 0.5, np.float32), KNOWN[1:2])
    last = resident_table("items", held, apart, [first])
    other = save_model(ranker, bundle, tmp_path / "other", tables="apart")
    zeros = np.append(KNOWN[5:6], 99)
    entry = with_delta(other, "items", zeros, np.zeros((2, 4), np.float32), NO_IDS)
    below = resident_table("items", entry, other)
    whole = np.empty((300, 4), np.float32)
    ids = np.sort(np.append(KNOWN[1:], 99))
    below.rows.gather(ids, whole)
    chunks = put(other, ids, whole, NO_IDS)
    alone = SnapshotTable(4)
    state = alone.apply(alone.empty(), ids, whole, NO_IDS)
    anchor = TableEntry(4, (Layer(300, 0, chunks, TableState.of(state.rows, state.sum)),))
    made = resident_table("items", anchor, other, [first, last])
    assert made.rows.table is first.rows.table
    assert made.applied == 1 + 2 + 3, "the one that was deleted, two of zeros, three that are no more"
    rows = np.empty((300, 4), np.float32)
    assert made.rows.gather(ids, rows) == 0
    assert np.array_equal(rows, whole)
    assert made.rows.rows == 300


def chunk_of(apart: Path, name: str = "items", layer: int = -1) -> Path:
    return apart / "layers" / read_tables(apart)[name].layers[layer].chunks[0].sha256


def changed(apart: Path, change: Callable[[Layer], Layer]) -> None:
    """Says something else of the table's last layer."""
    entries = read_tables(apart)
    *below, last = entries["items"].layers
    entries["items"] = replace(entries["items"], layers=(*below, change(last)))
    write_tables(apart, entries)


def with_chunk(apart: Path, **arrays: np.ndarray) -> None:
    """Puts another chunk in the place of the table's only one."""
    data = save(arrays)
    sha256 = hashlib.sha256(data).hexdigest()
    (apart / "layers" / sha256).write_bytes(data)
    changed(apart, lambda layer: replace(layer, chunks=(Chunk(len(data), sha256),)))


def flipped(apart: Path) -> None:
    data = bytearray(chunk_of(apart).read_bytes())
    data[len(data) // 2] ^= 1
    chunk_of(apart).write_bytes(data)


def cut(apart: Path) -> None:
    chunk_of(apart).write_bytes(chunk_of(apart).read_bytes()[:-1])


def without_layer(apart: Path) -> None:
    with_delta(apart, "items", np.array([5]), np.ones((1, 4), np.float32), NO_IDS)
    with_delta(apart, "items", np.array([6]), np.ones((1, 4), np.float32), NO_IDS)
    entries = read_tables(apart)
    first, _, last = entries["items"].layers
    write_tables(apart, {**entries, "items": replace(entries["items"], layers=(first, last))})


def not_finite(apart: Path) -> None:
    rows = np.full((1, 4), np.inf, np.float32)
    with_chunk(apart, ids=np.array([5]), rows=rows, deleted=NO_IDS)


def described(apart: Path, tables: object) -> None:
    description = json.loads((apart / "model.json").read_text())
    (apart / "model.json").write_text(json.dumps({**description, "tables": tables}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (flipped, "the table items does not load: layer 1 of 1: the checksum of a chunk is wrong"),
    "a cut chunk": (cut, "layer 1 of 1: the checksum of a chunk is wrong"),
    "no chunk": (lambda apart: chunk_of(apart).unlink(), "layer 1 of 1: .*No such file"),
    "no layer between": (without_layer, "layer 2 of 2: the table has 301 rows after it, not 302"),
    "another sum": (
        lambda apart: changed(apart, lambda layer: replace(layer, after=replace(layer.after, sum="0" * 32))),
        "the sum of the table's rows after it is [0-9a-f]{32}, not 0{32}",
    ),
    "fewer rows": (
        lambda apart: changed(apart, lambda layer: replace(layer, rows=299)),
        "it has 300 rows and 0 deleted ids, not 299 and 0",
    ),
    "a value that is not finite": (not_finite, "the row of id 5 is not finite"),
    "another width": (
        lambda apart: with_chunk(apart, ids=KNOWN[:2], rows=np.ones((2, 3), np.float32), deleted=NO_IDS),
        "for a table of width 4",
    ),
    "no tables.json": (lambda apart: (apart / "tables.json").unlink(), "items"),
    "tables.json that does not read": (lambda apart: (apart / "tables.json").write_text("{"), "does not load"),
    "a table too few": (lambda apart: described(apart, {"words": {"width": 2}}), "not there: .*: items"),
    "a table of another width": (
        lambda apart: described(apart, {"items": {"width": 5}, "words": {"width": 2}}),
        "the graph reads a table of width 4 that is not there",
    ),
    "a table too many": (
        lambda apart: write_tables(apart, read_tables(apart) | {"more": read_tables(apart)["items"]}),
        "model.json says that its width is None, tables.json 4: .*: more",
    ),
    "tables that are no tables": (lambda apart: described(apart, 7), "does not load"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_with_its_place(apart: Path, what: str) -> None:
    damage, said = DAMAGE[what]
    damage(apart)
    with pytest.raises(InputError, match=said):
        load_model(apart)


def test_nothing_runs_on_tables_that_are_not_pinned(apart: Path) -> None:
    model = load_model(apart)
    with pytest.raises(RuntimeError, match="no version of the table"):
        model.module(**call(1))
    held = model.tables["items"].rows
    empty = SnapshotTable(4).empty()
    assert (held.rows, empty.rows) == (300, 0)


def test_who_asks_what_a_table_has_keeps_nobody_from_the_interpreter_while_a_version_is_made() -> None:
    """It waits until that is made, and calls would wait with it."""
    table = SnapshotTable(32)
    ids = np.arange(600_000)
    rows = np.ones((len(ids), 32), np.float32)
    base = table.apply(table.empty(), ids, rows, NO_IDS)
    gap, begun = 0.0, time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        made = pool.submit(table.apply, base, ids, rows, NO_IDS)
        asked = pool.submit(lambda: [table.stats() for _ in iter(made.done, True)])
        last = begun
        while not made.done():
            time.sleep(0.0005)
            now = time.monotonic()
            gap, last = max(gap, now - last), now
        assert asked.result()
    assert gap < (last - begun) / 2
