"""Calls that are run together: which, and that each gets what it would get alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from compiler.bundle import build
from featdsl.torch import save_model
from featdsl.torch.across_calls import AcrossCalls
from featdsl.torch.levels import NotByRow, levels
from featdsl.torch.saved_model import load_model
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.batch_queue import BatchQueue, Waiting
from online.models import ModelFailed, ModelTimeout
from tests.standstill import stand_still

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { tag: int64 = 0  plot: list<float32> }
source profile of user { taste: list<float32> }
model ranker {
  wide: float32 = movie.plot |> pad(16)
  tag: int64 = movie.tag
  taste: float32 per request = profile.taste |> pad(8)
  input: int64 per request = hash(user, 50)
  output like: float32
}
"""


class Ranker(torch.nn.Module):
    """What rankers are made of; `mix` may make it look at the other candidates."""

    def __init__(self, mix: str = "") -> None:
        super().__init__()
        torch.manual_seed(5)
        self.mix = mix
        self.tags, self.users = torch.nn.Embedding(40, 8), torch.nn.Embedding(50, 8)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(40, 32),
            torch.nn.ReLU(),
            torch.nn.LayerNorm(32),
            torch.nn.BatchNorm1d(32),
            torch.nn.Dropout(0.1),
            torch.nn.Linear(32, 1),
        )

    def forward(
        self, wide: torch.Tensor, tag: torch.Tensor, taste: torch.Tensor, input: torch.Tensor
    ) -> torch.Tensor:
        n = wide.shape[0]
        one = torch.cat([taste.view(1, 2, 4).flatten(1), self.users(input)], 1)
        x = torch.cat([wide, self.tags(tag), one.expand(n, -1)], 1)
        attention = torch.softmax(x.view(n, 4, 10).sum(2), -1)
        like = self.net(x).squeeze(1).sigmoid() + attention[:, 1]
        like = (
            like + torch.einsum("ni,ni->n", wide[:, :8], taste.expand(n, -1)) + (wide[:, 8:] * taste).sum(-1)
        )
        return MIXES[self.mix](like, wide, taste)


MIXES = {
    "": lambda like, wide, taste: like,
    "softmax": lambda like, wide, taste: torch.softmax(like, 0),
    "mean": lambda like, wide, taste: like - like.mean(),
    "mean of a column": lambda like, wide, taste: like - wide.mean(0, keepdim=True)[:, 0],
    "cumsum": lambda like, wide, taste: like.cumsum(0),
    "flip": lambda like, wide, taste: like.flip(0),
    "sort": lambda like, wide, taste: like.sort().values,
    "position": lambda like, wide, taste: like + torch.arange(wide.shape[0]),
    "count": lambda like, wide, taste: like / wide.shape[0],
    "product": lambda like, wide, taste: (wide @ wide.t()).sum(1),
    "transposed": lambda like, wide, taste: like + wide.t()[0],
    "index": lambda like, wide, taste: like[torch.zeros_like(like).long()],
    "aligned at the end": lambda like, wide, taste: (wide * taste.repeat(1, 2).squeeze(0)).sum(1),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rankers")
    (folder / "ranker.feat").write_text(PROGRAM)
    bundle = build(folder / "ranker.feat")
    return {mix: save_model(Ranker(mix), bundle, folder / (mix or "plain")) for mix in MIXES}


@pytest.fixture(scope="module")
def server(saved: dict[str, Path]) -> Iterator[EmbeddedModelServer]:
    server = EmbeddedModelServer(ModelOptions(runners=1))
    server.load(1, saved[""])
    yield server
    server.close()


def call(rows: int, seed: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {
        "wide": chance.standard_normal((rows, 16)).astype(np.float32),
        "tag": chance.integers(0, 40, rows),
        "taste": chance.standard_normal((1, 8)).astype(np.float32),
        "input": chance.integers(0, 50, 1),
    }


def test_a_graph_by_rows_answers_several_calls_as_one(saved: dict[str, Path]) -> None:
    model = load_model(saved[""])
    across = AcrossCalls(model.module, model.inputs)
    rows = [3, 1, 40, 8]
    calls = [{n: torch.from_numpy(t) for n, t in call(size, size).items()} for size in rows]
    joined = {name: torch.cat([one[name] for one in calls]) for name in model.inputs}
    with torch.inference_mode():
        got = model.named(across(joined, torch.repeat_interleave(torch.arange(4), torch.tensor(rows))))[
            "like"
        ]
    wanted = torch.cat([model.predict(one)["like"] for one in calls])
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix])
def test_a_graph_that_looks_at_other_candidates_is_left_alone(saved: dict[str, Path], mix: str) -> None:
    model = load_model(saved[mix])
    with pytest.raises(NotByRow):
        levels(model.module, model.inputs)


def test_such_a_model_serves_unbatched_and_says_why(saved: dict[str, Path]) -> None:
    server = EmbeddedModelServer(ModelOptions(runners=1))
    try:
        server.load(1, saved["softmax"])
        assert server.facts(1)["batching"] == "off: `softmax` may mix rows"
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda seed: server.predict(1, call(5, seed), 30)["like"], range(40)))
        assert all(abs(answer.sum() - 1) < 1e-5 for answer in answers)
        assert server.counts(1)["largest"] == 1
    finally:
        server.close()


