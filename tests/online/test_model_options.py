"""bfloat16, what is per request computed once, compiled code: what they change, and what they cost in exactness."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from compiler.bundle import build
from featdsl.errors import InputError
from featdsl.torch import save_model
from featdsl.torch.across_calls import AcrossCalls
from featdsl.torch.bfloat16 import with_bfloat16_products
from featdsl.torch.by_level import split_by_level
from featdsl.torch.saved_model import load_model
from online.model_server import EmbeddedModelServer, ModelOptions
from online.model_server.devices import check_device
from online.model_server.graphs import graphs_of
from online.models import ModelFailed, ModelRefused

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { plot: list<float32> }
source profile of user { taste: list<float32> }
model ranker {
  wide: float32 = movie.plot |> pad(40)
  taste: float32 per request = profile.taste |> pad(24)
  who: int64 per request = hash(user, 50)
  output like: float32
}
"""


class Ranker(torch.nn.Module):
    """Two products read the request beside the candidates, a third reads what came of them."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.users = torch.nn.Embedding(50, 8)
        self.wide, self.deep = torch.nn.Linear(72, 1), torch.nn.Linear(72, 32)
        self.top = torch.nn.Linear(32, 1)
        self.scale = scale

    def forward(self, wide: torch.Tensor, taste: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
        n = wide.shape[0]
        x = torch.cat([wide[:, :20], taste.expand(n, -1), wide[:, 20:], self.users(who).expand(n, -1)], 1)
        like: torch.Tensor = (self.wide(x) + self.top(torch.relu(self.deep(x)))).squeeze(1)
        return torch.sin(like * self.scale)


class Apart(torch.nn.Module):
    """Reads the request by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.items, self.users = torch.nn.Linear(40, 8), torch.nn.Linear(24, 8)

    def forward(self, wide: torch.Tensor, taste: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
        return (self.items(wide) * self.users(taste)).sum(1)


class Large(torch.nn.Module):
    """More parameters than torch looks through with one thread."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.net = torch.nn.Sequential(torch.nn.Linear(40, 4000), torch.nn.ReLU(), torch.nn.Linear(4000, 1))

    def forward(self, wide: torch.Tensor, taste: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
        like: torch.Tensor = self.net(wide).squeeze(1)
        return like


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rankers")
    (folder / "ranker.feat").write_text(PROGRAM)
    bundle = build(folder / "ranker.feat")
    kinds = {"ranker": Ranker(), "steep": Ranker(1e6), "apart": Apart(), "large": Large()}
    return {name: save_model(module, bundle, folder / name) for name, module in kinds.items()}


def call(rows: int, seed: int) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {
        "wide": torch.randn(rows, 40, generator=chance),
        "taste": torch.randn(1, 24, generator=chance),
        "who": torch.randint(0, 50, (1,), generator=chance),
    }


def products(module: torch.fx.GraphModule) -> list[torch.fx.Node]:
    return [node for node in module.graph.nodes if "linear" in str(node.target)]


@pytest.mark.parametrize("rows", [0, 1, 2, 300])
def test_a_product_is_the_sum_of_its_levels(saved: dict[str, Path], rows: int) -> None:
    model = load_model(saved["ranker"])
    split, said = split_by_level(model.module, model.inputs)
    assert said == "once a call: 32 of 72 columns, 32 of 72 columns"
    assert [str(tuple(n.meta["val"].shape)) for n in products(split)[1:4:2]] == ["(1, 1)", "(1, 32)"]
    one = call(rows, rows)
    with torch.inference_mode():
        got = model.named(split(**one))["like"]
    torch.testing.assert_close(got, model.predict(one)["like"], rtol=1e-5, atol=1e-5)


def test_a_split_graph_takes_several_calls(saved: dict[str, Path]) -> None:
    model = load_model(saved["ranker"])
    split, _ = split_by_level(model.module, model.inputs)
    calls = [call(rows, rows) for rows in (4, 1, 9)]
    joined = {name: torch.cat([one[name] for one in calls]) for name in model.inputs}
    call_of_row = torch.repeat_interleave(torch.arange(3), torch.tensor([4, 1, 9]))
    wanted = torch.cat([model.predict(one)["like"] for one in calls])
    for bfloat16, error in ((False, 1e-5), (True, 0.05)):
        across = AcrossCalls(split, model.inputs, bfloat16=bfloat16)
        with torch.inference_mode():
            got = model.named(across(joined, call_of_row))["like"]
        torch.testing.assert_close(got, wanted, rtol=error, atol=error)


def test_a_model_that_reads_the_request_by_itself_needs_no_split(saved: dict[str, Path]) -> None:
    model = load_model(saved["apart"])
    module, said = split_by_level(model.module, model.inputs)
    assert module is model.module
    assert said == "off: no product reads the request beside the candidates"


def test_only_products_are_narrow(saved: dict[str, Path]) -> None:
    model = load_model(saved["ranker"])
    narrow, count = with_bfloat16_products(model.module)
    assert count == 3
    one = call(50, 5)
    with torch.inference_mode():
        got = model.named(narrow(**one))["like"]
    wanted = model.predict(one)["like"]
    assert got.dtype == torch.float32
    assert not torch.equal(got, wanted)
    torch.testing.assert_close(got, wanted, rtol=0.05, atol=0.02)


def test_a_server_says_what_its_options_cost(saved: dict[str, Path]) -> None:
    model = load_model(saved["ranker"])
    server = EmbeddedModelServer(ModelOptions(dtype="bfloat16", split=True, tolerance=0.05))
    try:
        server.load(1, saved["ranker"])
        facts = server.facts(1)
        assert facts["split"].startswith("once a call: 32 of 72 columns")
        assert facts["dtype"] == "bfloat16 in 5 products"
        assert "against float32" in facts["largest error"]
        calls = [call(20, seed) for seed in range(30)]
        arrays = [{name: tensor.numpy() for name, tensor in one.items()} for one in calls]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda one: server.predict(1, one, 30)["like"], arrays))
        for one, answer in zip(calls, answers, strict=True):
            np.testing.assert_allclose(answer, model.predict(one)["like"].numpy(), atol=0.05)
        with pytest.raises(ModelRefused, match=r"its largest error is .* the tolerance is 0\.05"):
            server.load(2, saved["steep"])
    finally:
        server.close()


def test_several_threads_run_a_large_model(saved: dict[str, Path]) -> None:
    server = EmbeddedModelServer(ModelOptions(threads=2))
    try:
        server.load(1, saved["large"])
        one = call(600, 1)
        got = server.predict(1, {name: tensor.numpy() for name, tensor in one.items()}, 30)["like"]
        np.testing.assert_allclose(got, load_model(saved["large"]).predict(one)["like"].numpy(), atol=1e-4)
    finally:
        server.close()


def test_there_is_no_such_device(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # here as on a machine that has one
    server = EmbeddedModelServer(ModelOptions(device="cuda"))
    try:
        with pytest.raises(ModelRefused, match=r"no CUDA device can be used: torch .*; `auto` takes"):
            server.load(1, saved["ranker"])
    finally:
        server.close()
    server = EmbeddedModelServer(ModelOptions(device="auto"))
    try:
        server.load(1, saved["ranker"])
        assert "device" not in server.facts(1)
    finally:
        server.close()


def test_a_device_is_asked_for_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match="no CUDA device is on this machine: NVIDIA's driver") as told:
        check_device("cuda:1")
    assert told.value.help == "`auto` takes the processor where there is none"
    for name in ("gpu", "cuda:", "cuda:x", "CUDA"):
        with pytest.raises(InputError, match=f"not a device: {name}"):
            check_device(name)
    check_device("auto")


def test_a_graph_says_which_candidates_have_an_id_outside_of_a_table(saved: dict[str, Path]) -> None:
    model = load_model(saved["ranker"])
    for options in (ModelOptions(), ModelOptions(split=True, dtype="bfloat16")):
        form = graphs_of(model, options, on_device=True).form().moved(torch.device("cpu"))
        calls = [call(rows, rows) for rows in (4, 1, 9)]
        calls[1]["who"][0] = 50
        with torch.inference_mode():
            made = form.run(form.tensors(calls, [4, 1, 9]))
        assert made[-1].tolist() == [False] * 4 + [True] + [False] * 9
        wanted = [model.predict(calls[i])["like"] for i in (0, 2)]
        got = form.named(made)["like"]
        torch.testing.assert_close(torch.cat([got[:4], got[5:]]), torch.cat(wanted), atol=0.05, rtol=0.05)


def test_compiled_code_serves_every_version_of_a_graph(saved: dict[str, Path], tmp_path: Path) -> None:
    other = Ranker()
    with torch.no_grad():
        for tensor in other.parameters():
            tensor.mul_(-0.7)
    (tmp_path / "ranker.feat").write_text(PROGRAM)
    versions = {1: saved["ranker"], 2: save_model(other, build(tmp_path / "ranker.feat"), tmp_path / "other")}
    server = EmbeddedModelServer(
        ModelOptions(dtype="bfloat16", split=True, compile=True, runners=2, tolerance=0.1)
    )
    try:
        for version, directory in versions.items():
            server.load(version, directory)
        assert server.facts(1)["compile"].startswith("in ")
        assert server.facts(2)["compile"] == "the code of an earlier version"
        assert "against float32" in server.facts(2)["largest error"]
        calls = [call(rows, rows) for rows in (1, 2, 7, 20, 33, 500) * 5]
        arrays = [{name: tensor.numpy() for name, tensor in one.items()} for one in calls]
        for version, directory in versions.items():
            model = load_model(directory)
            with ThreadPoolExecutor(6) as pool:
                answers = list(
                    pool.map(lambda one, version=version: server.predict(version, one, 30)["like"], arrays)
                )
            for one, answer in zip(calls, answers, strict=True):
                np.testing.assert_allclose(answer, model.predict(one)["like"].numpy(), atol=0.1)
        with pytest.raises(ModelFailed, match="cannot be multiplied"):
            server.predict(1, {**arrays[3], "wide": arrays[3]["wide"][:, :39]}, 30)
        with pytest.raises(ModelFailed, match="index out of"):
            server.predict(1, {**arrays[3], "who": np.array([50])}, 30)
        answer = server.predict(1, arrays[3], 30)["like"]
        os.kill(server.place(1)["pid"], signal.SIGKILL)
        np.testing.assert_array_equal(server.predict(1, arrays[3], 30)["like"], answer)
        assert server.facts(1)["compile"] == "the code of an earlier version"
    finally:
        server.close()


def test_a_version_that_does_not_compile_serves(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    server = EmbeddedModelServer(ModelOptions(compile=True))
    try:
        server.load(1, saved["ranker"])
        said = server.facts(1)["compile"]
        assert said == "off: no C++ compiler runs: /nowhere/g++: No such file or directory"
        one = call(20, 1)
        got = server.predict(1, {name: tensor.numpy() for name, tensor in one.items()}, 30)["like"]
        np.testing.assert_array_equal(got, load_model(saved["ranker"]).predict(one)["like"].numpy())
    finally:
        server.close()


def test_a_version_that_dies_while_another_compiles_is_started_again(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler, slow = tmp_path / "compiler", tmp_path / "slow"
    compiler.write_text(f"#!/bin/sh\nwhile [ -e {slow} ]; do sleep 0.1; done\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    server = EmbeddedModelServer(ModelOptions(compile=True))
    try:
        server.load(1, saved["ranker"])
        assert server.facts(1)["compile"].startswith("off: the C++ compiler fails")
        slow.touch()
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(server.load, 2, saved["apart"])
            try:
                one = {name: tensor.numpy() for name, tensor in call(20, 1).items()}
                answer = server.predict(1, one, 30)["like"]
                os.kill(server.place(1)["pid"], signal.SIGKILL)
                np.testing.assert_array_equal(server.predict(1, one, 60)["like"], answer)
                assert not loading.done()
            finally:
                slow.unlink()
            loading.result(120)
    finally:
        server.close()
