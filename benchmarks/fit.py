"""What `feat fit` and the join of a source keyed by a list cost in Spark, on the movies example with ten sites.

    .venv/bin/python -m benchmarks.fit [--quick] [--json FILE]

Ten sites: the example's four and six more, one of which waits for another, so the samples are passed over twice.
Seconds of the processor are those of all processes together: the driver, Spark's JVM, its Python workers. With
MovieTweetings beside the checkout (or in $FEATDSL_DATA) 112,960 samples, else generated ones; `--quick` takes the first
20,000.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import ROOT, machine, processor_seconds, report
from compiler.bundle import build
from featdsl.state import State, state_text
from offline.config import Config, read_config
from offline.dataset import write_dataset
from offline.fit import fit
from offline.samples import join_samples
from offline.session import open_session
from offline.small import is_small, tables_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLE = ROOT / "examples" / "movies"
QUICK = 20_000
PARTITIONS = (1, 2, 7)
BROADCAST = "spark.sql.autoBroadcastJoinThreshold"

SITES = """
feature of_user     = target_mean(user, label: "liked", smoothing: 10)
feature of_genres   = mean(frequency(movie.genres)) ?? 0.0
feature of_recent   = history.ratings.item_id |> lookup(fit vocab(min_count: 5, max_size: 5_000)) |> pad(20)
feature of_title    = bm25(profile.top_genres, words(movie.title ?? ""))
feature of_age      = quantile_bucketize(zscore(year(request.at) - (movie.year ?? 2000)), 10)
"""

KEYED = """
namespace keyed
entity user: int64 per request
entity item: string per candidate
source history of user { ratings: sequence[50] { item_id: string  rating: int32  at: timestamp } }
source movie of item { title: string?  year: int32?  genres: list<string> }
source movie_stats of item { n_ratings: int32 = 0  mean_rating: float64? }
source profile of user { n_ratings: int32 = 0 }
source rated = movie of history.ratings.item_id
source rated_stats = movie_stats of history.ratings.item_id
request { at: timestamp = now }
feature years  = mean(rated.year ?? 2000) ?? 0.0
feature genres = flatten(rated.genres) |> hash(1_000) |> pad(20)
feature counts = sum(rated_stats.n_ratings)
"""
"""112,960 samples with 17 rated movies each; both sources are keyed by the list, one as of the sample's time."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description="What `feat fit` and a source keyed by a list cost in Spark."
    )
    parser.add_argument("--quick", action="store_true", help=f"the first {QUICK:,} samples")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    args = parser.parse_args()
    print(*(f"{key}: {value}" for key, value in machine().items()), sep="  ")
    with tempfile.TemporaryDirectory() as folder:
        config = _project(Path(folder), args.quick)
        clock = Clock()
        small = is_small(tables_of(config))
        session = open_session("benchmark", settings=config.spark, small=small)
        try:
            clock.reached("start Spark")
            path = str(Path(folder) / "movies.feat")
            texts = {_learned(session, path, config, clock)}
            results = {"fit": clock.stages}
            _show("ten sites", clock)
            for partitions in PARTITIONS:
                with _shuffled(session, partitions):
                    texts.add(_learned(session, path, config, Clock()))
            print(f"the same bytes on {', '.join(map(str, PARTITIONS))} partitions: {len(texts) == 1}")
            results["keyed by a list"] = _keyed(session, Path(folder))
        finally:
            session.stop()
    report(results, args.json)
    return 0 if len(texts) == 1 else 1


class Clock:
    """Seconds by stage, of the wall and of the processor."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, float]] = {}
        self._at = (time.perf_counter(), processor_seconds())

    def reached(self, stage: str) -> None:
        """What took time since the last stage was this one."""
        now = (time.perf_counter(), processor_seconds())
        wall, processor = self.stages.get(stage, (0.0, 0.0))
        self.stages[stage] = (wall + now[0] - self._at[0], processor + now[1] - self._at[1])
        self._at = now

    @property
    def whole(self) -> tuple[float, float]:
        walls, processors = zip(*self.stages.values(), strict=True)
        return sum(walls), sum(processors)


def _learned(session: SparkSession, path: str, config: Config, clock: Clock) -> str:
    """The state's text. `feat fit` says when a stage begins."""
    stage = "check and compile"

    def say(line: str) -> None:
        nonlocal stage
        clock.reached(stage)
        stage = _stage_after(line, stage)

    found = fit(session, path, config, State(), say=say)
    text = state_text(found.state)
    clock.reached(stage)
    return text


