"""`feat bench serve` against a real server, and the arithmetic of its numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from online.load.calls import CallMaker, Mix
from online.load.driver import Taken, driver
from online.load.results import step_of, table
from online.proto.scorer_pb2 import ScoreRequest
from tests.online.shop import WeightModel, serving

ROOT = Path(__file__).parents[2]


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    # as people run it: processes that it starts read this file anew
    feat = Path(sys.executable).with_name("feat")
    command = [feat, "bench", "serve", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)


class StallingModel(WeightModel):
    """Stands still for a second at its thirtieth call."""

    asked = 0

    def predict(self, *given: Any) -> dict[str, Any]:
        self.asked += 1
        if self.asked == 30:
            self.hold.clear()
            threading.Timer(1.0, self.hold.set).start()
        return super().predict(*given)


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.txt"
    file.write_text("\n".join("abcd") + "\n" + "\n".join(f"none {number}" for number in range(100)) + "\n")
    return file


def test_it_drives_a_server_and_draws_what_it_saw(
    lmdb_url: str, registry: Path, items: Path, tmp_path: Path
) -> None:
    with serving(lmdb_url, registry, metrics_port=0, cache_bytes=8 << 20) as (server, client):
        done = bench(
            *(
                "--address",
                client.address,
                "--keys",
                "shopper=1..50",
                "--keys",
                f"item={items}",
                "--items",
                20,
            ),
            *("--rates", "20,40", "--seconds", 1, "--request", "country=NL", "--candidate", "boost=0.5"),
            *("--metrics", f"http://127.0.0.1:{server.metrics_port}/metrics", "--timeout-ms", 5000),
            *("--json", tmp_path / "load.json", "--html", tmp_path / "load.html"),
        )
    assert done.returncode == 0, done.stderr
    steps = json.loads((tmp_path / "load.json").read_text())["steps"]
    assert [step["rate"] for step in steps] == [20, 40]
    for step in steps:
        assert 0.4 * step["rate"] < step["calls"] < 2 * step["rate"]
        assert step["errors"] == {}
        assert 0 < step["latency_ms"]["p50"] <= step["latency_ms"]["p99"] <= step["worst_ms"]
        assert set(step["stages"]) >= {"queue", "admit", "features", "model", "after"}
        assert 0.5 < step["hit_rate"] <= 1
        assert step["cores"] > 0
    assert "in the server at" in done.stdout
    page = (tmp_path / "load.html").read_text()
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 4
    for drawing in drawings:
        assert len(ET.fromstring(drawing).findall("polyline")) >= 2
    assert "http" not in re.sub(r"feat bench serve: [^<]*", "", page), "it needs nothing else"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--keys", "item=a..b"], "the keys do not read: a..b"),
        (["--keys", "item={lmdb}"], "nothing says of which source the keys are"),
        (["--keys", "item={lmdb}#good"], "no rows of the source `good` in the namespace shop"),
        (["--keys", "itm=1..2"], "no such entity: itm"),
        ([], "nothing says which keys to ask with: item"),
        (["--keys", "item=1..2", "--rates", "5,x"], "--rates takes numbers"),
        (["--keys", "item=1..2"], "must be in the call: country"),
        (["--keys", "item=1..2", "--items", "0"], "--items must be 1 or more"),
        (["--keys", "item=1..2", "--json", "/proc/none.json"], "the file cannot be written"),
        (["--keys", "item=1..2", "--html", "/proc"], "a folder stands where the file is to be written"),
    ],
)
def test_it_says_what_is_wrong(lmdb_url: str, registry: Path, change: list[str], said: str) -> None:
    with serving(lmdb_url, registry) as (_, client):
        given = [text.replace("{lmdb}", lmdb_url) for text in change]
        done = bench("--address", client.address, "--keys", "shopper=1..50", *given)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_keys_come_from_a_store(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry) as (_, client):
        done = bench(
            *("--address", client.address, "--keys", f"shopper={lmdb_url}#profile"),
            *("--keys", f"item={lmdb_url}#goods", "--items", 4, "--request", "country=NL"),
            *("--rates", 20, "--seconds", 0.5, "--timeout-ms", 20_000),
        )
    assert done.returncode == 0, done.stderr
    assert "20 calls a second: p99" in done.stdout


def test_a_stall_is_in_the_latency_of_all_calls_that_were_to_be_sent_in_it(
    lmdb_url: str, registry: Path
) -> None:
    """A sender that waits for each answer would see one slow call; here every call of the stall counts."""
    with serving(lmdb_url, registry, StallingModel(), threads=2, longest_wait_s=60.0) as (_, client):
        mix = Mix({"shopper": [1]}, {"item": ["a", "b"]}, 2, 1.0, {"country": "NL"})
        with driver(client.address, mix, 1, 20.0) as sending:
            taken = sending.run(50, 4.0)
    assert taken.errors == {}
    slow = sorted(taken.latencies)
    assert sum(one > 0.2 for one in slow) >= 20, "forty calls or so came in 0.8 s of the second"
    assert slow[-1] > 0.8


def test_calls_are_of_the_mix() -> None:
    mix = Mix({"user": [1, 2, 3]}, {"item": [f"i{n}" for n in range(1_000)]}, 50, 1.0, {"a": 1}, {"b": 2.5})
    maker = CallMaker(mix, 7)
    seen: Counter[str] = Counter()
    for _ in range(200):
        call = ScoreRequest.FromString(maker.call())
        found = list(call.keys["item"].strings.values)
        assert len(found) == len(set(found)) == 50
        assert call.keys["user"].integers.values[0] in (1, 2, 3)
        assert list(call.candidate["b"].doubles.values) == [2.5] * 50
        seen.update(found)
    assert seen["i0"] > 190
    assert seen["i0"] > seen["i20"] > seen["i500"]
    times = maker.intended(200.0, 50.0)
    assert 9_500 < len(times) < 10_500
    assert np.std(np.diff(times)) == pytest.approx(np.mean(np.diff(times)), rel=0.05), "exponential"
    few = Mix({}, {"item": ["a", "b"]}, 50, 1.0)
    assert list(ScoreRequest.FromString(CallMaker(few, 1).call()).keys["item"].strings.values).__len__() == 2


def test_numbers_are_counted_right() -> None:
    taken = Taken(
        100.0, 2.0, [n / 1e3 for n in range(1, 101)], Counter({"QUEUE_FULL": 25}), {"model": [0.002]}
    )
    lookups = 'featdsl_item_cache_lookups_total{result="%s"}'
    before: dict[str, Any] = {lookups % "hit": 10.0, lookups % "miss": 10.0, "process_cpu_seconds_total": 1.0}
    after = {lookups % "hit": 40.0, lookups % "miss": 20.0, "process_cpu_seconds_total": 4.0}
    step = step_of(taken, before, after)
    assert (step.calls, step.error_share, step.answered_a_second) == (125, 0.2, 50.0)
    assert step.latency_ms == pytest.approx({"p50": 51.0, "p90": 91.0, "p99": 100.0, "p99.9": 100.0})
    assert (step.hit_rate, step.cores, step.keeps_up) == (0.75, 1.5, False)
    assert "25 QUEUE_FULL" in table([step])
