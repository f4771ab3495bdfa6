"""The whole check: files, names, what is read, definitions in the order they need, models."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from featdsl.check.allowed import silence
from featdsl.check.complaints import Complaints
from featdsl.check.expressions import Expressions
from featdsl.check.hash_spaces import hash_uses, warn_of_collisions
from featdsl.check.imports import Loader, Program, Reader, read_file
from featdsl.check.model import ModelChecker
from featdsl.check.names import Names, twice
from featdsl.check.order import names_in, sorted_by_need
from featdsl.check.schema import SchemaChecker
from featdsl.check.state_file import StateFile
from featdsl.check.suggest import Suggestions
from featdsl.check.types import DeclaredTypes
from featdsl.check.unused import warn_of_unused
from featdsl.check.vocabs import DeclaredVocab
from featdsl.diagnostics import Diagnostic, Diagnostics, Note
from featdsl.program import CheckedProgram, Column, Feature, Model
from featdsl.rendering import sort_key
from featdsl.source_file import Span
from featdsl.state import State
from featdsl.syntax import tree
from featdsl.typed import Typed
from featdsl.types import SCALARS, Kind

RECURSION_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`program` is None when a diagnostic is an error. `diagnostics` are in the order of the text, `files`
    the paths that were read: the file, its imports and vocabs."""

    program: CheckedProgram | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]

    @property
    def has_errors(self) -> bool:
        return self.program is None


