"""The names of a program: all global, each declared once."""

from __future__ import annotations

from collections.abc import Iterable

from featdsl.diagnostics import Diagnostics, Note
from featdsl.fit import LEARNED
from featdsl.operators.declare import OPERATORS
from featdsl.source_file import Span
from featdsl.syntax import tree

Named = (
    tree.Entity
    | tree.Source
    | tree.SourceAlias
    | tree.Vocab
    | tree.Def
    | tree.Let
    | tree.Feature
    | tree.Model
)

KINDS: dict[type, str] = {
    tree.Entity: "an entity", tree.Source: "a source", tree.SourceAlias: "a source", tree.Vocab: "a vocab",
    tree.Def: "a def", tree.Let: "a let", tree.Feature: "a feature", tree.Model: "a model",
}  # fmt: skip


class Names:
    """Declarations by name. `broken` names stand in text that did not parse."""

    def __init__(self, files: Iterable[tree.File], incomplete: bool, diagnostics: Diagnostics) -> None:
        self.declared: dict[str, Named] = {}
        self.broken: set[str] = set()
        self._incomplete = incomplete
        self.requests: list[tree.Request] = []
        self.candidates: list[tree.Candidate] = []
        self._diagnostics = diagnostics
        for file in files:
            self.broken |= file.broken_names
            for declaration in file.declarations:
                self._add(declaration)
        self._only_one(self.requests, "request")
        self._only_one(self.candidates, "candidate")

    def _add(self, declaration: tree.Declaration) -> None:
        if isinstance(declaration, tree.Request):
            self.requests.append(declaration)
        elif isinstance(declaration, tree.Candidate):
            self.candidates.append(declaration)
        elif not isinstance(declaration, (tree.Import, tree.Namespace)):
            name = declaration.name.name
            first = self.declared.get(name)
            if first is not None:
                twice(self._diagnostics, "E0304", name, first.name.span, declaration.name.span)
                return
            if isinstance(declaration, tree.Def) and (name in OPERATORS or name in LEARNED):
                self._diagnostics.error(
                    "E0304",
                    f"a def has the name of an operator: `{name}`",
                    declaration.name.span,
                    help=f"choose another, such as `my_{name}`",
                )
                self.broken.add(name)
                return
            self.declared[name] = declaration

    def _only_one(self, blocks: list[tree.Request] | list[tree.Candidate], what: str) -> None:
        for block in blocks[1:]:
            word = Span(block.span.file, block.span.start, block.span.start + len(what))
            first = Span(blocks[0].span.file, blocks[0].span.start, blocks[0].span.start + len(what))
            self._diagnostics.error(
                "E0304",
                f"`{what}` is declared twice",
                word,
                notes=(Note("first declared here", first),),
                help="put all fields into one block",
            )

    def excuses(self, name: str) -> bool:
        """Whether not knowing a name is no second mistake: its declaration, or an import, is broken."""
        return self._incomplete or name in self.broken

    def of(self, *kinds: type) -> list[Named]:
        """The declarations of some kinds, in the order of the text, imported files first."""
        return [d for d in self.declared.values() if isinstance(d, kinds)]


def twice(diagnostics: Diagnostics, code: str, name: str, first: Span, second: Span) -> None:
    """Reports a name that is declared a second time."""
    diagnostics.error(
        code,
        f"the name is declared twice: `{name}`",
        second,
        notes=(Note("first declared here", first),),
        help="rename one of them",
    )
