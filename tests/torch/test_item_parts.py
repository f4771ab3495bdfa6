"""A model in two: what it makes of an item alone, and the rest. Together they give what it gives as a whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from compiler.bundle import Bundle, build
from featdsl.torch import save_model
from featdsl.torch.across_calls import AcrossCalls
from featdsl.torch.item_parts import Parted, item_inputs, part_items
from featdsl.torch.saved_model import SavedModel, load_model

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source movie of item { plot: list<float32>  tag: int64 = 0  words: list<int64> }
source profile of user { taste: list<float32> }
candidate { boost: float32 = 0.0 }
model ranker {
  wide: float32 = movie.plot |> pad(12)
  tag: int64 = movie.tag
  words: int64 = movie.words |> pad(3)
  pair: float32 = [candidate.boost, movie.tag, candidate.boost + 1.0, 2.0]
  taste: float32 per request = profile.taste |> pad(6)
  who: int64 per request = hash(user, 50)
  output like: float32
  output buy: float32
}
"""
ITEMS = {"wide", "tag", "words"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("program") / "ranker.feat"
    path.write_text(PROGRAM)
    return build(path)


def call(rows: int, seed: int) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {
        "wide": torch.randn(rows, 12, generator=chance),
        "tag": torch.randint(0, 40, (rows,), generator=chance),
        "words": torch.randint(0, 40, (rows, 3), generator=chance),
        "pair": torch.randn(rows, 4, generator=chance),
        "taste": torch.randn(1, 6, generator=chance),
        "who": torch.randint(0, 50, (1,), generator=chance),
    }


class Mixture(torch.nn.Module):
    """Layers and tables, put together by chance, as rankers are: some read an item alone, some all there is."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.seed = seed
        self.tags, self.users, self.bias = (
            torch.nn.Embedding(40, 8), torch.nn.Embedding(50, 8), torch.nn.Embedding(40, 1)
        )  # fmt: skip
        self.layers = torch.nn.ModuleDict()
        self.forward(**call(3, 0))  # its layers are made as they are met
        self.eval()

    def layer(self, name: str, x: torch.Tensor, width: int, *, bias: bool = True) -> torch.Tensor:
        if name not in self.layers:
            self.layers[name] = torch.nn.Linear(x.shape[-1], width, bias=bias)
        made: torch.Tensor = self.layers[name](x)
        return made

    def forward(
        self, wide: torch.Tensor, tag: torch.Tensor, words: torch.Tensor, pair: torch.Tensor, taste: torch.Tensor,
        who: torch.Tensor,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        rng = random.Random(self.seed)
        n = wide.shape[0]
        tower = torch.relu(
            self.layer("tower", torch.cat([wide, self.tags(tag)], 1), 8, bias=rng.random() < 0.5)
        )
        one = torch.cat([taste, self.users(who)], 1)
        pieces = [
            wide, wide[:, :5], torch.log1p(wide.abs()), self.tags(tag), self.tags(words).flatten(1), tower,
            self.tags(words).mean(1), pair, pair[:, 1:3], wide[:, :4] * pair, one.expand(n, -1), taste.expand(n, -1),
            torch.nn.functional.layer_norm(wide, (12,)), torch.ones(n, 2), tower * self.users(who),
            self.tags(words).view(n, 6, 4).sum(1), torch.cat([wide, pair], 1), torch.cat([wide, tower], 1),
        ]  # fmt: skip
        chosen = rng.sample(pieces, rng.randrange(1, 7))
        hidden = torch.relu(
            self.layer("first", torch.cat(chosen, rng.choice([1, -1])), 16, bias=rng.random() < 0.8)
        )
        like = self.layer("second", torch.cat([hidden, rng.choice(pieces)], 1), 1).squeeze(1)
        if rng.random() < 0.5:
            like = like + (self.layer("top", tower, 8) * self.users(who)).sum(1)
        if rng.random() < 0.5:
            like = like + self.bias(words).sum(1).squeeze(1) + self.bias(tag).squeeze(1)
        if rng.random() < 0.3:
            like = like + wide[:, 0] * taste[:, 0]
        return {"buy": rng.choice([tower, hidden, wide]).sum(1), "like": like.sigmoid()}


def saved(module: torch.nn.Module, bundle: Bundle, folder: Path) -> SavedModel:
    return load_model(save_model(module, bundle, folder / "model"))


def together(parted: Parted, one: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the halves give; each is given its own inputs alone."""
    parts = parted.of_items.predict({name: one[name] for name in parted.of_items.inputs})
    return parted.rest.predict({name: ({**one, **parts})[name] for name in parted.rest.inputs})


def near(got: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert list(got) == list(wanted)
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(24))
def test_the_halves_give_what_the_whole_gives(seed: int, bundle: Bundle, tmp_path: Path) -> None:
    model = saved(Mixture(seed), bundle, tmp_path)
    parted = part_items(model, ITEMS)
    assert isinstance(parted, Parted)
    assert set(parted.of_items.inputs) <= ITEMS
    assert set(parted.of_items.outputs) <= set(parted.rest.inputs)
    for rows in (0, 1, 2, 70):
        near(together(parted, call(rows, seed)), model.predict(call(rows, seed)))
    calls = [call(rows, rows) for rows in (4, 1, 9)]
    parts = [{**one, **parted.of_items.predict(one)} for one in calls]
    joined = {name: torch.cat([one[name] for one in parts]) for name in parted.rest.inputs}
    call_of_row = torch.repeat_interleave(torch.arange(3), torch.tensor([4, 1, 9]))
    with torch.inference_mode():
        got = parted.rest.named(AcrossCalls(parted.rest.module, parted.rest.inputs)(joined, call_of_row))
    near(got, {n: torch.cat([model.predict(one)[n] for one in calls]) for n in model.outputs})


def test_an_inputs_level_is_the_programs(bundle: Bundle, tmp_path: Path) -> None:
    save_model(Mixture(0), bundle, tmp_path / "model")
    assert item_inputs(tmp_path / "model", "ranker") == ITEMS


class Plain(torch.nn.Module):
    """A first product of all levels; `mix` is what else it does with the items' inputs."""

    def __init__(self, mix: str = "") -> None:
        super().__init__()
        torch.manual_seed(1)
        self.mix = mix
        self.tags, self.first, self.top = (
            torch.nn.Embedding(40, 8),
            torch.nn.Linear(30, 64),
            torch.nn.Linear(64, 1),
        )

    def forward(
        self, wide: torch.Tensor, tag: torch.Tensor, words: torch.Tensor, pair: torch.Tensor, taste: torch.Tensor,
        who: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        n = wide.shape[0]
        if self.mix == "apart":
            return (wide * 2).sum(1) + pair.sum(1), (self.tags(tag) * taste[:, :1]).sum(1)
        x = torch.cat([wide, self.tags(tag), pair, taste.expand(n, -1)], 1)
        like = self.top(torch.relu(self.first(x))).squeeze(1)
        if self.mix == "softmax":
            like = torch.softmax(like, 0)
        if self.mix == "reads":
            like = like + wide[:, 0] * pair[:, 0]
        return like, like * 2


def test_what_is_not_read_any_more_need_not_be_sent(bundle: Bundle, tmp_path: Path) -> None:
    parted = part_items(saved(Plain(), bundle, tmp_path), ITEMS)
    assert isinstance(parted, Parted)
    assert list(parted.of_items.inputs) == ["wide", "tag"]
    assert parted.rest.inputs == {
        "pair": (torch.float32, (None, 4)), "taste": (torch.float32, (1, 6)), "part_0__": (torch.float32, (None, 64)),
    }  # fmt: skip
    said = "once a call: 6 of 30 columns; once an item: 20 of 30 columns"
    assert parted.said == f"64 numbers an item in place of wide, tag; {said}"


def test_an_input_that_is_read_elsewhere_too_is_still_sent(bundle: Bundle, tmp_path: Path) -> None:
    parted = part_items(saved(Plain("reads"), bundle, tmp_path), ITEMS)
    assert isinstance(parted, Parted)
    assert set(parted.rest.inputs) == {"wide", "pair", "taste", "part_0__"}
    assert parted.said.startswith("64 numbers an item in place of tag;")


def test_models_that_stay_in_one(bundle: Bundle, tmp_path: Path) -> None:
    nothing = "off: the model multiplies nothing by parameters that is an item's alone"
    for mix, items, said in [
        ("softmax", ITEMS, "off: `softmax` may mix rows"),
        ("apart", ITEMS, nothing),
        ("", set(), nothing),
    ]:
        assert part_items(saved(Plain(mix), bundle, tmp_path / f"{mix}-{len(items)}"), items) == said
