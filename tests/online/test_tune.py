"""`feat tune`: the search on a server that is a formula, and the command on real ones."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.bundle import write_bundle
from online.load.tuning import (
    Trial,
    capacity,
    choices,
    confirm,
    grid_size,
    held,
    most_trials,
    search,
)
from tests.online.test_serve import ROOT, Ranker, bundle, save_model

SPACE = choices(8)


def formula(flags: Mapping[str, float]) -> float:
    """Calls a second: more workers help until the cores are used up, a batch pays with more threads, delay costs."""
    workers, threads = flags["workers"], flags["threads"]
    busy = min(1.0, 8 / (workers + flags["model-threads"]))
    batch = 1 + 0.15 * math.log2(1 + flags["model-batch-rows"] / 512) * min(1.0, threads / 8)
    return (
        100
        * workers**0.9
        * busy**2
        * batch
        / (1 + 0.1 * flags["model-delay-ms"])
        * min(1.0, 0.4 + threads / 8)
    )


@pytest.mark.parametrize("seed", range(5))
def test_it_comes_near_the_best_with_less_than_a_twentieth_of_the_grid(seed: int) -> None:
    grid = [dict(zip(SPACE, values, strict=True)) for values in itertools.product(*SPACE.values())]
    assert len(grid) == grid_size(SPACE)
    told: list[Trial] = []
    begin = {"workers": 1, "threads": 8, "model-threads": 1, "model-batch-rows": 4096, "model-delay-ms": 0}
    trials = min(40, most_trials(SPACE))
    tried = search(
        SPACE, lambda flags, _: formula(flags), trials, lambda _, trial: told.append(trial), [begin], seed
    )
    assert trials < 0.05 * len(grid)
    assert told[0].flags == begin
    assert len({tuple(trial.flags.values()) for trial in tried}) == len(tried) == trials
    assert tried[0].rate == max(trial.rate for trial in tried) >= 0.8 * max(map(formula, grid))


def test_the_share_of_the_grid_is_kept_on_small_machines() -> None:
    for cores in (1, 2, 4, 16, 64):
        space = {name: values for name, values in choices(cores).items() if len(values) > 1}
        assert most_trials(space) < 0.05 * grid_size(space)


def test_the_capacity_is_the_last_rate_that_holds() -> None:
    for limit in (3.0, 39.0, 40.0, 100.0, 1_000.0):
        found = capacity(lambda rate, limit=limit: rate <= limit)  # type: ignore[misc]
        assert limit / 1.4 < found <= limit
    assert capacity(lambda rate: False) == 0.0


def test_what_was_lucky_is_not_what_is_told() -> None:
    """By the number of threads what a set of flags really answers, and what its trial said."""
    truth = {1: 80.0, 2: 102.0, 4: 95.0, 8: 90.0}
    said = {1: 170.0, 2: 120.0, 4: 95.0, 8: 90.0}
    tried = [Trial({"threads": n}, said[n]) for n in truth]
    looked_at: list[float] = []

    def measure(trial: Trial) -> Trial:
        looked_at.append(trial.flags["threads"])
        return held(trial, lambda rate: 7.0 if rate <= truth[int(trial.flags["threads"])] else 0.0)

    best = confirm(tried, measure)
    assert best is not None
    assert (best.flags, best.p99_ms) == ({"threads": 2}, 7.0)
    assert 101 < best.rate <= 102
    assert looked_at == [1, 2], "what said less than what held is not looked at"
    assert confirm(tried, lambda trial: held(trial, lambda rate: 0.0)) is None
    assert confirm([Trial({}, 0.0)], measure) is None


def tune(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "featdsl.cli", "tune", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_it_starts_servers_and_says_what_it_tried(lmdb_url: str, tmp_path: Path) -> None:
    from model_sync import open_registry
    from tests.online.shop import AT

    write_bundle(bundle(), tmp_path / "shop.featb")
    saved = save_model(Ranker(2.0), bundle(), tmp_path / "saved")
    open_registry(f"dir://{tmp_path / 'registry'}", create=True).publish(saved, now_us=AT)
    places = (
        "--bundle",
        tmp_path / "shop.featb",
        "--store",
        lmdb_url,
        "--registry",
        f"dir://{tmp_path / 'registry'}",
    )
    mix = ("--keys", "shopper=1..9", "--keys", "item=1..50", "--request", "country=NL", "--items", 5)
    fixed = ("--with", "workers=1", "--with", "model-threads=1", "--with", "model-delay-ms=0")
    few = ("--trials", 1, "--seconds", 0.3, "--clients", 1, "--timeout-ms", 20_000, "--p99-ms", 10_000)
    done = tune(*places, *mix, *fixed, *few, "--json", tmp_path / "tried.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "best, " in done.stdout
    assert "--threads 8 --model-batch-rows 4096" in done.stdout
    assert "the best again, for 1.5 s a rate:" in done.stdout
    written = json.loads((tmp_path / "tried.json").read_text())
    assert written["confirmed"]["options"] == {"threads": 8, "model-batch-rows": 4096}
    assert written["confirmed"]["rate"] > 0
    tried = written["tried"]
    assert [trial["options"] for trial in tried] == [{"threads": 8, "model-batch-rows": 4096}]
    assert tried[0]["rate"] > 0
    refused = tune(*places, *mix, *fixed, "--trials", 2, "--p99-ms", 10)
    assert (refused.returncode, "less than 5 %" in refused.stderr) == (1, True), refused.stderr
    broken = tune("--bundle", tmp_path / "none.featb", *places[2:], *mix, *few)
    assert broken.returncode == 3
    assert "does not start: there is no such program" in broken.stderr
    lost = tune(*places, *mix, *fixed, *few, "--json", "/proc/none.json")
    assert (lost.returncode, "the file cannot be written" in lost.stderr) == (1, True), lost.stderr
    assert lost.stdout == "", "it is told before anything is tried"
