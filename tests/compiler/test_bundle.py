"""Bundles at rest: round trip, refusal to overwrite, and any damage is an error with a message."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.bundle import Bundle, build, read_bundle, write_bundle
from featdsl.errors import InputError
from tests.compiler.programs import MOVIES


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return build(MOVIES)


@pytest.fixture(scope="module", params=["folder", "movies.featb"])
def written(request: pytest.FixtureRequest, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / str(request.param)
    write_bundle(bundle, path)
    return path


def test_round_trip(written: Path, bundle: Bundle) -> None:
    read = read_bundle(written)
    assert read.fingerprint == bundle.fingerprint
    assert read.schema == bundle.schema
    assert read.models == bundle.models
    assert list(read.features.items()) == list(bundle.features.items())
    assert list(read.roots) == list(bundle.roots)
    assert read.programs == bundle.programs
    assert read.vocabs == bundle.vocabs
    assert read.docs == bundle.docs
    assert read.digests == bundle.digests
    kept = [
        (n.op, n.type, n.level, n.attributes, n.overload, n.mapped, n.drops_null) for n in read.graph.nodes
    ]
    made = [
        (n.op, n.type, n.level, n.attributes, n.overload, n.mapped, n.drops_null) for n in bundle.graph.nodes
    ]
    assert kept == made


def test_the_same_program_is_the_same_file(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(bundle, tmp_path / "a.featb")
    write_bundle(build(MOVIES), tmp_path / "b.featb")
    assert (tmp_path / "a.featb").read_bytes() == (tmp_path / "b.featb").read_bytes()


def test_signature(bundle: Bundle) -> None:
    ranker = bundle.model("ranker")
    assert [(t.name, t.dtype, t.shape, t.per_request) for t in ranker.inputs] == [
        ("dense", "float32", (None, 4), False),
        ("bucket", "int64", (None,), False),
        ("genres", "int64", (None, 6), False),
        ("crosses", "int64", (None, 16), False),
        ("user_bucket_once", "int64", (1,), True),
    ]
    assert [column.name for column in ranker.labels] == ["liked"]
    assert [column.name for column in ranker.outputs] == ["like", "watch"]
    assert (ranker.has_keep, ranker.has_score) == (True, True)


def test_unknown_names_say_what_there_is(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="no such model: rank"):
        bundle.model("rank")
    with pytest.raises(InputError) as caught:
        bundle.only(["tast"])
    assert caught.value.help == "did you mean `taste`?"


def test_a_bundle_may_be_replaced_and_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("folder", "one.featb"):
        write_bundle(bundle, tmp_path / name)
        write_bundle(bundle, tmp_path / name)
        assert read_bundle(tmp_path / name).fingerprint == bundle.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "one.featb"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    (tmp_path / "notes.featb").write_text("not a zip")
    for name in ("mine", "notes.featb"):
        with pytest.raises(InputError, match="not a bundle is there already"):
            write_bundle(bundle, tmp_path / name)
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_bundle(bundle, tmp_path / "file" / "x.featb")


def test_an_absent_bundle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such bundle"):
        read_bundle(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"`bundle.json` is missing"):
        read_bundle(tmp_path)


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_damage_is_an_error(
    written: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copy = tmp_path_factory.mktemp("damaged") / written.name
    shutil.copytree(written, copy) if written.is_dir() else shutil.copy(written, copy)
    file = data.draw(st.sampled_from(_files(copy)))
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    file.write_bytes(content)
    read = None
    with contextlib.suppress(InputError):
        read = read_bundle(copy)
    if read is not None:
        # A zip has bytes that say nothing, such as a date.
        assert copy.is_file()
        assert (read.fingerprint, read.programs) == (bundle.fingerprint, bundle.programs)


@pytest.mark.parametrize("name", ["schema.json", "ir.json", "zones.json", "native/features/pair"])
def test_an_absent_file_is_an_error(bundle: Bundle, tmp_path: Path, name: str) -> None:
    write_bundle(bundle, tmp_path / "b")
    (tmp_path / "b" / name).unlink()
    with pytest.raises(InputError, match=f"`{name}` is missing"):
        read_bundle(tmp_path / "b")


def test_another_version_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(bundle, tmp_path / "b")
    index = tmp_path / "b" / "bundle.json"
    data = json.loads(index.read_text())
    data["version"] = 99
    index.write_text(json.dumps(data, sort_keys=True, separators=(",", ":")))
    with pytest.raises(InputError, match="reads format version 1, found 99"):
        read_bundle(tmp_path / "b")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_lying_content_with_right_checksums_is_an_error(bundle: Bundle, data: st.DataObject) -> None:
    """Whatever the plain data says, reading it ends in a module or in `BadData`."""
    from compiler.archive import dump, load
    from compiler.bundle_files import files_of, parts_of
    from compiler.data import BadData

    files = files_of(bundle)
    name = data.draw(st.sampled_from(["schema.json", "ir.json", "zones.json"]))
    content = load(files[name])
    _spoil(content, data)
    files[name] = dump(content)
    with contextlib.suppress(BadData):
        parts_of(files)


def _spoil(content: object, data: st.DataObject) -> None:
    """Puts something else into one place of nested data."""
    while True:
        assert isinstance(content, dict | list)
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = content[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.integers(0, 3)):
            content = inner
            continue
        content[key] = data.draw(
            st.sampled_from([None, True, -1, 0, 7, 2**70, 1.5, "", "x", "int64", [], [0], {}, {"vocab": "x"}])
        )
        return
