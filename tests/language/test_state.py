"""State files: what is written is read, what was changed is noticed; sites are told apart by what they learn."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from featdsl.check import check
from featdsl.program import CheckedProgram
from featdsl.state import (
    BadState,
    FittedSite,
    HashSpace,
    State,
    read_state,
    state_path,
    state_text,
    write_state,
)

HEAD = """
entity user: int64 per request
entity item: string per candidate
source profile of user { n: int32 = 0 }
source movie of item { title: string?  year: int32?  genres: list<string>  n: int32 = 0 }
"""


def _state() -> State:
    strange = ['"', "\\", "a\nb", "", "é🙂", "\u2028", "a\tb"]
    sites = [
        FittedSite(
            "1" * 32, "b", "vocab", "x", {"min_count": 1}, {"count": 9, "entries": dict.fromkeys(strange, 1)}
        ),
        FittedSite("2" * 32, "a", "vocab", "y", {}, {"count": 9, "entries": {-3: 7, 2**63 - 1: 2}}),
        FittedSite(
            "3" * 32, "a", "moments", "z", {}, {"mean": 0.1, "std": 1e-300, "low": -0.0, "high": 5e300}
        ),
    ]
    space = HashSpace("4" * 32, "hash(x, 10)", 10, 7, 3)
    return State(12, {s.id: s for s in sites}, {space.id: space})


def test_what_is_written_is_read() -> None:
    state = _state()
    text = state_text(state)
    again = read_state(text)
    assert again == state
    assert state_text(again) == text
    assert [list(s.values.get("entries", ())) for s in again.sites.values()][-1] == list(
        state.sites["1" * 32].values["entries"]
    )


def test_every_changed_character_is_noticed() -> None:
    text = state_text(_state())
    for at in range(0, len(text), 7):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        with pytest.raises(BadState):
            read_state(changed)
    for cut in (0, 1, 50, len(text) // 2, len(text) - 1):
        with pytest.raises(BadState):
            read_state(text[:cut])
    with pytest.raises(BadState, match="checksum"):
        read_state(text.replace("\n", "\r\n").replace("\r\n", "\n", 3))


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.state.json"
    write_state(path, "first\n")
    write_state(path, "second\n")
    assert path.read_text() == "second\n"
    assert os.listdir(tmp_path) == ["a.state.json"]
    with pytest.raises(OSError, match="No such file"):
        write_state(tmp_path / "gone" / "a.state.json", "x")


def test_a_million_entries_load_fast(tmp_path: Path) -> None:
    sites = _sites(HEAD + "feature a = lookup(movie.title, fit vocab(max_size: 2_000_000))")
    (number,) = sites
    entries = {f"entry {i}": 1 for i in range(1_000_000)}
    site = FittedSite(number, "a", "vocab", "movie.title", {}, {"count": 1_000_000, "entries": entries})
    program = tmp_path / "p.feat"
    program.write_text(HEAD + "feature a = lookup(movie.title, fit vocab(max_size: 2_000_000))")
    write_state(state_path(str(program)), state_text(State(1, {number: site})))
    started = time.process_time()
    checked = check(str(program))
    assert checked.program is not None
    assert time.process_time() - started < 8.0
    vocab = dict(checked.program.features[0].value.attributes)["vocab"]
    assert vocab.id_of("entry 999999") == 1_000_001


def _program(text: str) -> CheckedProgram:
    checked = check("p.feat", overlay={"p.feat": text}, fitting=State())
    assert checked.program is not None, checked.diagnostics
    return checked.program


def _sites(text: str) -> list[str]:
    return [site.id for site in _program(text).sites]


def test_names_and_layout_do_not_count() -> None:
    first = _sites(HEAD + "let pop = movie.n + 1\nfeature a = zscore(pop)")
    assert first == _sites(HEAD + "def more(x) = x + 1\nfeature other = zscore(more(movie.n))  # as before")
    assert first == _sites("## Doc.\n" + HEAD + "feature a = zscore(\n  movie.n + 1\n)\nfeature b = 1")
    assert first == _sites(HEAD + "feature a = minmax(movie.n + 1)")  # of the same numbers


@pytest.mark.parametrize(
    "changed",
    [
        HEAD + "feature a = zscore(movie.n + 2)",
        HEAD + "feature a = zscore(movie.n - 1)",
        HEAD + "feature a = zscore(profile.n + 1)",
        HEAD.replace("n: int32 = 0 }\n", "n: int32 = 7 }\n") + "feature a = zscore(movie.n + 1)",
        HEAD.replace("item: string", "item: int64") + "feature a = zscore(movie.n + 1)",
        HEAD + "feature a = quantile_bucketize(movie.n + 1, 3)",
    ],
)
def test_what_is_edited_counts(changed: str) -> None:
    first = _sites(HEAD + "feature a = zscore(movie.n + 1)")
    assert first != _sites(changed)


def test_options_that_decide_what_is_learned_count() -> None:
    def vocab(options: str) -> list[str]:
        return _sites(HEAD + f"feature a = lookup(movie.title, fit vocab({options}))")

    assert vocab("") == vocab("min_count: 1") == vocab("max_size: 100_000, min_count: 1")
    assert vocab("") != vocab("min_count: 2")

    def mean(options: str) -> list[str]:
        model = "model m { x: float32 = a  label y: float32  label z: float32  output o: float32 }"
        return _sites(HEAD + f"feature a = target_mean(item, {options})\n{model}")

    assert mean('"y"') == mean('label: "y", folds: 5')
    assert len({*mean('"y"'), *mean('"z"'), *mean('"y", folds: 6'), *mean('"y", smoothing: 1')}) == 4


def test_a_site_waits_for_what_it_is_learned_from() -> None:
    text = HEAD + "feature a = quantile_bucketize(zscore(movie.n), 4)"
    (inner,) = _program(text).sites
    values = {"count": 3, "mean": 1.0, "std": 2.0, "low": 0.0, "high": 4.0}
    for mean in (1.0, 1.5):
        known = FittedSite(inner.id, "a", "moments", "movie.n", {}, {**values, "mean": mean})
        checked = check("p.feat", overlay={"p.feat": text}, fitting=State(3, {known.id: known}))
        assert checked.program is not None
        first, second = checked.program.sites
        assert (first.id, first.state, second.statistic, second.state) == (inner.id, known, "quantiles", None)
        if mean == 1.0:
            before = second.id
    assert second.id != before  # learned of other numbers


def test_a_def_may_learn() -> None:
    text = HEAD + (
        "def trimmed(x) = clip(x, fit quantile(x, 0.01), fit quantile(x, at: 0.99))\n"
        "def ids(x, v) = lookup(x, v)\n"
        "feature a = trimmed(movie.n)\nfeature b = ids(movie.genres, fit vocab(min_count: 3)) |> pad(2)\n"
        "feature c = ids(movie.title, fit vocab(min_count: 3))"
    )
    assert [(s.name, s.statistic, s.of) for s in _program(text).sites] == [
        ("a", "quantiles", "x"),
        ("a", "quantiles", "x"),
        ("b", "vocab", "x"),
        ("c", "vocab", "x"),
    ]