def _stage_after(line: str, before: str) -> str:
    if line.endswith(" samples"):
        return "learn from the counts"
    if line.startswith("joining"):
        return "bring the sources, pass over the samples"
    return "check and compile" if line.startswith("learning") else before


@contextmanager
def _shuffled(session: SparkSession, partitions: int) -> Iterator[None]:
    """Samples in exactly so many partitions."""
    names = ("spark.sql.shuffle.partitions", "spark.sql.adaptive.coalescePartitions.enabled")
    before = {name: session.conf.get(name) or "" for name in names}
    session.conf.set(names[0], str(partitions))
    session.conf.set(names[1], "false")
    yield
    for name, value in before.items():
        session.conf.set(name, value)


def _keyed(session: SparkSession, folder: Path) -> dict[str, tuple[float, float]]:
    """A data set of sources keyed by a list: looked up, and as sources that are too large for it are joined."""
    (folder / "keyed.feat").write_text(KEYED, encoding="utf-8")
    bundle = build(folder / "keyed.feat")
    config = read_config(folder / "keyed.toml")
    before = session.conf.get(BROADCAST) or ""
    made: dict[str, tuple[float, float]] = {}
    tables: list[pa.Table] = []
    for way, most in (("looked up", before), ("joined", "-1")):
        session.conf.set(BROADCAST, most)
        clock = Clock()
        joined = join_samples(session, bundle, "features", config)
        found = write_dataset(bundle, "features", joined, folder / way)
        clock.reached(way)
        made |= clock.stages
        tables.append(pa.concat_tables(pq.read_table(folder / way / file) for file in found.files))
        _show(f"keyed by a list, {way}: {found.rows:,} rows", clock)
    session.conf.set(BROADCAST, before)
    if not tables[0].equals(tables[1]):
        raise SystemExit("looked up and joined differ")
    return made


def _show(title: str, clock: Clock) -> None:
    print(f"\n{title}\n{'':<42} {'wall s':>8} {'processor s':>12}")
    rows: list[tuple[str, tuple[float, float]]] = [*clock.stages.items()]
    for name, (wall, processor) in [*rows, ("whole", clock.whole)] if len(rows) > 1 else rows:
        print(f"  {name:<40} {wall:>8.1f} {processor:>12.1f}")


def _project(folder: Path, quick: bool) -> Config:
    """The example with its sites, over the real tables or generated ones."""
    data = _data(folder)
    if quick:
        samples = pq.read_table(data / "interactions.parquet").slice(0, QUICK)
        pq.write_table(samples, folder / "samples.parquet")
    else:
        (folder / "samples.parquet").symlink_to(data / "interactions.parquet")
    shutil.copytree(EXAMPLE / "vocab", folder / "vocab")
    shutil.copyfile(EXAMPLE / "ratings.feat", folder / "ratings.feat")
    program = (
        (EXAMPLE / "movies.feat")
        .read_text(encoding="utf-8")
        .replace("model ranker", SITES + "\nmodel ranker")
    )
    (folder / "movies.feat").write_text(program, encoding="utf-8")
    text = (EXAMPLE / "feat.toml").read_text(encoding="utf-8")
    (folder / "feat.toml").write_text(text, encoding="utf-8")
    (folder / "keyed.toml").write_text(text.replace('labels = { liked = "label" }', ""), encoding="utf-8")
    os.environ |= {"DATA": str(data), "SAMPLES": str(folder / "samples.parquet")}
    return read_config(folder / "feat.toml")


def _data(folder: Path) -> Path:
    for root in (os.environ.get("FEATDSL_DATA"), ROOT.parent / "shared" / "data"):
        if root and (Path(root) / "movietweetings" / "interactions.parquet").is_file():
            return Path(root).resolve() / "movietweetings"
    made = folder / "data"
    subprocess.run([sys.executable, str(EXAMPLE / "generate.py"), "--out", str(made)], check=True)
    return made


if __name__ == "__main__":
    raise SystemExit(main())
