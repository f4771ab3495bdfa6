"""The embedded model server on a CUDA device: the answers of the processor, whatever is asked of it.

pytest tests/device
"""

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
from featdsl.torch import SavedModel, load_model, save_model
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.on_cuda import pin
from online.model_server.region import Region
from online.model_server.runner import Runner
from online.models import ModelFailed, ModelRefused, ModelServerDown

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { plot: list<float32>  tag: int64 = 0 }
source profile of user { taste: list<float32> }
model ranker {
  wide: float32 = movie.plot |> pad(200)
  tag: int64 = movie.tag
  taste: float32 per request = profile.taste |> pad(56)
  who: int64 per request = hash(user, 50)
  output like: float32
  output second: float64
}
"""


class Ranker(torch.nn.Module):
    """A ranker; `mix` makes it look at the other candidates."""

    def __init__(self, mix: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.tags, self.users = torch.nn.Embedding(40, 8), torch.nn.Embedding(50, 8)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(272, 128),
            torch.nn.ReLU(),
            torch.nn.LayerNorm(128),
            torch.nn.Linear(128, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 1),
        )
        self.mix = mix

    def forward(
        self, wide: torch.Tensor, tag: torch.Tensor, taste: torch.Tensor, who: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = wide.shape[0]
        x = torch.cat([wide, self.tags(tag), taste.expand(n, -1), self.users(who).expand(n, -1)], 1)
        like = self.net(x).squeeze(1)
        if self.mix:
            like = torch.softmax(like, 0)
        return like, wide[:, 1].double() + torch.ones(()) * 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rankers")
    (folder / "ranker.feat").write_text(PROGRAM)
    bundle = build(folder / "ranker.feat")
    kinds = {"by row": Ranker(), "mixed": Ranker(mix=True)}
    return {name: save_model(module, bundle, folder / name) for name, module in kinds.items()}


@pytest.fixture(scope="module")
def server(saved: dict[str, Path]) -> Iterator[EmbeddedModelServer]:
    server = EmbeddedModelServer(ModelOptions(device="cuda"))
    server.load(1, saved["by row"])
    yield server
    server.close()


def call(rows: int, seed: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {
        "wide": chance.standard_normal((rows, 200)).astype(np.float32),
        "tag": chance.integers(0, 40, rows),
        "taste": chance.standard_normal((1, 56)).astype(np.float32),
        "who": chance.integers(0, 50, 1),
    }


def on_processor(model: SavedModel, one: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    answer = model.predict({name: torch.from_numpy(array) for name, array in one.items()})
    return {name: tensor.numpy() for name, tensor in answer.items()}


def near(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray], error: float = 1e-5) -> None:
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(got[name], array, rtol=0, atol=error * max(1.0, np.abs(array).max()))


def test_it_says_where_it_runs_and_what_that_costs(server: EmbeddedModelServer) -> None:
    facts = server.facts(1)
    print(facts)
    assert facts["device"].startswith(f"cuda:0, {torch.cuda.get_device_name(0)}")
    assert facts["cuda graphs"] == "of 16 to 4096 rows, 15 sizes"
    assert "against float32" in facts["largest error"]
    assert not facts["batching"].startswith("off")


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 100, 500, 2000, 4096, 4097, 9000])
def test_a_call_of_any_size(saved: dict[str, Path], server: EmbeddedModelServer, rows: int) -> None:
    model = load_model(saved["by row"])
    for seed in range(3):
        one = call(rows, seed)
        near(server.predict(1, one, 30), on_processor(model, one))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (ModelOptions(device="cuda", cuda_graphs=False), 1e-5),
        (ModelOptions(device="cuda", max_rows=0), 1e-5),
        (ModelOptions(device="cuda:0", tf32=True), 0.005),
        (ModelOptions(device="auto", dtype="bfloat16", split=True), 0.02),
        (ModelOptions(device="cuda", split=True, max_delay_ms=2.0), 1e-5),
    ],
    ids=str,
)
def test_many_callers_in_every_way(saved: dict[str, Path], options: ModelOptions, error: float) -> None:
    model = load_model(saved["by row"])
    server = EmbeddedModelServer(options)
    try:
        started = time.monotonic()
        server.load(1, saved["by row"])
        print(f"{time.monotonic() - started:.1f} s", server.facts(1))
        assert server.facts(1)["device"].startswith("cuda:0")
        calls = [call(rows, seed) for seed, rows in enumerate((1, 2, 7, 20, 33, 500, 3000) * 20)]
        with ThreadPoolExecutor(48) as pool:
            answers = list(pool.map(lambda one: server.predict(1, one, 30), calls))
        for one, answer in zip(calls, answers, strict=True):
            near(answer, on_processor(model, one), error)
        print(server.counts(1))
    finally:
        server.close()


def test_a_call_with_a_wrong_id_fails_alone(saved: dict[str, Path], server: EmbeddedModelServer) -> None:
    model = load_model(saved["by row"])
    pid = server.place(1)["pid"]
    wrong = [call(9, 1), call(9, 2)]
    wrong[0]["tag"][4] = 40
    wrong[1]["who"][0] = -1
    good = call(20, 3)
    stop = threading.Event()
    answers = []

    def ask() -> None:
        while not stop.is_set():
            answers.append(server.predict(1, good, 30))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for one in wrong * 10:
        with pytest.raises(ModelFailed, match="IndexError: index out of range in a table"):
            server.predict(1, one, 30)
    stop.set()
    for thread in threads:
        thread.join()
    assert answers
    for answer in answers:
        near(answer, on_processor(model, good))
    assert server.place(1)["pid"] == pid


def test_a_call_of_another_shape_or_type_is_told(server: EmbeddedModelServer) -> None:
    with pytest.raises(ModelFailed, match="shape"):
        server.predict(1, {**call(9, 1), "taste": np.zeros((1, 7), np.float32)}, 30)
    with pytest.raises(ModelFailed, match=r"tag is torch\.int32"):
        server.predict(1, {**call(9, 1), "tag": np.zeros(9, np.int32)}, 30)


def test_a_process_that_is_killed_is_followed_by_another(
    saved: dict[str, Path], server: EmbeddedModelServer
) -> None:
    one = call(77, 1)
    before = server.predict(1, one, 30)
    os.kill(server.place(1)["pid"], signal.SIGKILL)
    started = time.monotonic()
    after = server.predict(1, one, 60)
    print(f"answered again after {time.monotonic() - started:.1f} s")
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_a_model_that_looks_at_all_candidates(saved: dict[str, Path]) -> None:
    model = load_model(saved["mixed"])
    server = EmbeddedModelServer(ModelOptions(device="cuda"))
    try:
        server.load(1, saved["mixed"])
        assert server.facts(1)["cuda graphs"] == "off: the graph is not by row"
        assert server.facts(1)["batching"].startswith("off: ")
        for rows in (1, 100, 5000):
            one = call(rows, rows)
            near(server.predict(1, one, 30), on_processor(model, one))
        # nothing looks at its ids, so a wrong one ends what the process does on the device: and the process
        wrong = call(9, 1)
        wrong["tag"][4] = 4000
        with pytest.raises(ModelServerDown):
            server.predict(1, wrong, 60)
        one = call(10, 1)
        near(server.predict(1, one, 60), on_processor(model, one))
    finally:
        server.close()


def test_there_is_no_such_device(saved: dict[str, Path]) -> None:
    server = EmbeddedModelServer(ModelOptions(device="cuda:9"))
    try:
        with pytest.raises(ModelRefused, match="there is no cuda:9, they are numbered from 0 to"):
            server.load(1, saved["by row"])
    finally:
        server.close()


def test_a_call_that_needs_too_much_memory_fails_alone(saved: dict[str, Path]) -> None:
    model = load_model(saved["by row"])
    runner = Runner(model, ModelOptions(device="cuda"))
    torch.cuda.set_per_process_memory_fraction(
        (torch.cuda.memory_reserved() + (64 << 20)) / torch.cuda.get_device_properties(0).total_memory
    )
    try:
        large, small = call(200_000, 1), call(20, 2)
        outcome = runner.run([large])[0]
        assert outcome.fault.startswith("OutOfMemoryError: CUDA out of memory")
        near(runner.run([small])[0].outputs, on_processor(model, small))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_shared_memory_is_pinned_while_it_is_mapped() -> None:
    made = Region.create()
    region = Region(os.dup(made.descriptor), pin)
    layout, _ = region.put({"a": np.arange(1000)}, 0)
    before = torch.from_numpy(region.tensors(layout)["a"])
    assert before.is_pinned()
    region.reserve(1 << 22)
    after = torch.from_numpy(region.tensors(layout)["a"])
    assert after.is_pinned()
    assert not before.is_pinned()
    assert after.cuda().tolist() == list(range(1000))
    region.close()
    assert not after.is_pinned()
    torch.ones(3, device="cuda").sum().item()  # no error was left behind
