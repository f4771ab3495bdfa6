"""What Prometheus is told: of a real server, by a real scrape."""

from __future__ import annotations

import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from featdsl.errors import InputError
from online.errors import CallError
from online.observe.families import FAMILIES
from online.observe.histogram import Histogram
from online.server import ScoringServer
from tests.online.shop import REQUEST, WeightModel, publish, serving
from tests.online.test_robust import wait_for

KEYS = {"shopper": 1, "item": ["a", "b", "d", "nothing", "a"]}


def scrape(server: ScoringServer) -> dict[str, float]:
    """Every sample by its name and labels, as a query would write it."""
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        sample.name
        + "".join(f",{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class NanModel(WeightModel):
    """Its first output is no number for the first candidate."""

    def predict(self, *given: Any) -> dict[str, Any]:
        outputs = super().predict(*given)
        outputs["like"] = np.where(np.arange(len(outputs["like"])) == 0, np.nan, outputs["like"])
        return outputs


def test_a_scrape_tells_what_calls_came_to(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry, NanModel(), metrics_port=0) as (server, client):
        client.score(KEYS, REQUEST)
        client.score({"shopper": 404, "item": ["a"]}, REQUEST)
        client.explain({"shopper": 1, "item": "a"}, REQUEST)
        client.models()
        with pytest.raises(CallError):
            client.score(KEYS, {})
        told = scrape(server)
    assert told["featdsl_calls_total,method=Score,outcome=OK"] == 2
    assert told["featdsl_calls_total,method=Score,outcome=MISSING_FIELD"] == 1
    assert told["featdsl_calls_total,method=Explain,outcome=OK"] == 1
    assert told["featdsl_calls_total,method=GetModels,outcome=OK"] == 1
    assert told["featdsl_call_seconds_count,method=Score"] == 3
    assert 0 < told["featdsl_call_seconds_sum,method=Score"] < 10
    assert told["featdsl_call_items_sum"] == 6
    assert told["featdsl_distinct_items_total"] == 5
    assert told["featdsl_rows_total,source=goods,status=ok"] == 5
    assert told["featdsl_rows_total,source=goods,status=missing"] == 1
    assert told["featdsl_rows_total,source=profile,status=missing"] == 1
    assert told["featdsl_nonfinite_outputs_total,output=like"] == 2
    assert told["featdsl_store_trip_seconds_count"] == 6
    assert told["featdsl_model_version,model=ranker"] == 1
    assert told["featdsl_parameters_age_seconds,model=ranker"] > 1e8, "it was published in 2020"
    assert told["featdsl_versions_loading,model=ranker"] == 0
    assert told["featdsl_version_switches_total,model=ranker"] == 1
    assert told["featdsl_serving"] == 1
    stages = {name.partition("stage=")[2] for name in told if name.startswith("featdsl_stage_seconds_count")}
    assert stages == {"queue", "admit", "fetch", "decode", "features", "model", "after", "answer"}
    for stage in stages - {"queue", "admit"}:
        assert told[f"featdsl_stage_seconds_count,stage={stage}"] in (2, 3)
    assert told["process_resident_memory_bytes"] > 1e7


def test_every_family_has_its_kind_and_its_text(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry, metrics_port=0) as (server, client):
        client.score(KEYS, REQUEST)
        url = f"http://127.0.0.1:{server.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            families = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
    for family in FAMILIES:
        assert families[family.name].type == family.kind
        assert families[family.name].documentation == family.help
        for sample in families[family.name].samples:
            assert set(sample.labels) - {"le"} == set(family.labels)


def test_the_store_and_the_queue_are_seen_while_they_are_in_trouble(
    lmdb_url: str, registry: Path, tmp_path: Path
) -> None:
    model = WeightModel()
    with serving(lmdb_url, registry, model, metrics_port=0, threads=1) as (server, client):
        model.hold.clear()
        with ThreadPoolExecutor(3) as pool:
            calls = [pool.submit(client.score, KEYS, REQUEST) for _ in range(3)]
            wait_for(lambda: scrape(server)["featdsl_calls_waiting"], 2, 5)
            model.hold.set()
            assert [call.result().version for call in calls] == [1] * 3
        assert scrape(server)["featdsl_calls_turned_away_total,how=refused"] == 0
        publish(registry, tmp_path, "no number")
        wait_for(lambda: scrape(server)["featdsl_versions_refused_total,model=ranker"], 1, 5)
        assert scrape(server)["featdsl_model_version,model=ranker"] == 1
    options: dict[str, Any] = {"metrics_port": 0, "defaults_when_store_down": True}
    with serving("redis://127.0.0.1:1/0", registry, model, **options) as (server, client):
        assert client.score({"shopper": 1, "item": ["a"]}, REQUEST).statuses == ["store_down"]
        told = scrape(server)
    assert told["featdsl_calls_on_defaults_total"] == 1
    assert told["featdsl_store_errors_total"] >= 1
    assert told["featdsl_rows_total,source=goods,status=store_down"] == 1
    assert told["featdsl_serving"] == 0


def test_counts_are_whole_under_many_threads(lmdb_url: str, registry: Path) -> None:
    with serving(lmdb_url, registry, metrics_port=0) as (server, client), ThreadPoolExecutor(8) as pool:
        done = threading.Event()

        def watch() -> None:
            before = 0.0
            while not done.is_set():
                told = scrape(server)
                now = told.get("featdsl_call_seconds_count,method=Score", 0.0)
                assert now >= before
                before = now

        watching = pool.submit(watch)
        for call in [pool.submit(client.score, KEYS, REQUEST) for _ in range(200)]:
            call.result()
        done.set()
        watching.result()
        told = scrape(server)
    assert told["featdsl_calls_total,method=Score,outcome=OK"] == 200
    assert told["featdsl_call_items_sum"] == 1000
    assert told["featdsl_stage_seconds_bucket,le=+Inf,stage=model"] == 200


def test_a_port_that_is_taken_is_told(lmdb_url: str, registry: Path) -> None:
    with (
        serving(lmdb_url, registry, metrics_port=0) as (server, _),
        pytest.raises(InputError, match="cannot tell metrics on"),
        serving(lmdb_url, registry, metrics_port=server.metrics_port),
    ):
        pass


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.add(value)
    assert histogram.cumulative() == [("1.0", 2.0), ("2.0", 4.0), ("+Inf", 5.0)]
    assert histogram.sum == 7.5
