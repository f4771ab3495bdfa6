"""The data set as files: columns, metadata, report; and real interactions through both engines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from compiler.bundle import build
from compiler.native import rows as native_rows
from compiler.reference.run import run_rows
from featdsl.cli.main import main
from featdsl.errors import InputError
from offline.config import read_config
from offline.dataset import write_dataset
from offline.samples import join_samples, read_rows
from tests.offline.project import CONFIG, make_project, read
from tests.offline.test_join import random_rows, tables_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parent.parent.parent
MOVIES = ROOT / "examples" / "movies"


def movie_data(folder: Path) -> Path:
    """The public data where it is, else generated tables of the same form."""
    data = Path(os.environ.get("FEATDSL_DATA", ROOT.parent / "shared" / "data")) / "movietweetings"
    if not data.exists():
        data = folder / "generated"
        generate = [sys.executable, str(MOVIES / "generate.py"), "--out", str(data)]
        subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
    return data


def test_the_files_say_what_they_hold(spark: SparkSession, tmp_path: Path) -> None:
    project = make_project(tmp_path, tables_of(random_rows(21)))
    joined = join_samples(spark, project.bundle, "model/net", project.config)
    report = write_dataset(project.bundle, "model/net", joined, tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out" / report.files[0])
    assert schema.field("dense").type == pa.list_(pa.float32(), 4)
    assert schema.field("tags").type == pa.list_(pa.int64(), 2)
    assert schema.field("bought").type == pa.float32()
    assert schema.field("time").type == pa.timestamp("us", "UTC")
    assert schema.metadata[b"featdsl.fingerprint"].decode() == project.bundle.fingerprint
    assert json.loads(schema.metadata[b"featdsl.columns"]) == {
        "keys": {"user": "user", "item": "item"},
        "time": "time",
        "labels": {"bought": "bought"},
        "outputs": ["dense", "tags"],
    }
    assert [t["name"] for t in json.loads(schema.metadata[b"featdsl.tensors"])] == ["dense", "tags"]
    data = json.loads((tmp_path / "out" / "_REPORT.json").read_text())
    made = read(tmp_path / "out")
    assert (data["rows"], made.num_rows) == (150, 150)
    times = made["time"].to_pylist()
    assert times == sorted(times)
    rows = random_rows(21)
    skus = {row["sku"] for row in rows["product"]}
    assert data["missing_rows"]["product"] == sum(s["what"] not in skus for s in rows["samples"])
    assert "clicked" not in data["missing_rows"], "a row of these is a list"
    prices = {row["sku"]: row["price"] for row in rows["product"]}
    unpriced = sum(s["what"] in skus and prices[s["what"]] is None for s in rows["samples"])
    assert data["null_fields"]["product.price"] == unpriced


def test_what_is_there_stays_unless_it_may_go(spark: SparkSession, tmp_path: Path) -> None:
    project = make_project(tmp_path, tables_of(random_rows(22)))
    joined = join_samples(spark, project.bundle, "model/net", project.config)
    out = tmp_path / "out"
    write_dataset(project.bundle, "model/net", joined, out)
    with pytest.raises(InputError, match="already there"):
        write_dataset(project.bundle, "model/net", joined, out)
    write_dataset(project.bundle, "model/net", joined, out, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="no data set"):
        write_dataset(project.bundle, "model/net", joined, tmp_path / "mine", overwrite=True)
    (tmp_path / "link").symlink_to("out")
    write_dataset(project.bundle, "model/net", joined, tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").readlink() == Path("out")
    (out / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"no data set: it has notes\.txt"):
        write_dataset(project.bundle, "model/net", joined, out, overwrite=True)
    with pytest.raises(InputError, match="no folder can be made here"):
        write_dataset(project.bundle, "model/net", joined, out / "notes.txt" / "deeper")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_no_samples_give_an_empty_data_set(spark: SparkSession, tmp_path: Path) -> None:
    project = make_project(tmp_path, tables_of(random_rows(23) | {"samples": []}))
    joined = join_samples(spark, project.bundle, "model/net", project.config)
    assert write_dataset(project.bundle, "model/net", joined, tmp_path / "out").rows == 0
    assert read(tmp_path / "out").schema.names == ["user", "item", "time", "bought", "dense", "tags"]


def test_a_table_of_a_catalog_is_as_good_as_a_file(spark: SparkSession, tmp_path: Path) -> None:
    project = make_project(tmp_path, tables_of(random_rows(25)))
    spark.sql(f"CREATE TABLE products USING parquet LOCATION '{tmp_path}/product.parquet'")
    try:
        catalog = CONFIG.replace('path = "product.parquet"', 'table = "products"')
        (tmp_path / "feat.toml").write_text(catalog, encoding="utf-8")
        other = read_config(tmp_path / "feat.toml")
        for name, config in (("file", project.config), ("catalog", other)):
            joined = join_samples(spark, project.bundle, "model/net", config)
            write_dataset(project.bundle, "model/net", joined, tmp_path / name)
        assert read(tmp_path / "catalog").equals(read(tmp_path / "file"))
        assert read(tmp_path / "file").num_rows > 0
    finally:
        spark.sql("DROP TABLE products")
    (tmp_path / "feat.toml").write_text(catalog.replace("products", "produce"), encoding="utf-8")
    with pytest.raises(InputError, match="there is no such table: produce"):
        join_samples(spark, project.bundle, "model/net", read_config(tmp_path / "feat.toml"))


@pytest.mark.parametrize("engine", ["native", "spark"])
def test_rows_that_are_joined_already(spark: SparkSession, tmp_path: Path, engine: str) -> None:
    project = make_project(tmp_path, tables_of(random_rows(24)))
    given = [
        {
            "user": n,
            "item": f"i{n}",
            "profile": None if n % 3 == 0 else {"n": n, "tags": ["a", None, "b"]},
            "product": {"price": n / 7, "maker": None},
            "request": {"at": n, "page": None},
            "bought": n % 2,
        }
        for n in range(50)
    ]
    rows = pa.Table.from_pylist(given)
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=7)
    joined = read_rows(spark, project.bundle, "features", str(tmp_path / "rows.parquet"))
    write_dataset(project.bundle, "features", joined, tmp_path / "out", engine=engine)
    wanted = run_rows(project.bundle, "features", rows)
    made = read(tmp_path / "out")
    assert made["user"].to_pylist() == list(range(50))
    assert made.select(wanted.column_names).cast(wanted.schema).equals(wanted)


@pytest.mark.parametrize("engine", ["native", "spark"])
def test_types_that_spark_knows_otherwise(spark: SparkSession, tmp_path: Path, engine: str) -> None:
    """Nanoseconds, columns of nulls, dates, large lists; and no request: its time is `now`."""
    project = make_project(tmp_path, tables_of(random_rows(27)))
    clicks = pa.StructArray.from_arrays(
        [
            pa.array([["a", "b"], None, ["c"]], pa.large_list(pa.large_string())),
            pa.array([[1_999, -1], None, [None]], pa.list_(pa.timestamp("ns"))),
        ],
        ["item", "at"],
    )
    profile = pa.StructArray.from_arrays([pa.nulls(3), clicks], ["n", "clicks"])
    rows = pa.table({"user": [1, 2, 3], "item": ["a", "b", "c"], "profile": profile, "product": pa.nulls(3)})
    pq.write_table(rows, tmp_path / "rows.parquet")
    joined = read_rows(spark, project.bundle, "features", str(tmp_path / "rows.parquet"), now_us=10**15)
    write_dataset(project.bundle, "features", joined, tmp_path / "out", engine=engine)
    wanted = run_rows(project.bundle, "features", rows, now_us=10**15)
    made = read(tmp_path / "out")
    assert made.select(wanted.column_names).cast(wanted.schema).equals(wanted)
    assert made["age"].to_pylist() == [10**15 + 1, 0, 0]


@pytest.mark.parametrize("engine", ["native", "spark"])
def test_a_row_at_fault_is_an_error_with_its_place(spark: SparkSession, tmp_path: Path, engine: str) -> None:
    project = make_project(tmp_path, tables_of(random_rows(25)))
    clicks = {"item": ["a", "b"], "at": [1]}
    rows = pa.Table.from_pylist(
        [{"user": 1, "item": "k", "request": {"at": 1}, "profile": {"clicks": clicks}}]
    )
    pq.write_table(rows, tmp_path / "rows.parquet")
    joined = read_rows(spark, project.bundle, "features", str(tmp_path / "rows.parquet"))
    with pytest.raises(InputError, match=r"profile\.clicks"):
        write_dataset(project.bundle, "features", joined, tmp_path / "out", engine=engine)
    assert not (tmp_path / "out").exists()


def test_real_interactions_are_alike_in_both_engines(spark: SparkSession, tmp_path: Path) -> None:
    data = movie_data(tmp_path)
    variables = {"DATA": str(data), "SAMPLES": str(data / "interactions.parquet")}
    config = read_config(MOVIES / "feat.toml", variables)
    bundle = build(MOVIES / "movies.feat")
    joined = join_samples(spark, bundle, "features", config)
    native = write_dataset(bundle, "features", joined, tmp_path / "native")
    columns = write_dataset(bundle, "features", joined, tmp_path / "spark", engine="spark")
    assert native.rows == columns.rows == pq.read_metadata(data / "interactions.parquet").num_rows
    left, right = read(tmp_path / "native"), read(tmp_path / "spark")
    assert left.schema.equals(right.schema)
    differ = [name for name in left.column_names if not same_bits(left[name], right[name])]
    assert differ == []
    # the reference is slow: every tenth user's rows, as Spark joined them
    rows = joined.df.where("user % 10 = 0").toArrow()
    assert rows.num_rows > 100
    plain, engine = run_rows(bundle, "features", rows), native_rows.run_rows(bundle, "features", rows)
    assert plain.schema.equals(engine.schema)
    assert [name for name in plain.column_names if not same_bits(plain[name], engine[name])] == []


def same_bits(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    a, b = flat(left.combine_chunks()), flat(right.combine_chunks())
    return all(x.equals(y) for x, y in zip(a, b, strict=True))


def flat(array: pa.Array) -> list[pa.Array]:
    """The buffers' content, floats as their bits (0.0 is not -0.0)."""
    if pa.types.is_fixed_size_list(array.type):
        return flat(array.flatten())
    if pa.types.is_list(array.type):
        return [pc.list_value_length(array), *flat(array.flatten())]
    if pa.types.is_floating(array.type):
        return [array.view(pa.int64() if array.type == pa.float64() else pa.int32())]
    return [array]


