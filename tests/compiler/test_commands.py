"""`feat build | run | explain | graph` as people call them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.bundle import build, read_bundle
from featdsl.cli.main import main
from featdsl.cli.progress import Progress
from tests.compiler.programs import MOVIES

TINY = """
namespace tiny
entity user: int64 per request
source u of user { n: int32 = 0  name: string? }
request { at: timestamp = now  page: string }
feature double = u.n * 2
feature words_of_name = words(u.name ?? "")
feature year_of_call = year(request.at)
feature page_id = hash(request.page, 10)
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.feat"
    path.write_text(TINY)
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    made = [
        {"user": i, "u": {"n": i, "name": f"a b{i}"}, "request": {"at": 0, "page": "p"}} for i in range(10)
    ]
    pq.write_table(pa.Table.from_pylist(made), path)
    return path


def test_build_writes_a_bundle_and_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "movies.featb"
    assert main(["build", str(MOVIES), "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    fingerprint = build(MOVIES).fingerprint
    assert read_bundle(out).fingerprint == fingerprint
    assert f"fingerprint {fingerprint}" in shown
    assert "model ranker" in shown
    assert "[n, 4]" in shown


def test_build_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(MOVIES), "-o", str(tmp_path / "b"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["features"]["genre_ids"] == "vector<int64, 6>"
    assert data["models"]["ranker"]["inputs"][0]["shape"] == [None, 4]


def test_a_program_with_a_mistake_builds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.feat").write_text("feature f = nothing_here + 1\n")
    assert main(["build", str(tmp_path / "bad.feat"), "-o", str(tmp_path / "b")]) == 1
    assert "bad.feat:1:13" in capsys.readouterr().err
    assert main(["build", str(tmp_path / "bad.feat"), "-o", str(tmp_path / "b"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["diagnostics"][0]["line"] == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_run_writes_a_column_a_feature(tiny: Path, rows: Path, tmp_path: Path, engine: str) -> None:
    out = tmp_path / "out.parquet"
    assert main(["run", str(tiny), "--rows", str(rows), "--out", str(out), "--engine", engine]) == 0
    table = pq.read_table(out)
    assert table.column_names == ["double", "words_of_name", "year_of_call", "page_id"]
    assert table["double"].to_pylist() == [2 * i for i in range(10)]
    assert table.schema.metadata[b"featdsl.fingerprint"].decode() == build(tiny).fingerprint


def test_run_takes_a_bundle_and_a_choice_of_features(
    tiny: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "tiny.featb"
    assert main(["build", str(tiny), "-o", str(bundle)]) == 0
    capsys.readouterr()
    arguments = ["run", str(bundle), "--rows", str(rows), "--features", "double", "--show", "2", "--json"]
    assert main(arguments) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"double": 0},
        {"double": 2},
    ]


def test_run_shows_a_table(tiny: Path, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(tiny), "--rows", str(rows), "--show", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["row", "0", "row", "1", "row", "2"]
    assert lines[1].split() == ["double", "0", "2", "4"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.jsonl", '{"u": {"n": 3, "name": "x y"}, "request": {"page": "p"}}\n'),
        ("rows.json", '[{"u": {"n": 3, "name": "x y"}, "request": {"page": "p"}}]'),
        ("rows.csv", "u.n,u.name,request.page\n3,x y,p\n"),
    ],
)
def test_run_reads_other_files(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    arguments = ["run", str(tiny), "--rows", str(tmp_path / name), "--show", "1", "--json"]
    assert main([*arguments, "--now", "2024-05-01T00:00:00Z"]) == 0
    shown = capsys.readouterr()
    row = json.loads(shown.out)
    assert (row["double"], row["words_of_name"], row["year_of_call"]) == (6, ["x", "y"], 2024)
    assert "note: the rows have no `request.at`" in shown.err


LEAN = '{"user": 2, "item": "b", "u": {"spent": {}}, "request": {"at": 5}}'
RICH = """
entity user: int64 per request
entity item: string per candidate
source u of user {
  name: string = ""
  spent: map<string, float64>
  kinds: map<int64, map<string, int64>>
  clicks: sequence[3] { item_id: string  at: timestamp }
}
source movie of item { title: string = "?"  weights: map<string, float64> }
source clicked = movie of u.clicks.item_id
request { at: timestamp  q: string = "" }
feature name = u.name
feature item_is = item
feature spent = keys(u.spent) |> join(",")
feature sum_spent = sum(values(u.spent))
feature kind = match(u.kinds, 7, "a") ?? -1
feature clicks = hour(u.clicks.at)
feature titles = clicked.title
feature weights = sum(each(values(clicked.weights)))
feature called = string(int64(request.at))
"""
ROW = """
{"user": 1, "item": "2024-01-01",
 "u": {"name": "7", "spent": {"z": 1, "a": 2.5, "n": null}, "kinds": {"7": {"a": 3}, "8": {}},
       "clicks": [{"item_id": "x", "at": "2024-01-01T05:00:00.000001Z"}, {"item_id": "y", "at": 0}]},
 "clicked": [{"title": "2024-02-02", "weights": {"b": 2.0, "c": 1}}, null],
 "request": {"at": "2024-06-01T00:00:00+02:00"}}""".replace("\n", "")


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("name", "text"), [("rows.jsonl", ROW + "\n" + LEAN), ("rows.json", f"[{ROW}, {LEAN}]")]
)
def test_json_is_read_as_declared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, engine: str
) -> None:
    (tmp_path / "rich.feat").write_text(RICH)
    (tmp_path / name).write_text(text)
    arguments = ["run", str(tmp_path / "rich.feat"), "--rows", str(tmp_path / name), "--engine", engine]
    assert main([*arguments, "--show", "2", "--json"]) == 0
    rich, lean = map(json.loads, capsys.readouterr().out.splitlines())
    assert (rich["name"], rich["item_is"], rich["spent"], rich["sum_spent"]) == (
        "7",
        "2024-01-01",
        "z,a",
        3.5,
    )
    assert (rich["kind"], rich["clicks"], rich["titles"]) == (3, [5, 0], ["2024-02-02", "?"])
    assert (rich["weights"], rich["called"]) == ([3.0, 0.0], "1717192800000000")
    assert (lean["spent"], lean["kind"], lean["called"]) == ("", -1, "5")


def test_a_text_in_csv_is_one_whatever_it_looks_like(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("u.n,u.name,request.page\n3,2024-01-01,7\n")
    arguments = ["run", str(tiny), "--rows", str(tmp_path / "rows.csv"), "--show", "1", "--json"]
    assert main([*arguments, "--now", "2024-05-01T00:00:00Z"]) == 0
    assert json.loads(capsys.readouterr().out)["words_of_name"] == ["2024", "01", "01"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.parquet", None, "no such file"),
        ("text.parquet", b"this is no parquet file at all", "the rows cannot be read"),
        ("empty.parquet", b"", "the rows cannot be read"),
        ("rows.xlsx", b"", "rows are not read from such a file"),
        ("broken.json", b'[{"a": ', "the rows cannot be read"),
        ("list.json", b"[1, 2]", "the rows are not objects alone"),
        ("list.jsonl", b"[1]\n", "the rows are not objects alone"),
        ("text.jsonl", b'{"u": "x"}', "`u` is not an object"),
        ("time.jsonl", b'{"request": {"at": "yesterday"}}', "`request.at` is no time"),
        ("large.jsonl", b'{"u": {"n": 1%s}}' % (b"0" * 30), "too large"),
        ("mixed.jsonl", b'{"u": {"name": "x"}}\n{"u": {"name": [1]}}', "`u.name`: "),
        ("deep.json", b"[" * 100_000, "nested too deep"),
        ("broken.jsonl", b'{"a": }', "the rows cannot be read"),
    ],
)
def test_run_names_a_file_that_cannot_be_read(
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "out.parquet"
    code = main(["run", str(tiny), "--rows", str(tmp_path / name), "--out", str(out)])
    shown = capsys.readouterr().err
    assert (code, message in shown) == (1, True)
    assert not out.exists()
    assert "Traceback" not in shown


def test_run_stops_at_rows_that_are_cut_off(tiny: Path, rows: Path, tmp_path: Path) -> None:
    rows.write_bytes(rows.read_bytes()[:-20])
    assert main(["run", str(tiny), "--rows", str(rows), "--out", str(tmp_path / "o.parquet")]) == 1
    assert [path.name for path in tmp_path.iterdir() if "o.parquet" in path.name] == []


def test_run_names_what_cannot_be_written(
    tiny: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path / "nowhere" / "o.parquet", tmp_path, tmp_path / "o.csv"):
        assert main(["run", str(tiny), "--rows", str(rows), "--out", str(out)]) == 1
        assert str(out) in capsys.readouterr().err


def test_run_names_a_required_field(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"u": [{"n": 1}]}), tmp_path / "rows.parquet")
    assert main(["run", str(tiny), "--rows", str(tmp_path / "rows.parquet"), "--show", "1"]) == 1
    assert "the rows have no `request.page`, which is required" in capsys.readouterr().err


def test_run_wants_to_know_what_to_do(tiny: Path, rows: Path) -> None:
    assert main(["run", str(tiny), "--rows", str(rows)]) == 2


def test_explain_shows_levels_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(MOVIES)]) == 0
    shown = capsys.readouterr().out
    for heading in ("request: once a call", "item: once an item", "pair: once a candidate", "programs"):
        assert heading in shown
    assert "log1p(" in shown


def test_explain_shows_one_feature(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(MOVIES), "movie_age"]) == 0
    shown = capsys.readouterr().out
    assert "feature/movie_age: float64, computed once a candidate (pair)" in shown
    assert "Years since release, on a log scale." in shown
    assert "movie.year" in shown


