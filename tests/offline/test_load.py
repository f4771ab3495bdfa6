"""Loading a store: the newest row of every key, as the engine reads it back."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from featdsl.errors import InputError, ServiceError
from featdsl.program import Source
from offline.load import load_sources
from store.interface import Store, open_store
from store.read import SourceReader
from tests.offline.project import make_project
from tests.offline.test_join import random_rows, tables_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def stored(store: Store, source: Source, keys: list[Any]) -> list[dict[str, Any]]:
    read = SourceReader(source, store).read(store.get_many(source.name, keys))
    values: list[dict[str, Any]] = pa.Table.from_batches([pa.record_batch(read.batch)]).to_pylist()
    return values


def test_what_is_loaded_is_what_held(spark: SparkSession, tmp_path: Path, redis_url: str) -> None:
    rows = random_rows(11)
    project = make_project(tmp_path, tables_of(rows))
    maker = project.bundle.schema.source("maker")
    product = project.bundle.schema.source("product")
    for url in (f"lmdb://{tmp_path}/store", redis_url):
        for at_us in (None, 17, None):
            loaded = load_sources(spark, project.bundle, project.config, url, at_us=at_us)
            assert [one.source for one in loaded] == ["profile", "product", "maker"]
            store = open_store(url, "shop")
            found = stored(store, maker, ["x", "y", "z"])
            for key, row in zip("xyz", found, strict=True):
                best = max(
                    (
                        (r["since"], r["version"], r["size"] or 0)
                        for r in rows["maker"]
                        if r["name"] == key
                        and r["since"] is not None
                        and (at_us is None or r["since"] + 5 <= at_us)
                    ),
                    key=lambda r: r[:2],
                    default=(0, 0, 0),
                )
                assert row["maker.size"] == best[2]
            prices = [row["product.price"] for row in stored(store, product, ["i0", "i3", "gone"])]
            assert prices == [rows["product"][0]["price"], rows["product"][3]["price"], None]
            store.close()


def test_only_some_sources(spark: SparkSession, tmp_path: Path) -> None:
    project = make_project(tmp_path, tables_of(random_rows(12)))
    url = f"lmdb://{tmp_path}/store"
    (loaded,) = load_sources(spark, project.bundle, project.config, url, only=["product"])
    assert (loaded.source, loaded.rows) == ("product", 5)
    with pytest.raises(InputError, match="no such source: clicked"):
        load_sources(spark, project.bundle, project.config, url, only=["clicked"])


def test_a_store_that_does_not_answer(spark: SparkSession, tmp_path: Path) -> None:
    project = make_project(tmp_path, tables_of(random_rows(13)))
    with pytest.raises(ServiceError):
        load_sources(spark, project.bundle, project.config, "redis://127.0.0.1:1/0")


def test_a_row_that_does_not_fit_names_its_field(spark: SparkSession, tmp_path: Path) -> None:
    tables = tables_of(random_rows(14))
    tables["product"] = pa.table({"sku": ["a"], "price": ["cheap"], "maker": ["x"]})
    project = make_project(tmp_path, tables)
    with pytest.raises(InputError, match=r"`sources\.product\.columns\.price`: is no double: cheap"):
        load_sources(spark, project.bundle, project.config, f"lmdb://{tmp_path}/store", only=["product"])
