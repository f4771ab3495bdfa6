"""A model that is published while it is trained: every version is the model as it was then, to the bit."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from compiler.bundle import Bundle
from featdsl.errors import InputError
from featdsl.torch import EmbeddingTable, RowSGD, load_model
from featdsl.torch.table_layers import ResidentTable, resident_table
from model_sync import HeadMoved, Publisher, Registry, RegistryError, open_registry
from model_sync.directory import DirectoryBlobs
from model_sync.pruning import prune
from model_sync.tiers import MERGED
from tests.model_sync.places import PLACES, Place
from tests.model_sync.trainers import (
    IDS,
    FaultyBlobs,
    Ranker,
    Trainer,
    heights,
    ranker_bundle,
    scores_of,
    served_scores,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return ranker_bundle(tmp_path)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"dir://{tmp_path}/registry", create=True)


@pytest.fixture(params=PLACES)
def url(request: pytest.FixtureRequest, places: dict[str, Place]) -> str:
    return places[request.param].new()


@pytest.fixture
def anywhere(url: str) -> Iterator[Registry]:
    opened = open_registry(url, create=True)
    yield opened
    opened.close()


def test_each_version_gives_what_the_module_gave(anywhere: Registry, bundle: Bundle, tmp_path: Path) -> None:
    registry = anywhere
    trainer = Trainer()
    trainer.module.items(torch.arange(60))
    trainer.rows.step()
    trainer.module.items(torch.arange(60, IDS))
    publisher = Publisher(registry, trainer.module, bundle)
    scores = []
    for step in range(12):
        trainer.step()
        if step == 4:
            trainer.evict(6)  # those of the first 60 that have not come again
        version = publisher.publish(metrics={"step": step}, watermark_us=step * 1_000_000)
        assert (version.number, version.parent) == (step + 1, step or None)
        assert (version.metrics, version.watermark_us) == ({"step": step}, step * 10**6)
        scores.append(trainer.scores())
        if step % 5 == 0:
            trainer.step()  # what is told with the next one
    for number, expected in enumerate(scores, 1):
        assert torch.equal(served_scores(registry, number, tmp_path), expected)
    assert not torch.equal(scores[0], scores[-1])
    layers = [registry.version(number).tables["items"].layers for number in range(1, 13)]
    assert [len(stack) for stack in layers[:8]] == list(range(1, 9)), "anchor and changes"
    assert [number for number, stack in enumerate(layers) if stack[-1].deleted] == [4]


def test_a_version_costs_what_has_changed(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    trainer = Trainer()
    items = trainer.module.items
    items(torch.arange(300_000))
    publisher = Publisher(registry, trainer.module, bundle)
    publisher.publish()

    def size() -> int:
        return sum(found.size for found in registry.blobs.names("chunks/").values())

    whole = size()
    trainer.step()
    version = publisher.publish()
    assert version.tables["items"].layers[-1].rows <= 23
    assert size() - whole < 10_000 < whole / 500
    assert torch.equal(served_scores(registry, 2, tmp_path), trainer.scores())
    # What has not changed at all is not sent, and is no layer.
    again = publisher.publish()
    assert again.tables == version.tables
    assert publisher.publish().files["program.pt2"] == version.files["program.pt2"]


def test_a_stack_stays_low_and_a_server_that_follows_applies_what_has_changed(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    trainer = Trainer()
    trainer.module.items(torch.arange(IDS))
    publisher = Publisher(registry, trainer.module, bundle)
    server: list[ResidentTable] = []
    highest, anchors = 0, set()
    for step in range(120):
        trainer.module.items(torch.arange(step, IDS))  # the others get old
        trainer.step(2)
        if step % 30 == 7:
            trainer.evict(25)
        version = publisher.publish()
        entry, folder = version.tables["items"], tmp_path / f"followed-{version.number}"
        registry.fetch(version.number, folder)
        server = [resident_table("items", entry, folder, server)]
        assert server[0].applied == (IDS if step == 0 else entry.layers[-1].rows + entry.layers[-1].deleted)
        assert resident_table("items", entry, folder).rows.sum == server[0].rows.sum, "who begins with it"
        anchors.add(entry.layers[0])
        highest = max(highest, len(entry.layers))
    assert highest <= 2 * MERGED + 1
    assert len(anchors) > 1, "the changes were more than the table"
    assert torch.equal(served_scores(registry, 120, tmp_path), trainer.scores())


def test_prune_between_two_versions_takes_nothing_that_the_next_is_made_of(
    anywhere: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    """Not the chunks of merged layers either, which are put after a version, for the next."""
    trainer = Trainer()
    trainer.module.items(torch.arange(IDS))
    publisher = Publisher(anywhere, trainer.module, bundle)
    highest = 0
    for _ in range(MERGED + 3):
        trainer.step(2)
        version = publisher.publish()
        anywhere.verify(version.number)
        highest = max(highest, len(version.tables["items"].layers))
        prune(anywhere, 1, now_us=4_000_000_000_000_000, grace_s=0.0)
    assert highest > MERGED
    assert torch.equal(served_scores(anywhere, version.number, tmp_path), trainer.scores())


def test_most_of_a_table_is_sent_as_all_of_it(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    trainer = Trainer()
    trainer.module.items(torch.arange(3000))
    publisher = Publisher(registry, trainer.module, bundle)
    publisher.publish()
    for ids, height in ((1400, 2), (1600, 1), (100, 2), (3000, 1)):
        trainer.module.items(torch.arange(ids)).sum().backward()
        trainer.rows.step()
        publisher.publish()
        assert heights(publisher)[0] == height
    assert torch.equal(served_scores(registry, 5, tmp_path), trainer.scores())


def test_a_budget_sends_what_moved_most_and_all_of_it_now_and_then(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    trainer = Trainer()
    trainer.module.items(torch.arange(1000))
    publisher = Publisher(registry, trainer.module, bundle, budget_rows=5, full_every=4)
    publisher.publish()
    rows = []
    for _ in range(8):
        trainer.step()
        version = publisher.publish()
        rows.append(version.tables["items"].layers[-1].rows)
        served = served_scores(registry, version.number, tmp_path)
        assert torch.equal(served, trainer.scores()) == (rows[-1] != 5)
    assert [n == 5 for n in rows] == [True, True, False, True, True, True, False, True]


def test_who_did_not_move_head_does_not_overwrite_it(
    anywhere: Registry, url: str, bundle: Bundle, tmp_path: Path
) -> None:
    registry = anywhere
    one, other = Trainer(1), Trainer(2)
    zombie = Publisher(registry, one.module, bundle)
    one.step()
    zombie.publish()
    successor = Publisher(url, other.module, bundle)
    other.step()
    successor.publish()
    one.step()
    for _ in range(2):
        with pytest.raises(HeadMoved, match="version 2") as moved:
            zombie.publish()
        assert "take_over" in moved.value.help
    assert torch.equal(served_scores(registry, 2, tmp_path), other.scores())
    zombie.take_over()
    assert zombie.publish().parent == 2
    assert heights(zombie) == [1, 1]
    assert torch.equal(served_scores(registry, 3, tmp_path), one.scores())
    with pytest.raises(HeadMoved):
        successor.publish()
    # A rollback is somebody's wish as well.
    registry.rollback(1, now_us=1)
    one.step()
    with pytest.raises(HeadMoved, match="rollback"):
        zombie.publish()
    zombie.take_over()
    assert zombie.publish().parent == 1
    assert torch.equal(served_scores(registry, 4, tmp_path), one.scores())


def test_a_registry_that_was_made_anew_is_another_one(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first, second = Trainer(1), Trainer(2)
    publisher = Publisher(f"{tmp_path}/a/registry", first.module, bundle)
    publisher.publish()
    (tmp_path / "a").rename(tmp_path / "b")
    Publisher(f"{tmp_path}/a/registry", second.module, bundle).publish()
    with pytest.raises(HeadMoved):
        publisher.publish()


def test_a_registry_that_was_emptied_gets_all_again(
    registry: Registry, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, zombie = Trainer(), Trainer(2)
    overtaken = Publisher(registry.url, zombie.module, bundle)
    publisher = Publisher(registry, trainer.module, bundle)
    for _ in range(3):
        trainer.step()
        publisher.publish()
    with pytest.raises(HeadMoved):
        overtaken.publish()
    for path in (tmp_path / "registry").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(HeadMoved, match="to nothing"):
        overtaken.publish()
    trainer.step()
    assert publisher.publish().number == 1
    assert "the registry is empty" in caplog.text
    assert torch.equal(served_scores(registry, 1, tmp_path), trainer.scores())
    trainer.step()
    assert publisher.publish().parent == 1


def test_after_a_refused_version_all_rows_are_sent_again(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    trainer = Trainer()
    publisher = Publisher(registry, trainer.module, bundle)
    for _ in range(4):
        trainer.step()
        publisher.publish()
    assert max(heights(publisher)) > 1
    damaged = registry.version(4).tables["items"].layers[0].chunks[0]
    chunk = DirectoryBlobs(tmp_path / "registry").root / "chunks" / damaged.sha256
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    program = tmp_path / "registry" / "chunks" / registry.version(4).files["program.pt2"].chunks[0].sha256
    program.write_bytes(b"")
    registry.refuse(4, "the checksum of a chunk is wrong")
    trainer.step()
    version = publisher.publish()
    assert heights(publisher) == [1, 1]
    assert torch.equal(served_scores(registry, version.number, tmp_path), trainer.scores())
    trainer.step()
    publisher.publish()
    assert max(heights(publisher)) == 2


@pytest.mark.parametrize("done_before", [False, True])
def test_a_publish_that_fails_anywhere_loses_nothing(
    bundle: Bundle, tmp_path: Path, done_before: bool
) -> None:
    """The disk is full at each operation of a publish in turn, whether or not that was done: HEAD names a version that
    is as it was then, and the next publish tells it all."""
    blobs = FaultyBlobs(tmp_path / "registry")
    registry = Registry(blobs)
    trainer = Trainer()
    trainer.module.items(torch.arange(1000))
    publisher = Publisher(registry, trainer.module, bundle)
    publisher.publish()
    failed = 0
    while True:
        before = trainer.scores()
        trainer.step()
        after = trainer.scores()
        blobs.fail_at(failed, done_before=done_before)
        fails = True
        with contextlib.suppress(RegistryError):
            publisher.publish()
            fails = False
        blobs.fail_at(-1, done_before=False)
        if not fails:
            break
        failed += 1
        head = registry.head()
        assert head is not None
        served = served_scores(registry, head.version, tmp_path)
        assert torch.equal(served, before) or (done_before and torch.equal(served, after))
        trainer.step()
        version = publisher.publish()
        assert torch.equal(served_scores(registry, version.number, tmp_path), trainer.scores())
    assert failed > 8
    assert heights(publisher)[0] > 2, "as changes"


def test_a_checkpoint_of_earlier_is_published_whole(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    trainer = Trainer()
    publisher = Publisher(registry, trainer.module, bundle)
    trainer.step()
    publisher.publish()
    torch.save(trainer.module.state_dict(), tmp_path / "checkpoint")
    kept = torch.load(tmp_path / "checkpoint", weights_only=True)
    trainer.step()
    publisher.publish()
    trainer.module.load_state_dict(kept)
    version = publisher.publish()
    assert heights(publisher) == [1, 1]
    assert torch.equal(served_scores(registry, version.number, tmp_path), trainer.scores())
    again = Trainer()
    again.module.load_state_dict(kept)
    successor = Publisher(registry, again.module, bundle)
    assert torch.equal(served_scores(registry, successor.publish().number, tmp_path), scores_of(again.module))


def test_a_loop_publishes_when_it_is_time(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    now = [100.0]
    trainer = Trainer()
    published = []
    with Publisher(registry.url, trainer.module, bundle, every_s=5, clock=lambda: now[0]) as publisher:
        for _ in range(23):
            trainer.step()
            published.append(publisher.step(watermark_us=1) is not None)
            now[0] += 1
    assert [at for at, done in enumerate(published) if done] == [5, 10, 15, 20]
    assert torch.equal(served_scores(registry, 5, tmp_path), trainer.scores()), "the last steps, at the end"
    other = Trainer()
    by_steps = Publisher(registry.url, other.module, bundle, every_steps=3)
    published = [by_steps.step() is not None for _ in range(7)]
    assert published == [False, False, True, False, False, True, False]
    by_steps.close()
    assert [v.number for v in registry.versions()] == list(range(1, 9))
    failing = Publisher(registry.url, other.module, bundle, every_s=5)
    with contextlib.suppress(ZeroDivisionError), failing:
        failing.step()
        raise ZeroDivisionError
    assert len(registry.versions()) == 8, "nothing of a training that failed"


def test_training_goes_on_while_the_registry_is_away(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = Trainer()
    publisher = Publisher(f"{tmp_path}/registry", trainer.module, bundle, every_steps=1)
    trainer.step()
    publisher.step()
    (tmp_path / "registry").rename(tmp_path / "away")
    trainer.step()
    assert publisher.step() is None
    assert "not published, later again: there is no registry" in caplog.text
    with pytest.raises(RegistryError, match="there is no registry"):
        publisher.publish()
    (tmp_path / "away").rename(tmp_path / "registry")
    version = publisher.publish()
    assert torch.equal(served_scores(publisher.registry, version.number, tmp_path), trainer.scores())


class Plain(torch.nn.Module):
    """Without tables, and with names of inputs that it does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(1)
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layer(self.norm(inputs["dense"]))[:, 0]
        return scores + 0.0 * inputs["movie"] + 0.0 * inputs["liked"].sum()