def test_explain_lists_what_is_learned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "examples/movies/movies.feat"]) == 0
    shown = capsys.readouterr().out
    lines = shown[shown.index("learned by `feat fit`") :].splitlines()
    assert (
        lines[1]
        .split("  ", 1)[1]
        .startswith('movie_liked  means      of item  (label: "liked", folds: 5, smoothing: 20.0,')
    )
    assert re.fullmatch(r" +count [\d,]+, mean 0\.\d+, entries [\d,]+", lines[2])
    assert main(["explain", "examples/movies/movies.feat", "user_bucket"]) == 0
    shown = capsys.readouterr().out
    assert "user_bucket  quantiles  of profile.n_ratings  (parts: 8)" in shown
    assert "movie_liked" not in shown


def test_explain_shows_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(MOVIES), "--passes", "same_recent"]) == 0
    shown = capsys.readouterr().out
    assert "after fold" in shown
    assert "604800000000" in shown.split("after fold")[1]


def test_explain_shows_codes_and_refuses_what_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "E0203"]) == 0
    assert capsys.readouterr().out.startswith("error[E0203]: ")
    assert main(["explain", "E9999"]) == 1
    assert main(["explain", str(MOVIES), "movie_agee"]) == 1
    assert "did you mean `movie_age`?" in capsys.readouterr().err


