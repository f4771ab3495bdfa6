"""The fingerprint: the same for the same program, another for any change of meaning."""

from __future__ import annotations

import pytest

from compiler.bundle import compile_program, feature_differences
from tests.compiler.programs import checked

BASE = """
namespace shop
entity user: int64 per request
entity item: string per candidate
source u of user { a: int64 = 0  xs: list<string>[5] }
source m of item { tags: list<string>  at: timestamp? }
request { at: timestamp = now  page: string = "home" }
vocab words from "words.txt"
let base = u.a + 2
feature f = base * 3
feature g = lookup(m.tags, words) |> pad(3)
feature h = hour(request.at, zone: "Asia/Tokyo")
model r { x: float32 = [f, h]  y: int64 = g  output like: float32 }
"""


def print_of(text: str, **files: str) -> str:
    return compile_program(checked(text, **files)).fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("let base", "# a comment\n## documented\nlet base"),
        ("feature f = base * 3", "feature   f  =\n (base * 3)"),
        ("feature f = base * 3\n", ""),
        ("let base = u.a + 2", "let other = 7 + u.a\nlet base = u.a + 2"),
        ("base * 3", "base * (1 + 2)"),
        ("base * 3", "(u.a + 2) * 3"),
    ],
)
def test_what_does_not_count(old: str, new: str) -> None:
    assert old in BASE
    changed = BASE.replace(old, new)
    if not new:
        changed = changed.replace("model r", old + "\nmodel r")
    assert print_of(changed) == print_of(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a: int64 = 0", "a: int64 = 1"),
        ("list<string>[5]", "list<string>[6]"),
        ("namespace shop", "namespace shoe"),
        ("base * 3", "base * 4"),
        ("base * 3", "3 * base + 0"),
        ("base * 3", "float64(base * 3)"),
        ("pad(3)", "pad(4)"),
        ("Asia/Tokyo", "Asia/Seoul"),
        ("feature f =", "feature f2 = 1\nfeature f ="),
        ("[f, h]", "[h, f]"),
        ("y: int64", "y: int32"),
        ("output like", "output love"),
        ("output like: float32", "output like: float32 keep = f > 1"),
        ('page: string = "home"', "page: string"),
    ],
)
def test_what_counts(old: str, new: str) -> None:
    assert old in BASE
    assert print_of(BASE.replace(old, new)) != print_of(BASE)


def test_vocab_entries_count() -> None:
    assert print_of(BASE, **{"words.txt": "red\ngreen\n"}) != print_of(BASE)


def test_differences_name_the_roots() -> None:
    old = compile_program(checked(BASE))
    new = compile_program(
        checked(BASE.replace("base * 3", "base * 4").replace("feature h", "feature k = 1\nfeature h"))
    )
    assert feature_differences(old, new) == {
        "feature/f": "changed",
        "feature/k": "added",
        "model/r/input/x": "changed",
    }
    assert feature_differences(new.digests, old.digests)["feature/k"] == "removed"


def test_a_default_changes_the_features_that_read_it() -> None:
    old = compile_program(checked(BASE))
    new = compile_program(checked(BASE.replace("a: int64 = 0", "a: int64 = 1")))
    assert set(feature_differences(old, new)) == {"feature/f", "model/r/input/x"}
