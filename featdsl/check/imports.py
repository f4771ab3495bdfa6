"""The files of a program: the one that is named and what it imports, each read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from featdsl.diagnostics import Diagnostics, Note
from featdsl.source_file import SourceFile, Span
from featdsl.syntax import parse, tree

LARGEST_FILE_BYTES = 2 << 20
LARGEST_VOCAB_BYTES = 256 << 20

Reader = Callable[[str], bytes]


def read_file(path: str) -> bytes:
    """The bytes of a file. Errors: `OSError`."""
    with open(path, "rb") as file:
        return file.read(LARGEST_VOCAB_BYTES + 1)


@dataclass(slots=True)
class Program:
    """The syntax trees, imported files first. `files` are the paths that were read, vocabs too."""

    trees: list[tree.File] = field(default_factory=list)
    main: tree.File | None = None
    files: list[str] = field(default_factory=list)
    incomplete: bool = False
    """Whether an import could not be read: its names are then unknown without being a mistake."""


class Loader:
    """Reads and parses files; mistakes go to `diagnostics`."""

    def __init__(self, diagnostics: Diagnostics, read: Reader, overlay: Mapping[str, str] | None) -> None:
        self.diagnostics = diagnostics
        self.program = Program()
        self._read = read
        self._overlay = {os.path.normpath(p): text for p, text in (overlay or {}).items()}

    def load(self, path: str) -> Program:
        """The program that begins with the file at `path`."""
        shown = SourceFile(path, "")
        file = self._source(path, Span(shown, 0, 0))
        if file is None:
            return self.program
        self.program.main = parse(file, self.diagnostics)
        self._imports(path, self.program.main)
        return self.program

    def _imports(self, path: str, main: tree.File) -> None:
        """Depth first without recursion, so that a long chain of imports is no problem."""
        done: set[str] = set()
        open_files: dict[str, str] = {_identity(path): path}
        stack = [(path, main, iter(_import_declarations(main)))]
        while stack:
            path, parsed, remaining = stack[-1]
            declaration = next(remaining, None)
            if declaration is None:
                stack.pop()
                identity = _identity(path)
                del open_files[identity]
                done.add(identity)
                self.program.trees.append(parsed)
                continue
            wanted = relative(path, declaration.path)
            identity = _identity(wanted)
            if identity in open_files:
                chain = [*open_files.values()]
                chain = chain[list(open_files).index(identity) :]
                self.diagnostics.error(
                    "E0704",
                    "files import each other: " + " -> ".join(f"`{p}`" for p in [*chain, chain[0]]),
                    declaration.path_span,
                    help="move what both need into a third file",
                )
            elif identity not in done:
                file = self._source(wanted, declaration.path_span)
                if file is None:
                    self.program.incomplete = True
                    done.add(identity)
                    continue
                imported = parse(file, self.diagnostics)
                open_files[identity] = wanted
                stack.append((wanted, imported, iter(_import_declarations(imported))))

    def _source(self, path: str, span: Span) -> SourceFile | None:
        text = self.text(path, span, LARGEST_FILE_BYTES)
        return None if text is None else SourceFile(path, text)

    def text(self, path: str, span: Span, largest_bytes: int) -> str | None:
        """The decoded text of a file without its BOM; None where it cannot be had, which is reported at
        `span`, the place that names the file."""
        known = self._overlay.get(os.path.normpath(path))
        if known is not None:
            self.program.files.append(path)
            return known.removeprefix("\ufeff")
        try:
            data = self._read(path)
        except FileNotFoundError:
            self.diagnostics.error("E0701", f"there is no such file: `{path}`", span, help=self._nearby(path))
            return None
        except IsADirectoryError:
            self.diagnostics.error("E0702", f"this is a folder, not a file: `{path}`", span)
            return None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.diagnostics.error(
                "E0702", f"the file cannot be read ({reason[:1].lower()}{reason[1:]}): `{path}`", span
            )
            return None
        self.program.files.append(path)
        if len(data) > largest_bytes:
            self.diagnostics.error(
                "E0708",
                f"the file is larger than {largest_bytes >> 20} MB: `{path}`",
                span,
                help="split it and import the parts" if largest_bytes == LARGEST_FILE_BYTES else "",
            )
            return None
        try:
            return data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            self._not_utf8(path, span, data, error.start)
            return None

    def optional_text(self, path: str) -> str | None:
        """The text of a file that may be absent. Errors: `OSError`; `ValueError` for what is no UTF-8."""
        known = self._overlay.get(os.path.normpath(path))
        if known is None:
            try:
                known = self._read(path).decode()
            except FileNotFoundError:
                return None
        self.program.files.append(path)
        return known

    def _not_utf8(self, path: str, span: Span, data: bytes, start: int) -> None:
        """Reports a byte that is no UTF-8: in the file that is named at its place, in others where they are named."""
        shown = SourceFile(path, data.decode(errors="replace").removeprefix("\ufeff"))
        offset = len(data[:start].decode().removeprefix("\ufeff"))
        place = Span(shown, offset, offset + 1)
        line, column = shown.position(offset)
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        named = span.file.path == path
        self.diagnostics.error(
            "E0703",
            f"the file is not UTF-8 (line {line}, column {column}, byte 0x{data[start]:02x}): `{path}`",
            place if named else span,
            notes=() if named else (Note("the byte is here", place),),
            help="save the file as UTF-8; it is UTF-16 now" if wide else "save the file as UTF-8",
        )

    def _nearby(self, path: str) -> str:
        from featdsl.spelling import closest

        folder, name = os.path.split(path)
        try:
            found = closest(name, sorted(os.listdir(folder or "."))[:1000])
        except (OSError, ValueError):
            return ""
        return f"did you mean `{os.path.join(folder, found)}`?" if found else ""


def relative(path: str, target: str) -> str:
    """The path `target` as it is written in the file at `path`."""
    return os.path.normpath(os.path.join(os.path.dirname(path), target))


def _identity(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def _import_declarations(file: tree.File) -> list[tree.Import]:
    return [d for d in file.declarations if isinstance(d, tree.Import)]