def test_mistakes_end_before_spark_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_project(tmp_path, tables_of(random_rows(26)))
    config = str(tmp_path / "feat.toml")
    assert main(["dataset", "--config", str(tmp_path / "none.toml"), "--out", str(tmp_path / "o")]) == 1
    assert "there is no such file" in capsys.readouterr().err
    assert main(["dataset", "--config", config, "--out", str(tmp_path / "o"), "--model", "nett"]) == 1
    assert "no such model: nett" in capsys.readouterr().err
    assert main(["dataset", "--config", config, "--out", config]) == 1
    assert "the output is a file" in capsys.readouterr().err
    assert main(["dataset", "--config", config, "--rows", "none.parquet", "--out", str(tmp_path / "o")]) == 1
    assert "there are no such rows: none.parquet" in capsys.readouterr().err
    away = ["--master", "spark://127.0.0.1:1"]
    assert main(["dataset", "--config", config, "--out", str(tmp_path / "o"), *away]) == 3
    assert "master does not answer: spark://127.0.0.1:1" in capsys.readouterr().err
    for wrong in ("local[x]", "here", "local[0]"):
        assert main(["dataset", "--config", config, "--out", str(tmp_path / "o"), "--master", wrong]) == 1
        assert f"this is no master of Spark: {wrong}" in capsys.readouterr().err
    assert main(["load", "--config", config]) == 1
    assert "no store is named" in capsys.readouterr().err
