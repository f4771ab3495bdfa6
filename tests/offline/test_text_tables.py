"""Tables of text: CSV as other programs write it, JSON as it comes; what cannot be read is an error."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from compiler.bundle import build
from featdsl.errors import InputError
from offline.config import SourceConfig, read_config
from offline.dataset import write_dataset
from offline.samples import join_samples
from offline.sources import ROW, source_rows
from tests.offline.project import read

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROGRAM = """
namespace t
entity user: int64 per request
entity item: string per candidate
source one of user {
  name: string?  nums: list<int64>  tags: list<string>  by_name: map<string, float64>  by_id: map<int64, int64>
  since: timestamp?  days: list<timestamp>  visits: sequence[5] { item: string  at: timestamp }
}
request { at: timestamp = now }
feature name = length(one.name ?? "")
model m { a: int64 = name  label y: float32  output p: float32 }
"""
FIELDS = {
    "name": 'he said "hi",\nand left \\',
    "nums": [1, 9223372036854775807],
    "tags": ["a,b", 'c"d'],
    "by_name": {"x": 0.5, "é": 2.0},
    "by_id": {"1": 5, "-7": 6},
    "since": "1500000000",
    "days": ["2017-07-14T11:40:00+09:00", "1500000001"],
    "visits": [{"item": "a", "at": 1500000002}, {"item": "b", "at": "2017-07-14"}],
}
READ = {
    "name": FIELDS["name"],
    "nums": FIELDS["nums"],
    "tags": FIELDS["tags"],
    "by_name": FIELDS["by_name"],
    "by_id": {1: 5, -7: 6},
    "since": 1_500_000_000_000_000,
    "days": [1_500_000_000_000_000, 1_500_000_001_000_000],
    "visits": [
        {"item": "a", "at": 1_500_000_002_000_000},
        {"item": "b", "at": 1_499_990_400_000_000},
    ],
}


def _project(folder: Path, format: str, time: str = "") -> SourceConfig:
    (folder / "t.feat").write_text(PROGRAM, encoding="utf-8")
    seconds = "\n".join(
        f'{name} = {{ column = "{name}", unit = "s" }}' for name in ("since", "days", "visits")
    )
    (folder / "feat.toml").write_text(
        f'[project]\nprogram = "t.feat"\n[sources.one]\npath = "one.{format}"\nkey = "user"\n{time}'
        f'[sources.one.columns]\n{seconds}\n[samples]\npath = "log.csv"\ntime = "ts"\ntime_unit = "s"\n',
        encoding="utf-8",
    )
    return read_config(folder / "feat.toml").sources["one"]


def _write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        for row in rows:
            writer.writerow({k: v if isinstance(v, str | int) else json.dumps(v) for k, v in row.items()})


def _rows(spark: SparkSession, folder: Path, config: SourceConfig) -> list[dict[str, Any]]:
    source = build(folder / "t.feat").schema.source("one")
    rows = source_rows(spark, config, source, source.fields)
    return [row[ROW].asDict(recursive=True) for row in rows.df.collect()]


def test_csv_as_other_programs_write_it(spark: SparkSession, tmp_path: Path) -> None:
    config = _project(tmp_path, "csv")
    _write_csv(tmp_path / "one.csv", [{"user": 1, **FIELDS}, {"user": 2, **dict.fromkeys(FIELDS, "")}])
    assert _rows(spark, tmp_path, config) == [READ, dict.fromkeys(FIELDS)]


def test_json_objects_are_maps(spark: SparkSession, tmp_path: Path) -> None:
    config = _project(tmp_path, "json")
    lines = [{"user": 1, **FIELDS}, {"user": 2, "by_name": {"z": 1}, "nums": []}]
    lines[0]["visits"] = [{"item": "a", "at": 1_500_000_002_000_000}]
    (tmp_path / "one.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, second = _rows(spark, tmp_path, config)
    assert first == READ | {"visits": lines[0]["visits"]}
    assert (second["by_name"], second["by_id"], second["nums"]) == ({"z": 1.0}, None, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nums": "[1, "}, "`sources.one.columns.nums`: is no list<int64> in JSON: [1,"),
        ({"nums": '["x"]'}, "is no list<int64> in JSON"),
        ({"by_id": '{"x": 1}'}, "`sources.one.columns.by_id`: is no bigint: x"),
        ({"visits": "{}"}, "is no list of objects in JSON"),
        ({"since": "12:30"}, "`sources.one.columns.since`: is no timestamp: 12:30"),
        ({"since": "2017-13-01"}, "is no timestamp: 2017-13-01"),
        ({"since": "1500000000000000"}, "no time counts so many s: 1500000000000000"),
        ({"seen": "yesterday"}, "`sources.one.time`: is no timestamp: yesterday"),
    ],
)
def test_text_that_is_something_else(
    spark: SparkSession, tmp_path: Path, change: Mapping[str, Any], message: str
) -> None:
    from offline.failures import run_job

    config = _project(tmp_path, "csv", 'time = "seen"\n')
    _write_csv(tmp_path / "one.csv", [{"user": 1, "seen": "2017-01-01", **FIELDS, **change}])
    with pytest.raises(InputError) as error:
        run_job(lambda: _rows(spark, tmp_path, config))
    assert message in error.value.message


@pytest.mark.parametrize(
    ("name", "content"), [("one.parquet", "PAR1, they say, PAR1"), ("one.json", '{"user": 1')]
)
def test_a_file_of_something_else(spark: SparkSession, tmp_path: Path, name: str, content: str) -> None:
    config = _project(tmp_path, name.removeprefix("one."))
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        _rows(spark, tmp_path, config)
    assert f"`sources.one`: the table cannot be read: {tmp_path / name}: " in error.value.message
    assert "\n" not in error.value.message
    assert "org.apache" not in error.value.message


def test_samples_of_one_time_and_keys_have_an_order(spark: SparkSession, tmp_path: Path) -> None:
    _project(tmp_path, "csv")
    _write_csv(tmp_path / "one.csv", [{"user": 1, **FIELDS}])
    labels = [5, 3, 4, 1, 2]
    _write_csv(tmp_path / "log.csv", [{"user": 1, "item": "a", "ts": 1_500_000_000, "y": y} for y in labels])
    bundle = build(tmp_path / "t.feat")
    joined = join_samples(spark, bundle, "model/m", read_config(tmp_path / "feat.toml"))
    write_dataset(bundle, "model/m", joined, tmp_path / "out")
    assert read(tmp_path / "out")["y"].to_pylist() == sorted(labels)