def test_each_call_gets_its_own_answers(server: EmbeddedModelServer, saved: dict[str, Path]) -> None:
    model = load_model(saved[""])
    assert server.facts(1)["batching"].startswith(("bit-equal", "largest relative error"))
    calls = [call(1 + seed * 7 % 60, seed) for seed in range(300)]
    before = server.counts(1)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: server.predict(1, one, 30)["like"], calls))
    for one, answer in zip(calls, answers, strict=True):
        wanted = model.predict({n: torch.from_numpy(t) for n, t in one.items()})["like"]
        np.testing.assert_allclose(answer, wanted.numpy(), rtol=1e-4, atol=1e-5)
    counts = server.counts(1)
    assert counts["calls"] - before["calls"] == 300
    assert counts["runs"] - before["runs"] < 300, "some were run together"


def waiting_together(
    server: EmbeddedModelServer, calls: list[dict[str, np.ndarray]], deadline_s: float
) -> list:
    """Asks while the model's process stands still, so that all wait when it goes on."""
    pid = server._workers[1].process.pid
    stand_still(pid)
    outcomes: list = [None] * len(calls)

    def ask(i: int) -> None:
        try:
            outcomes[i] = server.predict(1, calls[i], deadline_s)["like"]
        except Exception as fault:
            outcomes[i] = fault

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    if deadline_s < 1:
        for thread in threads:
            thread.join()
    os.kill(pid, signal.SIGCONT)
    for thread in threads:
        thread.join()
    return outcomes


def test_a_call_at_fault_fails_alone(server: EmbeddedModelServer) -> None:
    calls = [call(4, seed) for seed in range(6)]
    calls[1]["tag"] = np.full(4, 4_000)
    del calls[2]["taste"]
    calls[3]["wide"] = calls[3]["wide"][:, :9]
    calls[4]["wide"][2, 3] = np.nan
    outcomes = waiting_together(server, calls, 30)
    assert [isinstance(outcome, ModelFailed) for outcome in outcomes] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert np.isnan(outcomes[4]).tolist() == [False, False, True, False]
    assert np.isfinite(outcomes[0]).all()
    assert np.isfinite(outcomes[5]).all()


def test_a_call_that_nobody_waits_for_is_not_run(server: EmbeddedModelServer) -> None:
    before = server.counts(1)
    outcomes = waiting_together(server, [call(4, seed) for seed in range(5)], 0.5)
    assert all(isinstance(outcome, ModelTimeout) for outcome in outcomes)
    counts = server.counts(1, 10)
    assert counts["calls"] == before["calls"]


def queue(
    max_rows: int = 100, delay_s: float = 0.0, **calls: tuple[int, int, float, float]
) -> BatchQueue[str]:
    made: BatchQueue[str] = BatchQueue(max_rows, delay_s)
    for name, (caller, rows, arrived, by) in calls.items():
        made.add(Waiting(name, caller, rows, arrived, by))
    return made


def test_callers_have_turns() -> None:
    mine = queue(
        max_rows=20, a=(1, 10, 0, 9), b=(1, 10, 1, 9), c=(1, 10, 2, 9), x=(2, 10, 3, 9), y=(2, 10, 4, 9)
    )
    assert [mine.take(5).batch for _ in range(4)] == [["a", "x"], ["b", "y"], ["c"], []]


def test_a_large_call_goes_first_in_its_turn_and_alone() -> None:
    mine = queue(max_rows=20, a=(1, 15, 0, 9), large=(2, 500, 1, 9), c=(1, 5, 2, 9))
    assert [mine.take(5).batch for _ in range(2)] == [["a", "c"], ["large"]]


def test_late_calls_are_told_apart() -> None:
    mine = queue(a=(1, 1, 0, 5), b=(1, 1, 0, 9), c=(2, 1, 0, 4))
    taken = mine.take(5)
    assert (taken.batch, sorted(taken.late), len(mine)) == (["b"], ["a", "c"], 0)


@pytest.mark.parametrize(
    ("now", "others", "max_rows", "by", "wait_s"),
    [
        (1.0, 1, 100, 99.0, 0.5),  # one may come
        (1.25, 1, 100, 99.0, 0.25),
        (1.0, 0, 100, 99.0, 0.0),  # nobody else is about
        (1.5, 1, 100, 99.0, 0.0),  # it has waited long enough
        (1.0, 1, 3, 99.0, 0.0),  # it is large enough
        (1.0, 1, 100, 1.4, 0.0),  # it would be late
    ],
)
def test_it_waits_only_for_those_who_may_come(
    now: float, others: int, max_rows: int, by: float, wait_s: float
) -> None:
    mine = queue(max_rows=max_rows, delay_s=0.5, a=(1, 4, 1.0, by))
    assert mine.wait_s(now, others) == wait_s
    assert queue(delay_s=0.5).wait_s(now, others) is None
    assert queue(a=(1, 4, 1.0, by)).wait_s(now, others) == 0.0
    assert mine.drop("a")
    assert not mine.drop("a")
    assert mine.wait_s(now, others) is None
