"""Several processes of one training job: one version of them all, and what happens when one of them dies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from featdsl.torch import load_model
from model_sync import Registry, open_registry
from tests.model_sync.job_trainer import JobTrainer

WORLD = 3


class Members:
    """The processes of a job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry: Registry = open_registry(f"dir://{folder}/registry", create=True)
        self.ranks = [JobTrainer(folder, rank, WORLD) for rank in range(WORLD)]

    def all(self, what: str) -> list[object]:
        for one in self.ranks:
            one.do(what)
        return [one.done() for one in self.ranks]

    def publish(self, *, check: bool = True) -> int:
        """All train a step and publish: each is told of the same version, and it is what they have."""
        self.all("step")
        numbers = self.all("publish")
        assert len(set(numbers)) == 1
        number = numbers[0]
        assert isinstance(number, int)
        if check:
            self.check(number)
        return number

    def check(self, number: int) -> None:
        folder = self.folder / f"fetched-{number}"
        self.registry.fetch(number, folder)
        model = load_model(folder)
        for table in ("items", "users"):
            rows: dict[int, list[float]] = {}
            for member in self.ranks:
                rows |= member.ask("rows")[table]
            snapshot = model.tables[table].rows
            assert sorted(snapshot.ids().tolist()) == sorted(rows)
            found = np.zeros((len(rows), model.tables[table].rows.table.width), np.float32)
            snapshot.gather(np.array(list(rows), np.int64), found)
            assert found.tolist() == list(rows.values())
        parameters = {name: tensor.tolist() for name, tensor in model.module.named_parameters()}
        assert parameters == self.ranks[0].ask("parameters")

    def start(self, rank: int, timeout_s: float = 60.0) -> None:
        """Once more, from its checkpoint."""
        self.ranks[rank].kill()
        self.ranks[rank] = JobTrainer(self.folder, rank, WORLD, timeout_s)
        self.ranks[rank].ask("restore")

    def fail(self, rank: int, what: str) -> str:
        with pytest.raises(RuntimeError) as failed:
            self.ranks[rank].done()
        assert what in str(failed.value)
        return str(failed.value)

    def heights(self, number: int) -> int:
        return len(self.registry.version(number).tables["items"].layers)

    def head(self) -> int | None:
        head = self.registry.head()
        return None if head is None else head.version


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Members]:
    members = Members(tmp_path)
    yield members
    for one in members.ranks:
        one.kill()


def test_processes_of_a_job_publish_one_version(job: Members) -> None:
    numbers = [job.publish() for _ in range(3)]
    job.ranks[1].ask("evict")
    numbers += [job.publish(check=number % 5 == 0) for number in range(4, 21)]
    assert numbers == list(range(1, 21))
    stacks = [job.registry.version(number).tables["items"] for number in numbers]
    lowered = 0
    for before, now in pairwise(stacks):
        assert len(now.layers) == 1 or now.layers[-2].after == before.state
        lowered += 1 < len(now.layers) <= len(before.layers)
    assert lowered, "layers were made one, by all processes"


def test_who_dies_before_it_has_told_is_waited_for_and_comes_back(job: Members) -> None:
    job.publish()
    job.all("save")
    job.start(0, timeout_s=1.0)
    job.publish()
    job.all("save")
    job.all("step")
    job.ranks[2].kill()
    for rank in (0, 1):
        job.ranks[rank].do("publish")
    assert "nothing is lost" in job.fail(
        0, "nothing is published by job rankers: rank 2 has not answered for 1 s"
    )
    job.fail(1, "rank 0: ")
    assert job.head() == 2
    job.start(2)
    job.start(0)
    assert job.publish() == 3
    assert job.heights(3) == 1, "what the restarted ones have told is not known: all rows"
    assert job.publish() == 4


@pytest.mark.parametrize(
    ("at", "done_before", "moves"),
    [
        ("note pending/rankers/call.json", False, False),
        ("note pending/rankers/call.json", True, False),
        ("commit.json", False, False),
        ("commit.json", True, False),
        ("swap versions", True, False),
        ("swap HEAD", False, False),
        ("swap HEAD", True, True),
    ],
)
def test_rank_0_dies(job: Members, at: str, done_before: bool, moves: bool) -> None:
    """Others learn what came of it at the next publish: nothing, or the version that HEAD names."""
    job.publish()
    job.all("step")
    job.all("save")
    job.ranks[0].ask("die_at", at, done_before)
    for one in job.ranks:
        one.do("publish")
    with pytest.raises((EOFError, ConnectionResetError)):
        job.ranks[0].done()
    assert job.head() == (2 if moves else 1)
    if moves:
        assert [job.ranks[rank].done() for rank in (1, 2)] == [2, 2]
        job.start(0)
        job.check(2)
        assert job.publish() == 3
    else:
        job.start(0)
        job.ranks[0].do("publish")  # the others still wait
        numbers = {one.done() for one in job.ranks}
        assert len(numbers) == 1
        job.check(numbers.pop())
    job.publish()


def test_an_id_of_two_processes_and_a_row_that_is_not_finite(job: Members) -> None:
    job.publish()
    job.ranks[1].ask("steal", 3)
    job.ranks[0].ask("steal", 3)
    for one in job.ranks:
        one.do("publish")
    assert "id % world" in job.fail(0, "two processes of the job have a row of one id in table items: 3")
    for rank in (1, 2):
        job.fail(rank, "rank 0: two processes")
    job.ranks[2].ask("spoil")
    for one in job.ranks:
        one.do("publish")
    job.fail(2, "the table items is not published: the row of id 2 is not finite")
    job.fail(0, "rank 2: the table items is not published")
    job.fail(1, "rank 0: ")
    assert job.head() == 1