def check(
    path: str,
    *,
    read: Reader = read_file,
    nullable_features: bool = False,
    overlay: Mapping[str, str] | None = None,
    fitting: State | None = None,
) -> CheckResult:
    """Checks the file at `path`, what it imports, and the fitted state beside it.

    `read` gives the bytes of a path (or raises `OSError`), `overlay` the text of paths that are not read.
    `nullable_features` allows features that may be null. `fitting` stands for the fitted state, and what is missing
    in it is no mistake: `program.sites` says what that is. Mistakes are in the result, nothing is raised.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    diagnostics = Diagnostics()
    loader = Loader(diagnostics, read, overlay)
    files = loader.load(path)
    state = StateFile(path, loader, fitting)
    checker = _Checker(path, files, loader, diagnostics, nullable_features)
    program = checker.check(state) if files.main else None
    silence(files.trees, files.main, diagnostics)
    return CheckResult(
        None if diagnostics.has_errors else program,
        tuple(sorted(diagnostics.found, key=sort_key)),
        tuple(files.files),
    )


class _Checker:
    def __init__(
        self, path: str, files: Program, loader: Loader, diagnostics: Diagnostics, nullable_features: bool
    ) -> None:
        suggestions = Suggestions()
        self.path = path
        self.files = files
        self.loader = loader
        self.diagnostics = diagnostics
        self.nullable_features = nullable_features
        self.names = Names(files.trees, files.incomplete, diagnostics)
        self.types = DeclaredTypes(diagnostics, suggestions)
        self.schema = SchemaChecker(self.names, diagnostics, self.types, suggestions)
        self.complaints = Complaints(diagnostics, suggestions)
        self.expressions = Expressions(self.names, self.schema.roots, self.types, self.complaints)
        self.models = ModelChecker(self.expressions, self.names, self.types, diagnostics)
        self.checked: dict[str, Typed] = {}

    def check(self, state: StateFile) -> CheckedProgram:
        schema = self.schema.check(self._namespace())
        expressions = self.expressions
        expressions.fitting.begin(schema, self._labels(), state)
        for declared in self.names.of(tree.Vocab):
            assert isinstance(declared, tree.Vocab)
            expressions.vocabs[declared.name.name] = DeclaredVocab(declared, self.loader)
        self._definitions()
        models = [self._model(m) for m in self.names.of(tree.Model) if isinstance(m, tree.Model)]
        for unused in self.names.of(tree.Def):
            if isinstance(unused, tree.Def) and unused.name.name not in expressions.used_defs:
                expressions.defs.unused(unused)
        if self.files.main is not None and not self.diagnostics.has_errors:
            warn_of_unused(self.names, self.files.main, self.diagnostics)
        features = tuple(
            Feature(d.name.name, self.checked[d.name.name], d.doc)
            for d in self.names.of(tree.Feature)
            if d.name.name in self.checked
        )
        lets = tuple(
            (d.name.name, self.checked[d.name.name])
            for d in self.names.of(tree.Let)
            if d.name.name in self.checked
        )
        vocabs = [expressions.vocabs[n].strings for n in sorted(expressions.used_vocabs)]
        program = CheckedProgram(
            schema, features, tuple(models), tuple(v for v in vocabs if v is not None), lets
        )
        hashes = hash_uses(program, expressions.fitting.identity)
        warn_of_collisions(hashes, state.hash_spaces(), self.complaints)
        return replace(program, sites=tuple(expressions.fitting.sites.values()), hashes=hashes)

    def _labels(self) -> dict[str, Column | None]:
        """The labels of all models by name. Of mistakes in them the model's check tells."""
        found: dict[str, Column | None] = {}
        for model in self.names.of(tree.Model):
            for label in model.labels if isinstance(model, tree.Model) else ():
                type = SCALARS.get(label.type.name)
                found.setdefault(label.name.name, None if type is None else Column(label.name.name, type))
        return found

    def _model(self, declared: tree.Model) -> Model:
        self.expressions.fitting.declaration = declared.name.name
        return self.models.check(declared)

    def _namespace(self) -> str:
        """The namespace of the file that is named; without one, the file's name."""
        main = self.files.main
        assert main is not None
        found = [d for d in main.declarations if isinstance(d, tree.Namespace)]
        for second in found[1:]:
            self.diagnostics.error(
                "E0304",
                "a file has one namespace",
                second.span,
                notes=(Note("the first is here", found[0].span),),
            )
        if found:
            return found[0].name.name
        stem = os.path.splitext(os.path.basename(self.path))[0]
        return re.sub(r"\W", "_", stem) or "features"

    def _definitions(self) -> None:
        """Lets and features, each after those it uses."""
        definitions = {
            d.name.name: d
            for d in self.names.of(tree.Def, tree.Let, tree.Feature)
            if isinstance(d, (tree.Def, tree.Let, tree.Feature))
        }
        needs: dict[str, list[str]] = {}
        for name, declared in definitions.items():
            parameters = set()
            if isinstance(declared, tree.Def):
                parameters = self._parameters(declared)
            # `feature month = month(request.at)` calls the operator: a name that is called is a def's or none of ours
            needs[name] = [
                used
                for used, called in names_in(declared.body)
                if used in definitions
                and used not in parameters
                and (not called or isinstance(definitions[used], tree.Def))
            ]
        order, cycles = sorted_by_need(needs)
        for cycle in cycles:
            self._cycle(cycle, definitions)
        for name in set(definitions).difference(order):
            # what stands on a cycle is no value, and no second mistake
            if isinstance(definitions[name], tree.Def):
                self._break(name)
            else:
                self.expressions.values[name] = None
        for name in order:
            declared = definitions[name]
            if isinstance(declared, tree.Def):
                continue
            self.expressions.fitting.declaration = name
            value = self.expressions.check(declared.body)
            if value is not None and isinstance(declared, tree.Feature):
                value = self._feature(declared, value)
            self.expressions.values[name] = value
            if value is not None:
                self.checked[name] = value

    def _parameters(self, declared: tree.Def) -> set[str]:
        found: dict[str, Span] = {}
        for parameter in declared.parameters:
            name, span = parameter.name.name, parameter.name.span
            if name in found:
                twice(self.diagnostics, "E0304", name, found[name], span)
                self._break(declared.name.name)
            found.setdefault(name, span)
        return set(found)

    def _break(self, name: str) -> None:
        """Takes a def for one that is not there: its calls are no second mistake."""
        self.names.declared.pop(name, None)
        self.names.broken.add(name)

    def _cycle(self, cycle: list[str], definitions: Mapping[str, tree.Def | tree.Let | tree.Feature]) -> None:
        first = definitions[cycle[0]]
        shown = [f"`{n}`" for n in cycle]
        if len(shown) > 6:
            shown = [*shown[:3], "…", *shown[-2:]]
        way = " -> ".join([*shown, shown[0]])
        only_defs = all(isinstance(definitions[n], tree.Def) for n in cycle)
        message = f"a def cannot call itself: {way}" if only_defs else f"definitions use each other: {way}"
        self.diagnostics.error(
            "E0307",
            message,
            first.name.span,
            notes=tuple(Note(f"`{n}` is declared here", definitions[n].name.span) for n in cycle[1:4]),
        )

    def _feature(self, declared: tree.Feature, value: Typed) -> Typed | None:
        """The value of a feature; None where it may be null."""
        if self.nullable_features:
            return value
        if value.type.kind is Kind.NOTHING or value.type.nullable:
            self.diagnostics.error(
                "E0212",
                f"a feature may not be null: `{declared.name.name}`",
                declared.body.span,
                label=f"this is `{value.type}`",
                notes=self.expressions.causes.of_null(value),
                help=self.expressions.causes.never_null(value),
            )
            return None
        if value.type.innermost.kind is Kind.NOTHING:
            self.diagnostics.error(
                "E0215",
                f"the elements have no type: `{declared.name.name}`",
                declared.body.span,
                label="this is always empty",
            )
            return None
        return value if self.models.not_null(value, declared.body.span, "a feature") else None
