"""The dashboard: every number that it asks for is one that a real server gives to a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from online.errors import CallError
from online.observe.families import FAMILIES
from store.interface import open_store
from tests.online.shop import REQUEST, fill, publish, serving
from tests.services import free_port

FOLDER = Path(__file__).parents[2] / "examples" / "observe"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
KEYS = {"shopper": 1, "item": ["a", "b", "d", "nothing"]}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return found + [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """A Prometheus with the example's configuration, asking `target` and more often. Gives its address."""
    binary = shutil.which("prometheus")
    assert binary is not None, "prometheus is missing; get it with `apt-get install prometheus`"
    settings = (FOLDER / "prometheus.yml").read_text()
    for written, here in (("127.0.0.1:9401", target), ("scrape_interval: 5s", "scrape_interval: 200ms")):
        assert settings.count(written) == 1
        settings = settings.replace(written, here)
    (folder / "prometheus.yml").write_text(settings)
    address = f"127.0.0.1:{free_port()}"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [
                *(
                    binary,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                ),
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def ask(url: str, expression: str) -> list[Any]:
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=10) as answer:
        result: list[Any] = json.load(answer)["data"]["result"]
    return result


def test_each_panel_shows_data_of_a_server_that_runs(tmp_path: Path) -> None:
    store_url = f"lmdb://{tmp_path / 'store'}"
    store = open_store(store_url, "shop", writable=True)
    fill(store)
    publish(tmp_path / "registry", tmp_path, 2.0)
    options: dict[str, Any] = {"metrics_port": 0, "cache_bytes": 8 << 20}
    with (
        serving(store_url, tmp_path / "registry", **options) as (server, client),
        prometheus(tmp_path, f"127.0.0.1:{server.metrics_port}") as url,
    ):
        empty, give_up = expressions(), time.monotonic() + 60
        while empty:
            client.score(KEYS, REQUEST)
            with pytest.raises(CallError):
                client.score(KEYS, {})
            time.sleep(0.05)
            try:
                empty = [one for one in empty if not ask(url, one.replace("$__rate_interval", "5s"))]
            except OSError:  # Prometheus is starting
                time.sleep(0.1)
            # nothing is unreadable, not finite, or another version here: these are known, and without samples
            empty = [one for one in empty if not re.search("nonfinite|unreadable|changes", one)]
            assert time.monotonic() < give_up, empty
        text = urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=10).read()
    store.close()
    binary = shutil.which("promtool")
    assert binary is not None, "promtool is missing; get it with `apt-get install prometheus`"
    own = b"".join(line for line in text.splitlines(keepends=True) if b"featdsl_" in line)
    checked = subprocess.run([binary, "check", "metrics"], input=own, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_metric_is_one_of_ours_and_each_of_ours_is_shown() -> None:
    named = {name for one in expressions() for name in re.findall(r"\b(?:featdsl|process)_\w+", one)}
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    ours = {family.name: {family.name + end for end in suffixes[family.kind]} for family in FAMILIES}
    known = set().union(*ours.values()) | {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    assert named <= known
    not_shown = {name for name, series in ours.items() if not series & named}
    assert not_shown == {
        "featdsl_program",
        "featdsl_item_cache_drops",
        "featdsl_item_cache_trusted",
        "featdsl_item_cache_entries",
        "featdsl_item_parts",
        "featdsl_row_cache_entries",
    }


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert {"uid", "title", "schemaVersion", "templating", "panels", "time"} <= DASHBOARD.keys()
    every = DASHBOARD["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert [v["name"] for v in DASHBOARD["templating"]["list"]] == ["datasource"]


def test_the_configuration_is_one_that_prometheus_takes() -> None:
    binary = shutil.which("promtool")
    assert binary is not None, "promtool is missing; get it with `apt-get install prometheus`"
    command = [binary, "check", "config", str(FOLDER / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
