"""What a program reads: entities, sources and their keys, `request` and `candidate`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from featdsl.check.fields import Fields
from featdsl.check.names import KINDS, Names
from featdsl.check.nodes import Alignment
from featdsl.check.order import sorted_by_need
from featdsl.check.suggest import Suggestions
from featdsl.check.types import DeclaredTypes
from featdsl.diagnostics import Diagnostics, Note
from featdsl.levels import Level
from featdsl.program import Entity, Field, Schema, Source
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.types import INTEGER_KINDS, Kind, Type, list_of


@dataclass(slots=True)
class Input:
    """A value that is read: its name in the program, type and level. `span` is its declaration, `cap` the
    largest length of a list."""

    name: str
    type: Type
    level: Level
    span: Span
    alignment: Alignment | None = None
    cap: int | None = None


@dataclass(slots=True)
class Members:
    """The inputs under one name (`movie`, `request`, `profile.clicks`). `broken` says that some are
    missing because of a mistake in their declaration."""

    name: str
    inputs: dict[str, Input | Members] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


class SchemaChecker:
    """Checks the declarations of what is read. `roots` maps a name to what stands under it; a name that
    is missing there was declared with a mistake."""

    def __init__(
        self, names: Names, diagnostics: Diagnostics, types: DeclaredTypes, suggestions: Suggestions
    ) -> None:
        self._names = names
        self._diagnostics = diagnostics
        self._types = types
        self._suggestions = suggestions
        self._fields = Fields(diagnostics, types)
        self._entities: dict[str, Entity] = {}
        self._sources: dict[str, Source] = {}
        self.roots: dict[str, Input | Members] = {}

    def check(self, namespace: str) -> Schema:
        for declared in self._names.of(tree.Entity):
            assert isinstance(declared, tree.Entity)
            self._entity(declared)
        declarations = {
            d.name.name: d
            for d in self._names.of(tree.Source, tree.SourceAlias)
            if isinstance(d, (tree.Source, tree.SourceAlias))
        }
        needs = {name: [n for n in self._needs(d) if n in declarations] for name, d in declarations.items()}
        order, cycles = sorted_by_need(needs)
        for cycle in cycles:
            self._cycle(cycle, declarations)
        for name in order:
            self._source(declarations[name])
        request = self._call_fields("request", Level.REQUEST)
        candidate = self._call_fields("candidate", Level.PAIR)
        return Schema(
            namespace,
            tuple(self._entities.values()),
            tuple(self._sources.values()),
            request,
            candidate,
        )

    # --- entities, request, candidate ----------------------------------------------------------

    def _entity(self, declared: tree.Entity) -> None:
        name = declared.name.name
        found = self._types.read(declared.type)
        if found is None:
            return
        if found.nullable or (found.kind not in INTEGER_KINDS and found.kind is not Kind.STRING):
            self._diagnostics.error(
                "E0415",
                f"the key of an entity is `int64`, `int32` or `string`, not `{found}`",
                declared.type.span,
            )
            return
        per_candidate = declared.per == "candidate"
        self._entities[name] = Entity(name, found, per_candidate, declared.doc)
        level = Level.ITEM if per_candidate else Level.REQUEST
        self.roots[name] = Input(name, found, level, declared.name.span)

    def _call_fields(self, name: str, level: Level) -> tuple[Field, ...]:
        blocks = self._names.requests if name == "request" else self._names.candidates
        if not blocks:
            return ()
        members = Members(name)
        place = "request" if name == "request" else "candidate"
        fields = self._fields.block(blocks[0].fields, place, members.broken)  # type: ignore[arg-type]
        spans = {f.name.name: f.name.span for f in blocks[0].fields}
        found = tuple(f for f in fields if isinstance(f, Field))
        for one in found:
            path = f"{name}.{one.name}"
            members.inputs[one.name] = Input(
                path, one.type, level, spans[one.name], _own(path, one.type), one.cap
            )
        self.roots[name] = members
        return found

    # --- sources -------------------------------------------------------------------------------

    @staticmethod
    def _needs(declared: tree.Source | tree.SourceAlias) -> list[str]:
        needs = [path_of(declared.key)[0].name]
        if isinstance(declared, tree.SourceAlias):
            needs.append(declared.origin.name)
        return needs

    def _cycle(self, cycle: list[str], declarations: dict[str, tree.Source | tree.SourceAlias]) -> None:
        shown = " -> ".join(f"`{n}`" for n in [*cycle, cycle[0]])
        self._diagnostics.error(
            "E0408",
            f"sources are keyed by each other: {shown}",
            declarations[cycle[0]].name.span,
            notes=tuple(Note(f"`{n}` is declared here", declarations[n].name.span) for n in cycle[1:4]),
            help="key one of them by an entity",
        )

    def _source(self, declared: tree.Source | tree.SourceAlias) -> None:
        name = declared.name.name
        members = Members(name)
        if isinstance(declared, tree.SourceAlias):
            origin = self._origin(declared)
            if origin is None:
                return
            fields, rows_of, key_type = origin.fields, origin.rows_of, origin.key_type
            members.broken |= self._broken_of(origin.rows_of)
        else:
            fields = self._fields.block(declared.fields, "source", members.broken)
            rows_of, key_type = name, None
            if not declared.fields and name not in self._names.broken:
                self._diagnostics.error(
                    "E0417",
                    f"the source has no field: `{name}`",
                    declared.name.span,
                    help=f"write `source {name} of … {{ title: string? }}`",
                )
        key = self._key(declared.key)
        if key is None:
            return
        per_element = key.type.is_listlike
        found_type = (key.type.item if per_element else key.type).optional(False)
        if key_type is not None and not _same_key(found_type, key_type):
            self._diagnostics.error(
                "E0407",
                f"the rows of `{rows_of}` are keyed by `{key_type}`, not `{found_type}`",
                declared.key.span,
                notes=(Note(f"`{key.name}` is declared here", key.span),),
            )
            return
        self._sources[name] = Source(
            name, key.name, key_type or found_type, key.level, fields, rows_of, per_element, declared.doc
        )
        alignment = None
        if per_element:
            assert key.alignment is not None
            alignment = replace(key.alignment, keeps_null=True)
        self._members(members, self._sources[name], self._spans(rows_of), alignment, key.cap)
        self.roots[name] = members

    def _origin(self, declared: tree.SourceAlias) -> Source | None:
        name = declared.origin.name
        found = self._sources.get(name)
        if found is None:
            other = self._names.declared.get(name)
            if other is None and not self._names.excuses(name):
                names = [d.name.name for d in self._names.of(tree.Source, tree.SourceAlias)]
                self._diagnostics.once(
                    ("name", name),
                    "E0301",
                    f"there is no such source: `{name}`",
                    declared.origin.span,
                    help=self._suggestions.help(name, names),
                )
            elif other is not None and not isinstance(other, (tree.Source, tree.SourceAlias)):
                self._diagnostics.error(
                    "E0305",
                    f"`{name}` is {KINDS[type(other)]}, not a source",
                    declared.origin.span,
                    notes=(Note(f"`{name}` is declared here", other.name.span),),
                )
        return found

    def _broken_of(self, name: str) -> set[str]:
        members = self.roots.get(name)
        return members.broken if isinstance(members, Members) else set()

    def _spans(self, name: str) -> dict[tuple[str, ...], Span]:
        """The place of each field of the source that is no alias."""
        declared = self._names.declared[name]
        assert isinstance(declared, tree.Source)
        spans: dict[tuple[str, ...], Span] = {}
        for one in declared.fields:
            spans.setdefault((one.name.name,), one.name.span)
            if isinstance(one, tree.Sequence):
                for inner in one.fields:
                    spans.setdefault((one.name.name, inner.name.name), inner.name.span)
        return spans

    @staticmethod
    def _members(
        members: Members,
        source: Source,
        spans: dict[tuple[str, ...], Span],
        per_element: Alignment | None,
        cap: int | None,
    ) -> None:
        """The inputs of a source; keyed by a list, each is a list aligned with the key, whose largest length is
        `cap`."""
        for one in source.fields:
            path = f"{source.name}.{one.name}"
            if isinstance(one, Field):
                found = one.type if per_element is None else list_of(one.type)
                alignment = per_element or _own(path, found)
                most = one.cap if per_element is None else cap
                members.inputs[one.name] = Input(
                    path, found, source.level, spans[(one.name,)], alignment, most
                )
                continue
            inner = Members(path, broken=members.broken)
            shared = Alignment(path, keeps_null=True)
            if per_element is not None:
                shared = replace(per_element, inner=shared)
            for each in one.fields:
                found = list_of(each.type)
                found = found if per_element is None else list_of(found)
                most = one.cap if per_element is None else cap
                inner.inputs[each.name] = Input(
                    f"{path}.{each.name}", found, source.level, spans[(one.name, each.name)], shared, most
                )
            members.inputs[one.name] = inner

    def _key(self, key: tree.Expr) -> Input | None:
        """What a source is keyed by; None where that is wrong, reported."""
        path = path_of(key)
        name = path[0].name
        found: Input | Members | None = self.roots.get(name)
        if found is None:
            declared = self._names.declared.get(name)
            if declared is None:
                if not self._names.excuses(name):
                    names = [d.name.name for d in self._names.of(tree.Entity, tree.Source, tree.SourceAlias)]
                    self._diagnostics.once(
                        ("name", name),
                        "E0301",
                        f"there is no such entity or source: `{name}`",
                        path[0].span,
                        help=self._suggestions.help(name, names),
                    )
            elif not isinstance(declared, (tree.Entity, tree.Source, tree.SourceAlias)):
                self._diagnostics.error(
                    "E0407",
                    f"a source is keyed by an entity or by a field of another source, not by "
                    f"{KINDS[type(declared)]}: `{name}`",
                    key.span,
                )
            return None
        for part in path[1:]:
            if isinstance(found, Input):
                self._diagnostics.error("E0306", f"`{found.name}` has no fields: `{found.type}`", part.span)
                return None
            inner = found.inputs.get(part.name)
            if inner is None:
                if part.name not in found.broken and part.name not in self._names.broken:
                    self._diagnostics.once(
                        ("member", found.name, part.name),
                        "E0302",
                        f"`{found.name}` has no such field: `{part.name}`",
                        part.span,
                        help=self._suggestions.help(part.name, found.inputs, f"{found.name}."),
                    )
                return None
            found = inner
        if isinstance(found, Members):
            self._diagnostics.error(
                "E0407",
                f"a source is keyed by a field, and this is none: `{found.name}`",
                key.span,
                help=f"write `{found.name}.{next(iter(found.inputs), '…')}`",
            )
            return None
        element = found.type.item if found.type.kind is Kind.LIST else found.type
        if element.kind not in INTEGER_KINDS and element.kind is not Kind.STRING:
            self._diagnostics.error(
                "E0407",
                f"a key is `int64`, `int32` or `string`, or a list of these, not `{found.type}`",
                key.span,
                notes=(Note(f"`{found.name}` is declared here", found.span),),
            )
            return None
        return found


def path_of(expression: tree.Expr) -> list[tree.Identifier]:
    """The names of `a.b.c`; empty for any other expression."""
    parts: list[tree.Identifier] = []
    while isinstance(expression, tree.Attribute):
        parts.append(expression.name)
        expression = expression.base
    if not isinstance(expression, tree.Name):
        return []
    parts.append(tree.Identifier(expression.name, expression.span))
    return parts[::-1]


def _own(path: str, found: Type) -> Alignment | None:
    return Alignment(path) if found.kind is Kind.LIST else None


def _same_key(given: Type, wanted: Type) -> bool:
    return given.kind is wanted.kind or (given.kind in INTEGER_KINDS and wanted.kind in INTEGER_KINDS)