def test_graph_draws_each_node_once(tmp_path: Path) -> None:
    out = tmp_path / "g.svg"
    assert main(["graph", str(MOVIES), "-o", str(out)]) == 0
    svg = ElementTree.parse(out).getroot()
    boxes = svg.findall("{http://www.w3.org/2000/svg}g")[1:]
    bundle = build(MOVIES)
    assert len(boxes) == sum(node.op != "const" for node in bundle.graph.nodes)
    assert main(["graph", str(MOVIES), "-o", str(out), "--feature", "ranker.dense"]) == 0
    assert "ranker.dense" in out.read_text()


def test_graph_boxes_do_not_overlap() -> None:
    from compiler.drawing import _box
    from compiler.layout import lay_out

    nodes = [node for node in build(MOVIES).graph.nodes if node.op != "const"]
    boxes = list(lay_out([_box(node, []) for node in nodes]).boxes.values())
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart_x = abs(a.x - b.x) >= (a.width + b.width) / 2 - 0.01
            assert apart_x or abs(a.y - b.y) >= (a.height + b.height) / 2 - 0.01


class _Stream:
    def __init__(self, terminal: bool) -> None:
        self.text = ""
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(terminal: bool) -> None:
    seconds = [0.0]
    stream = _Stream(terminal)
    progress = Progress("rows", 100, stream=stream, clock=lambda: seconds[0])  # type: ignore[arg-type]
    progress.update(1)
    assert stream.text == ""
    seconds[0] = 20.0
    progress.update(50)
    progress.close()
    assert "50 of 100 rows" in stream.text
    assert stream.text.endswith("\r\x1b[K" if terminal else "a second\n")


def test_run_does_not_write_over_what_it_reads(
    tiny: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows.read_bytes()
    assert main(["run", str(tiny), "--rows", str(rows), "--out", str(rows)]) == 1
    assert "the results would replace what they are made from" in capsys.readouterr().err
    assert rows.read_bytes() == before
