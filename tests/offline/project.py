"""A small project on disk: a program, its tables and its feat.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from compiler.bundle import Bundle, build
from offline.config import Config, read_config

PROGRAM = """
namespace shop
entity user: int64 per request
entity item: string per candidate

source profile of user { n: int64 = -1  tags: list<string>
  clicks: sequence[3] { item: string  at: timestamp } }
source product of item { price: float64?  maker: string? }
source maker of product.maker { size: int64 = 0 }
source clicked = product of profile.clicks.item
request { at: timestamp = now  page: string = "home" }
candidate { rank: int32 = 0 }

feature n       = profile.n
feature tags    = profile.tags |> hash(100) |> pad(2)
feature price   = product.price ?? -1.0
feature size    = maker.size
feature age     = request.at - (last(profile.clicks.at) ?? request.at)
feature prices  = sum(clicked.price ?? 0.0)
feature page    = request.page
feature rank    = candidate.rank

model net {
  dense: float32 = [n, price, size, prices]
  tags:  int64   = tags
  label bought: float32
  output p: float32
}
"""

CONFIG = """
[project]
program = "shop.feat"

[sources.profile]
path = "profile.parquet"
key = "user_id"
time = "at"

[sources.profile.columns.clicks]
item = "click_items"
at = { column = "click_seconds", unit = "s" }

[sources.product]
path = "product.parquet"
key = "sku"

[sources.maker]
path = "maker.parquet"
key = "name"
time = "since"
delay = "5us"
tie_break = "version"

[samples]
path = "samples.parquet"
keys = { user = "who", item = "what" }
time = "at"
labels = { bought = "y" }
candidate = { rank = "position" }
"""


@dataclass(frozen=True)
class Project:
    bundle: Bundle
    config: Config


def make_project(folder: Path, tables: dict[str, pa.Table], *, config: str = CONFIG) -> Project:
    (folder / "shop.feat").write_text(PROGRAM, encoding="utf-8")
    (folder / "feat.toml").write_text(config, encoding="utf-8")
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return Project(build(folder / "shop.feat"), read_config(folder / "feat.toml"))


PROFILE = pa.schema(
    [
        ("user_id", pa.int64()),
        ("at", pa.int64()),
        ("n", pa.int64()),
        ("tags", pa.list_(pa.string())),
        ("click_items", pa.list_(pa.string())),
        ("click_seconds", pa.list_(pa.int64())),
    ]
)
PRODUCT = pa.schema([("sku", pa.string()), ("price", pa.float64()), ("maker", pa.string())])
MAKER = pa.schema(
    [("name", pa.string()), ("since", pa.int64()), ("version", pa.int32()), ("size", pa.int64())]
)
SAMPLES = pa.schema(
    [
        ("who", pa.int64()),
        ("what", pa.string()),
        ("at", pa.int64()),
        ("y", pa.int32()),
        ("position", pa.int32()),
        ("page", pa.string()),
    ]
)


def table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def read(folder: Path | str) -> pa.Table:
    """A data set, in the order of its files."""
    return ds.dataset(sorted(Path(folder).glob("part-*.parquet"))).to_table()
