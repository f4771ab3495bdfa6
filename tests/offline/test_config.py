"""feat.toml: what it says, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from featdsl.errors import InputError
from offline.config import ColumnRef, Config, TimeColumn, read_config

WHOLE = """
[variables]
DATA = "data"

[project]
program = "movies.feat"
model = "ranker"

[sources.profile]
path = "${DATA}/users.parquet"
key = "user_id"
time = "profile_ts"
time_unit = "s"
delay = "2h"
tie_break = "version"

[sources.profile.columns]
n_ratings = "ratings"
clicks.item_id = "hist_item_ids"
clicks.at = { column = "hist_ts", unit = "ms" }

[sources.movie]
table = "warehouse.movies"
key = "item_id"

[samples]
path = "log.csv"
keys = { user = "user_id" }
time = "ts"
labels = { liked = "label" }
options = { sep = ";" }

[store]
url = "lmdb://store"

[registry]
url = "dir://registry"

[spark]
master = "local[1]"
sql.shuffle.partitions = 8
"""


def read(folder: Path, text: str, **variables: str) -> Config:
    file = folder / "feat.toml"
    file.write_text(text, encoding="utf-8")
    return read_config(file, variables)


def test_a_whole_file(tmp_path: Path) -> None:
    config = read(tmp_path, WHOLE)
    profile, movie = config.sources["profile"], config.sources["movie"]
    assert config.program == tmp_path / "movies.feat"
    assert (profile.table.location, profile.table.format) == (
        str(tmp_path / "data" / "users.parquet"),
        "parquet",
    )
    assert (profile.time, profile.delay_us, profile.tie_break) == (
        TimeColumn("profile_ts", "s"),
        7_200_000_000,
        "version",
    )
    assert profile.columns == {
        "n_ratings": ColumnRef("ratings"),
        "clicks": {"item_id": ColumnRef("hist_item_ids"), "at": ColumnRef("hist_ts", "ms")},
    }
    assert (movie.table.location, movie.table.format, movie.time) == ("warehouse.movies", "table", None)
    assert config.samples is not None
    assert config.samples.table.format == "csv"
    assert config.samples.table.options == {"sep": ";"}
    assert config.store == f"lmdb://{tmp_path}/store"
    assert config.registry == f"dir://{tmp_path}/registry"
    assert config.spark == {"master": "local[1]", "sql.shuffle.partitions": "8"}


def test_a_variable_is_set_by_the_caller_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def location(**variables: str) -> str:
        return read(tmp_path, WHOLE, **variables).sources["profile"].table.location

    assert location() == str(tmp_path / "data/users.parquet")
    monkeypatch.setenv("DATA", "/env")
    assert location() == "/env/users.parquet"
    assert location(DATA="/given") == "/given/users.parquet"


@pytest.mark.parametrize(
    ("old", "new", "message", "help"),
    [
        ("[project]", "[projects]", "`projects` is not known", "did you mean `project`?"),
        ('time_unit = "s"', 'time_units = "s"', "`sources.profile.time_units` is not known", "`time_unit`"),
        ('time_unit = "s"', 'time_unit = "sec"', "is not a unit of time: sec", "one of s, ms, us, ns"),
        ('delay = "2h"', 'delay = "2 weeks"', "`sources.profile.delay` is not a duration", "90m"),
        ('key = "item_id"', "", "`sources.movie.key` is missing", ""),
        ('table = "warehouse.movies"', "", "`sources.movie` needs one of `path` and `table`", ""),
        ('key = "item_id"', "key = 7", "`sources.movie.key` is not a string: 7", "quotes"),
        ('key = "item_id"', 'key = "a"\ndelay = 3', "`sources.movie.delay` means nothing without `time`", ""),
        ("${DATA}/users", "${DATE_OF}/users", "a variable that is not set: DATE_OF", "--set DATE_OF=VALUE"),
        ('url = "lmdb://store"', 'url = "store"', "`store.url` is not a store's URL", "lmdb://store"),
        ("[store]", "[store", "this is not TOML", ""),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, message: str, help: str) -> None:
    assert old in WHOLE
    with pytest.raises(InputError) as caught:
        read(tmp_path, WHOLE.replace(old, new, 1))
    assert "feat.toml" in caught.value.message
    assert message in caught.value.message
    assert help in caught.value.help


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_config(tmp_path / "feat.toml")
