"""Files: imports, vocabs, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from featdsl.check import check

ENTITY = "entity item: string per candidate\n"
PLAIN = ENTITY + "feature a = 1\n"


def said(path: Path | str, **overlay: str) -> list[tuple[str, str, int, str, str]]:
    """Code, file, line, message and help of each diagnostic; folders are cut off."""
    found = []
    for d in check(str(path), overlay={k.replace("__", "."): v for k, v in overlay.items()}).diagnostics:
        line, _ = d.span.file.position(d.span.start)
        folder = str(Path(path).parent) + "/"
        found.append((d.code, Path(d.span.file.path).name, line, d.message.replace(folder, ""), d.help))
    return found


def write(folder: Path, **files: str | bytes) -> Path:
    """Writes files, `a__feat` as `a.feat`; the path of the first."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder / next(iter(files)).replace("__", ".")


def test_missing_file(tmp_path: Path) -> None:
    write(tmp_path, movies__feat=PLAIN)
    message = "there is no such file: `movie.feat`"
    result = check(str(tmp_path / "movie.feat"))
    assert result.program is None
    assert [(d.code, d.help) for d in result.diagnostics] == [
        ("E0701", f"did you mean `{tmp_path / 'movies.feat'}`?")
    ]
    assert said(tmp_path / "movie.feat")[0][3] == message


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("folder", None, "E0702", "this is a folder, not a file: `folder`"),
        ("nul\0", None, "E0702", "the file cannot be read (embedded null byte): `nul\0`"),
        ("a.feat", b"# \xc3\xa4\nlet x\xff = 1", "E0703",
         "the file is not UTF-8 (line 2, column 6, byte 0xff): `a.feat`"),
        ("a.feat", b"#" * ((2 << 20) + 1), "E0708", "the file is larger than 2 MB: `a.feat`"),
    ],
)  # fmt: skip
def test_unreadable(tmp_path: Path, name: str, content: bytes | None, code: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    line = 2 if code == "E0703" else 1
    assert [s[:4] for s in said(tmp_path / name)] == [(code, name, line, message)]


def test_a_byte_that_is_no_utf8_in_an_import(tmp_path: Path) -> None:
    path = write(
        tmp_path, a__feat='import "b.feat"\nfeature x = 1\n', b__feat=b"\xef\xbb\xbfnamespace b\nlet \xe9 = 1"
    )
    (found,) = check(str(path)).diagnostics
    assert (found.code, found.span.file.position(found.span.start)) == ("E0703", (1, 8))
    (note,) = found.notes
    assert note.span is not None
    assert (note.span.file.path, note.span.file.position(note.span.start)) == (
        str(tmp_path / "b.feat"),
        (2, 5),
    )
    (utf16,) = check(str(write(tmp_path, c__feat="let x = 1".encode("utf-16")))).diagnostics
    assert (utf16.help, utf16.span.start) == ("save the file as UTF-8; it is UTF-16 now", 0)


def test_an_import_that_is_missing_is_one_mistake(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        a__feat='import "b.feat"\n' + ENTITY + "source s of item { n: int32 = 0 }\n"
        "feature x = from_b(s.n) + also_b.y + s.m\nsource t of other { n: int32 = 0 }\n",
    )
    assert said(path) == [
        ("E0701", "a.feat", 1, "there is no such file: `b.feat`", f"did you mean `{tmp_path}/a.feat`?"),
        ("E0302", "a.feat", 4, "`s` has no such field: `m`", "there is `s.n`"),
    ]


def test_imports_bring_everything_once(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    write(tmp_path / "lib", common__feat='import "vocabs.feat"\nnamespace lib\nlet one = two - 1\n')
    write(tmp_path / "lib", vocabs__feat='vocab genres from "genres.txt"\n')
    write(tmp_path / "lib", genres__txt="\ufeffdrama\r\ncomedy\r\n\r\n".encode())
    path = write(
        tmp_path,
        a__feat='\ufeffimport "lib/common.feat"\r\nimport "./lib/../lib/vocabs.feat"\r\n'
        'namespace main\r\nlet two = 2\r\nfeature x = one + lookup("comedy", genres)\r\n',
    )
    result = check(str(path))
    assert result.diagnostics == ()
    assert result.program is not None
    assert result.program.schema.namespace == "main"
    assert [(v.name, v.entries) for v in result.program.vocabs] == [("genres", ("drama", "comedy"))]
    assert [Path(f).name for f in result.files] == ["a.feat", "common.feat", "vocabs.feat", "genres.txt"]


def test_import_cycle(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        a__feat='import "b.feat"\nlet x = y\n',
        b__feat='import "c.feat"\nlet y = z\n',
        c__feat='import "b.feat"\nlet z = 1\n',
    )
    message = "files import each other: `b.feat` -> `c.feat` -> `b.feat`"
    assert said(path) == [("E0704", "c.feat", 1, message, "move what both need into a third file")]
    path.write_text('import "a.feat"')
    assert said(path)[0][:4] == ("E0704", "a.feat", 1, "files import each other: `a.feat` -> `a.feat`")


def test_a_chain_of_a_thousand_imports() -> None:
    overlay = {f"f{i}.feat": f'import "f{i + 1}.feat"\nlet x{i} = x{i + 1} + 1\n' for i in range(1000)}
    overlay["f1000.feat"] = "let x1000 = 1\n"
    assert check("f0.feat", overlay=overlay).diagnostics == ()


@pytest.mark.parametrize(
    ("vocab", "use", "expected"),
    [
        ("a\nb\na\n", '"a"', ("E0705", 1, "the vocab has an entry twice, on lines 1 and 3: `a`")),
        ("", '"a"', ("E0706", 1, "the vocab has no entry: `v.txt`")),
        ("\n\n", '"a"', ("E0706", 1, "the vocab has no entry: `v.txt`")),
        ("a\n\nb\n", '"a"', ("E0709", 1, "the vocab has an empty line between entries: line 2 of `v.txt`")),
        ("1\nx\n", "1", ("E0707", 2, "an integer is looked up in a vocab with an entry that is none: `x`")),
        ("1\n9223372036854775808\n", "1",
         ("E0707", 2, "an integer is looked up in a vocab with an entry that is none: `9223372036854775808`")),
        ("7\n007\n", "1", ("E0705", 1, "the vocab has an entry twice, on lines 1 and 2: `7`")),
    ],
)  # fmt: skip
def test_vocabs(tmp_path: Path, vocab: str, use: str, expected: tuple[str, int, str]) -> None:
    program = f'vocab v from "v.txt"\nfeature a = lookup({use}, v)\n'
    path = write(tmp_path, a__feat=program, v__txt=vocab)
    assert [(code, line, message) for code, _, line, message, _ in said(path)] == [expected]


def test_vocab_of_integers(tmp_path: Path) -> None:
    program = 'vocab v from "v.txt"\nfeature a = lookup(-3, v)\nfeature b = lookup("7", v)\n'
    path = write(tmp_path, a__feat=program, v__txt="7\n-3")
    result = check(str(path))
    assert result.program is not None
    a, b = (dict(f.value.attributes)["vocab"] for f in result.program.features)
    assert (a.entries, b.entries) == ((7, -3), ("7", "-3"))  # type: ignore[union-attr]


def test_vocab_notes_name_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path, a__feat='vocab v from "v.txt"\n', v__txt="x\r\ny\r\nx\r\n")
    (found,) = check(str(path)).diagnostics
    places = [(n.message, n.span.file.position(n.span.start)) for n in found.notes if n.span]
    assert places == [("first on line 1", (1, 1)), ("again on line 3", (3, 1))]