def test_a_module_without_tables_and_parameters_from_elsewhere(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    module, averaged = Plain(), Plain()
    publisher = Publisher(registry, module, bundle)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for number in range(1, 4):
        module(dense=torch.randn(8, 1), movie=torch.zeros(8), liked=torch.zeros(1, 3)).sum().backward()
        optimizer.step()
        publisher.publish()
        assert torch.equal(served_scores(registry, number, tmp_path), scores_of(module))
    assert registry.version(3).tables == {}
    publisher.publish(state_dict=averaged.state_dict())
    assert torch.equal(served_scores(registry, 4, tmp_path), scores_of(averaged))
    with pytest.raises(InputError, match=r"a parameter of the model is missing: \S*layer.bias"):
        publisher.publish(state_dict={n: t for n, t in module.state_dict().items() if n != "layer.bias"})


def not_finite(module: Ranker) -> None:
    with torch.no_grad():
        module.layer.weight[0, 3] = float("nan")


def row_not_finite(module: Ranker) -> None:
    optimizer = RowSGD([module.items], 1.0)
    (module.items(torch.tensor([77])) * float("inf")).sum().backward()
    optimizer.step()


def another_shape(module: Ranker) -> None:
    module.layer = torch.nn.Linear(11, 2)


def another_table(module: Ranker) -> None:
    module.users = EmbeddingTable("users", 2)


@pytest.mark.parametrize(
    ("change", "message", "help"),
    [
        (not_finite, r"a parameter is not finite: layer\.weight", "checkpoint"),
        (row_not_finite, r"the table items is not published: the row of id 77 is not finite", "checkpoint"),
        (another_shape, r"exported: layer\.bias: float32\[2\], not float32\[1\]", "new Publisher"),
        (another_table, "other embedding tables", "new Publisher"),
    ],
)
def test_what_no_server_would_take_is_not_published(
    registry: Registry,
    bundle: Bundle,
    change: Callable[[Ranker], None],
    message: str,
    help: str,
) -> None:
    trainer = Trainer()
    trainer.step()
    publisher = Publisher(registry, trainer.module, bundle, every_steps=1)
    publisher.publish()
    change(trainer.module)
    with pytest.raises(InputError, match=message) as refused:
        publisher.step()
    assert help in refused.value.help
    assert [v.number for v in registry.versions()] == [1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every_s": 1, "every_steps": 1}, "not by both"),
        ({"every_steps": 0}, "1 and more"),
        ({"budget_rows": 0}, "1 and more"),
        ({"full_every": 0}, "1 and more"),
        ({"every_s": 1, "world": 2, "job": "a"}, "do not see the same time"),
        ({"world": 2}, "not the name of a job"),
        ({"world": 2, "job": "../x"}, "not the name of a job"),
        ({"rank": 1}, "ranks 0 to 0: 1"),
    ],
)
def test_settings(registry: Registry, bundle: Bundle, settings: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Publisher(registry, Ranker(), bundle, **settings)  # type: ignore[arg-type]


def test_two_tables_of_one_name(registry: Registry, bundle: Bundle) -> None:
    module = Ranker()
    module.users.name = "items"
    with pytest.raises(InputError, match="one name: items"):
        Publisher(registry, module, bundle).publish()


def test_a_table_without_rows(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    module = Ranker()
    publisher = Publisher(registry, module, bundle)
    publisher.publish()
    publisher.publish()
    registry.fetch(2, tmp_path / "fetched")
    assert load_model(tmp_path / "fetched").tables["items"].rows.rows == 0
    assert np.array_equal(heights(publisher), [1, 1])
