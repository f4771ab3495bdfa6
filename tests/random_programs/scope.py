"""The type of an expression, as the checker infers it, without a program around it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from featdsl.check.complaints import Complaints
from featdsl.check.expressions import Expressions
from featdsl.check.imports import Loader
from featdsl.check.names import Names
from featdsl.check.schema import SchemaChecker
from featdsl.check.suggest import Suggestions
from featdsl.check.types import DeclaredTypes
from featdsl.check.vocabs import DeclaredVocab
from featdsl.diagnostics import Diagnostics
from featdsl.source_file import SourceFile
from featdsl.syntax import parse, tree
from featdsl.typed import Typed
from tests.random_programs.inputs import INPUTS, declarations, vocab_files

_PATH = "scope.feat"


@cache
def _loaded() -> Loader:
    """The declarations of every input, parsed once for all scopes."""
    overlay = {_PATH: declarations(INPUTS), **vocab_files()}
    loader = Loader(Diagnostics(), lambda path: b"", overlay)
    loader.load(_PATH)
    return loader


class Scope:
    """Every input, and expressions under names of their own."""

    def __init__(self) -> None:
        self._kept: list[tree.File] = []  # the checker knows defs by their identity
        self._diagnostics = Diagnostics()
        suggestions = Suggestions()
        loader = _loaded()
        files = loader.program
        names = self._names = Names(files.trees, files.incomplete, self._diagnostics)
        types = DeclaredTypes(self._diagnostics, suggestions)
        schema = SchemaChecker(names, self._diagnostics, types, suggestions)
        complaints = Complaints(self._diagnostics, suggestions)
        self._expressions = Expressions(names, schema.roots, types, complaints)
        schema.check("random")
        for declared in names.of(tree.Vocab):
            assert isinstance(declared, tree.Vocab)
            self._expressions.vocabs[declared.name.name] = DeclaredVocab(declared, loader)
        assert not self._diagnostics.has_errors, self._diagnostics.found
        assert not loader.diagnostics.has_errors, loader.diagnostics.found

    def typed(self, text: str, defs: Iterable[str] = ()) -> Typed | None:
        """The expression, None where the checker refuses it. `defs` are declared before it."""
        found = Diagnostics()
        file = parse(SourceFile("x.feat", "\n".join([*defs, f"let x = {text}"])), found)
        if found.has_errors:
            return None
        self._kept.append(file)
        *declared, last = file.declarations
        for one in declared:
            assert isinstance(one, tree.Def)
            self._names.declared[one.name.name] = one
        assert isinstance(last, tree.Let)
        return self._expressions.check(last.body)

    def bind(self, name: str, value: Typed) -> None:
        """Makes a name stand for an expression."""
        self._expressions.values[name] = value
