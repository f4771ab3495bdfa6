"""`feat fit` as a user runs it: learn, build, make data, serve; again; only a part; damaged, stale and absent state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featdsl.cli.project
from compiler.bundle import read_bundle
from compiler.native.rows import run_rows
from featdsl.cli.main import main
from featdsl.state import read_state
from tests.offline.project import read
from tests.offline.test_fit import PROGRAM, rows_of, write_project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def project(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose commands run in the tests' session."""

    @contextmanager
    def session_of(*_: object) -> Iterator[SparkSession]:
        yield spark

    monkeypatch.setattr(featdsl.cli.project, "session_of", session_of)
    few = (
        "let price",
        "feature scaled",
        "feature tags",
        "feature who",
        "feature liking",
        "feature match",
        "feature small",
    )
    lines = [ln for ln in PROGRAM.splitlines() if not ln.startswith(("let", "feature")) or ln.startswith(few)]
    program = "\n".join(lines).replace("liking, tag_mean]", "liking]")
    products, samples = rows_of(5, count=80)
    write_project(tmp_path, products, samples, program)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_whole_way(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "shop.feat"]) == 1
    assert (
        "error[E0801]: what is learned from data is not there yet: `shop.state.json`"
        in capsys.readouterr().err
    )
    assert main(["build", "shop.feat", "-o", "shop.featb"]) == 1
    assert main(["fit", "--only", "liking"]) == 0  # the others are still not there
    assert main(["check", "shop.feat"]) == 1
    assert "is not in the fitted state yet" in capsys.readouterr().err
    assert main(["fit", "shop.feat"]) == 0
    first = Path("shop.state.json").read_bytes()
    said = capsys.readouterr()
    assert "statistics from 80 samples" in said.out
    assert "warning[W0201]" in said.err

    assert main(["check", "shop.feat"]) == 0
    assert main(["build", "shop.feat", "-o", "shop.featb"]) == 0
    assert main(["dataset", "--out", "native", "--what", "features"]) == 0
    assert main(["dataset", "--out", "spark", "--what", "features", "--engine", "spark"]) == 0
    assert read(project / "native").equals(read(project / "spark"))
    served = ["dataset", "--out", "served", "--what", "features", "--as-served", "--program", "shop.featb"]
    assert main(served) == 0

    # the bundle alone serves, with the bits of the data as served
    Path("shop.state.json").unlink()
    bundle = read_bundle("shop.featb")
    made = read(project / "served").to_pylist()
    products, samples = rows_of(5, count=80)
    by_sku = {p["sku"]: p for p in products}
    in_order = sorted(samples, key=lambda s: (s["at"], s["who"], s["what"]))
    joined = [
        {
            "user": s["who"],
            "item": s["what"],
            "product": {k: v for k, v in by_sku[s["what"]].items() if k != "sku"}
            if s["what"] in by_sku
            else None,
            "request": {"at": s["at"], "page": s["page"], "depth": s["depth"]},
        }
        for s in in_order
    ]
    online = run_rows(bundle, "features", pa.Table.from_pylist(joined)).to_pylist()
    assert [{k: row[k] for k in online[0]} for row in made] == online

    # the same samples, the same bytes; what was learned before changes nothing
    assert main(["fit", "--json"]) == 0
    assert Path("shop.state.json").read_bytes() == first
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {one["status"] for one in report["drift"]} == {"new"}


def test_drift_and_parts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--until", "5_000"]) == 1
    assert "--until is not a time" in capsys.readouterr().err
    assert main(["fit", "--until", "5000"]) == 0
    before = read_state(Path("shop.state.json").read_text())
    assert before.samples == sum(s["at"] < 5000 for s in rows_of(5, count=80)[1])
    assert not Path("shop.drift.json").exists()
    capsys.readouterr()

    # only one site is learned anew, from all samples
    assert main(["fit", "--only", "who"]) == 0
    part = read_state(Path("shop.state.json").read_text())
    moved = [number for number, site in part.sites.items() if site != before.sites[number]]
    assert [part.sites[number].name for number in moved] == ["who"]
    data = json.loads(Path("shop.drift.json").read_text())
    assert [(d["site"], d["status"]) for d in data["drift"]] == [("who", "moved")]
    assert data["drift"][0]["count"] == [before.samples, 80]
    assert main(["fit", "--only", "nobody"]) == 1
    assert "nothing is learned in a declaration of this name: nobody" in capsys.readouterr().err

    # an edit is noticed, and told apart from what is missing
    program = Path("shop.feat")
    program.write_text(program.read_text().replace("zscore(price)", "zscore(price * 2.0)"))
    assert main(["check", "shop.feat"]) == 1
    assert (
        "error[E0802]: what is learned here is not what was fitted: `price * 2.0`" in capsys.readouterr().err
    )

    # and so is a damaged file: not used, not kept in part, but replaced
    state = Path("shop.state.json")
    state.write_text(state.read_text().replace("2", "3", 9))
    assert main(["check", "shop.feat"]) == 1
    assert "error[E0803]" in capsys.readouterr().err
    assert main(["fit", "--only", "who"]) == 1
    assert "leave --only out" in capsys.readouterr().err
    assert main(["fit"]) == 0
    assert "all is learned anew" in capsys.readouterr().err
    assert main(["check", "shop.feat"]) == 0


def test_a_program_with_mistakes_is_not_fitted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = Path("shop.feat")
    program.write_text(program.read_text() + "\nfeature wrong = zscore(product.maker)\n")
    assert main(["fit"]) == 1
    assert "error[E0203]" in capsys.readouterr().err
    assert not Path("shop.state.json").exists()


def test_joined_rows_without_a_time_are_warned_of(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row's fold is told by its keys and its time: from rows that lost it, the label would leak into its feature."""
    assert main(["fit"]) == 0
    _, samples = rows_of(5, count=80)
    times = pa.array([s["at"] for s in samples], pa.timestamp("us", "UTC"))
    rows = pa.table(
        {"user": pa.array([s["who"] for s in samples], pa.int64()), "item": [s["what"] for s in samples]}
    )
    pq.write_table(rows, "lost.parquet")
    pq.write_table(rows.append_column("time", times), "timed.parquet")
    arguments = ["dataset", "--now", "0", "--what", "features"]
    capsys.readouterr()
    assert main([*arguments, "--rows", "lost.parquet", "--out", "lost"]) == 0
    said = capsys.readouterr()
    assert "warning: the rows have no column `time`" in said.err
    assert "--as-served" in said.err
    assert "the fold of the row, which is that of its keys alone" in said.out
    assert len(json.loads(Path("lost/_REPORT.json").read_text())["warnings"]) == 1
    assert main([*arguments, "--rows", "lost.parquet", "--out", "served", "--as-served"]) == 0
    assert main([*arguments, "--rows", "timed.parquet", "--out", "timed"]) == 0
    assert "warning" not in capsys.readouterr().err
    # with the time they are the samples' own folds
    assert main(["dataset", "--out", "native", "--what", "features"]) == 0
    key = ["user", "item", "time"]
    own = {tuple(row[k] for k in key): row["liking"] for row in read(project / "native").to_pylist()}
    assert {tuple(row[k] for k in key): row["liking"] for row in read(project / "timed").to_pylist()} == own
