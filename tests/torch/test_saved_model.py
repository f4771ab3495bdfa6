"""Saved models: what comes back is what was saved, nothing is unpickled, and damage is told."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compiler.bundle import Bundle, build
from featdsl.errors import InputError
from featdsl.torch import load_model, save_model

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { year: int32 = 0  genres: list<string> }
source profile of user { n: int32 = 0 }
model ranker {
  dense:  float32 = [movie.year, profile.n]
  genres: int64   = movie.genres |> hash(100) |> pad(4)
  once:   int64 per request = hash(user, 100)
  output like: float32
  output watch: float32
}
"""


class Ranker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 4)
        self.layer = nn.Linear(2 + 4 + 4, 2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, dense: Tensor, genres: Tensor, once: Tensor) -> dict[str, Tensor]:
        user = self.table(once).expand(dense.shape[0], -1)
        out = self.layer(self.dropout(torch.cat([dense, self.table(genres).mean(1), user], 1)))
        return {"like": out[:, 0], "watch": out[:, 1]}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("program") / "ranker.feat"
    path.write_text(PROGRAM)
    return build(path)


@pytest.fixture(scope="module")
def saved(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ranker, Path]:
    torch.manual_seed(3)
    ranker = Ranker()
    return ranker, save_model(
        ranker, bundle, tmp_path_factory.mktemp("models") / "ranker", metrics={"auc": 0.7}
    )


def tensors(rows: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return {
        "dense": torch.randn(rows, 2, generator=generator),
        "genres": torch.randint(0, 100, (rows, 4), generator=generator),
        "once": torch.tensor([7]),
    }


@pytest.mark.parametrize("rows", [0, 1, 2, 500])
def test_the_loaded_model_answers_as_the_module_in_eval_mode(saved: tuple[Ranker, Path], rows: int) -> None:
    ranker, path = saved
    loaded = load_model(path)
    ranker.eval()
    with torch.inference_mode():
        wanted = ranker(**tensors(rows))
    found = loaded.predict(tensors(rows))
    assert list(found) == ["like", "watch"]
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_loading_unpickles_nothing(saved: tuple[Ranker, Path]) -> None:
    program = (
        "import sys, pickle\n"
        "from featdsl.torch import load_model\n"
        "load_model(sys.argv[1])\n"
        "found = []\n"
        "sys.addaudithook(lambda event, args: found.append(event) if event == 'pickle.find_class' else None)\n"
        "def refuse(*a, **k): raise SystemExit('something was unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = pickle._Unpickler = refuse\n"
        "load_model(sys.argv[1])\n"
        "sys.exit(f'unpickled: {found}' if found else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(saved[1])], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_archive_with_a_pickle_inside_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    import hashlib
    import json

    path = save_model(Ranker(), bundle, tmp_path / "model")
    given = io.BytesIO((path / "program.pt2").read_bytes())
    with zipfile.ZipFile(given) as archive, zipfile.ZipFile(path / "program.pt2", "w") as other:
        for entry in archive.infolist():
            data = archive.read(entry)
            evil = pickle.dumps(print) if "sample_inputs" in entry.filename else data
            other.writestr(entry.filename, evil)
    description = json.loads((path / "model.json").read_text())
    description["files"]["program.pt2"] = hashlib.sha256((path / "program.pt2").read_bytes()).hexdigest()
    (path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="holds something that is no graph"):
        load_model(path)


def test_the_program_holds_no_parameters(saved: tuple[Ranker, Path]) -> None:
    with zipfile.ZipFile(saved[1] / "program.pt2") as archive:
        assert sum(e.file_size for e in archive.infolist() if "weight_" in e.filename) < 100


def test_a_module_may_take_its_inputs_by_name(
    bundle: Bundle, saved: tuple[Ranker, Path], tmp_path: Path
) -> None:
    class ByName(nn.Module):
        def __init__(self, ranker: nn.Module) -> None:
            super().__init__()
            self.ranker = ranker

        def forward(self, dense: Tensor, **others: Tensor) -> object:
            return self.ranker(dense, others["genres"], others["once"])

    model = load_model(save_model(ByName(saved[0]), bundle, tmp_path / "by name"))
    one = {
        "dense": torch.randn(7, 2),
        "genres": torch.randint(0, 100, (7, 4)),
        "once": torch.randint(0, 100, (1,)),
    }
    wanted = load_model(saved[1]).predict(one)
    for name, tensor in model.predict(one).items():
        torch.testing.assert_close(tensor, wanted[name])


def test_files_that_change_later_do_not_reach_a_loaded_model(bundle: Bundle, tmp_path: Path) -> None:
    path = save_model(Ranker(), bundle, tmp_path / "model")
    loaded = load_model(path)
    before = loaded.predict(tensors(3))["like"].clone()
    for file in path.iterdir():
        file.write_bytes(b"\0" * file.stat().st_size)
    assert torch.equal(loaded.predict(tensors(3))["like"], before)


@pytest.mark.parametrize("name", ["program.pt2", "parameters.safetensors", "model.json"])
def test_a_damaged_file_is_told(bundle: Bundle, tmp_path: Path, name: str) -> None:
    path = save_model(Ranker(), bundle, tmp_path / "model")
    whole = (path / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        (path / name).write_bytes(damaged)
        with pytest.raises(InputError):
            load_model(path)
    (path / name).unlink()
    with pytest.raises(InputError):
        load_model(path)


def test_a_parameter_that_is_not_finite_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    ranker = Ranker()
    with torch.no_grad():
        ranker.layer.bias[0] = float("nan")
    path = save_model(ranker, bundle, tmp_path / "model")
    with pytest.raises(InputError, match=r"a parameter is not finite: .*layer\.bias"):
        load_model(path)


class WrongInputs(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        return dense[:, 0]


class WrongShape(Ranker):
    def forward(self, dense: Tensor, genres: Tensor, once: Tensor) -> dict[str, Tensor]:
        return {name: t.unsqueeze(1) for name, t in super().forward(dense, genres, once).items()}


class WrongNames(Ranker):
    def forward(self, dense: Tensor, genres: Tensor, once: Tensor) -> dict[str, Tensor]:
        return {"like": super().forward(dense, genres, once)["like"]}


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (WrongInputs, "does not fit model ranker: .*unexpected keyword argument"),
        (WrongShape, r"output like has shape \[4, 1\] for 4 rows, not \[4\]"),
        (WrongNames, r"the outputs are \['like'\], the program names \['like', 'watch'\]"),
    ],
)
def test_a_module_that_does_not_fit_is_told(
    bundle: Bundle, tmp_path: Path, module: type[nn.Module], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        save_model(module(), bundle, tmp_path / "model")
    assert "dense float32[n, 2]" in error.value.help
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_something_else_is_not_overwritten(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not a saved model, so it is not overwritten"):
        save_model(Ranker(), bundle, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
