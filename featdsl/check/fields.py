"""Fields of sources, sequences, `request` and `candidate`: their types, defaults and caps."""

from __future__ import annotations

from typing import Literal

from featdsl.check.names import twice
from featdsl.check.types import NO_LITERAL, DeclaredTypes, fitted, literal_value, misfit
from featdsl.diagnostics import Diagnostics, Note
from featdsl.program import Field, Sequence
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.types import Kind, Type

Place = Literal["source", "sequence", "request", "candidate"]

_ZEROS = {
    Kind.BOOL: "false", Kind.STRING: '""', Kind.FLOAT32: "0.0", Kind.FLOAT64: "0.0",
    Kind.INT32: "0", Kind.INT64: "0", Kind.TIMESTAMP: "0", Kind.ID: "0",
}  # fmt: skip


class Fields:
    """Checks the fields of a block."""

    def __init__(self, diagnostics: Diagnostics, types: DeclaredTypes) -> None:
        self._diagnostics = diagnostics
        self._types = types

    def block(
        self, fields: tuple[tree.Field | tree.Sequence, ...], place: Place, broken: set[str]
    ) -> tuple[Field | Sequence, ...]:
        """The fields that are right; names of the others go to `broken`."""
        found: list[Field | Sequence] = []
        first: dict[str, Span] = {}
        for declared in fields:
            name = declared.name
            if name.name in first:
                twice(self._diagnostics, "E0401", name.name, first[name.name], name.span)
                continue
            first[name.name] = name.span
            checked: Field | Sequence | None
            if isinstance(declared, tree.Sequence):
                checked = self._sequence(declared, broken)
            else:
                checked = self.field(declared, place)
            if checked is None:
                broken.add(name.name)
            else:
                found.append(checked)
        return tuple(found)

    def _sequence(self, declared: tree.Sequence, broken: set[str]) -> Sequence | None:
        if declared.cap is not None and declared.cap < 1:
            self._cap_error(declared.cap, declared.name.span)
            return None
        if not declared.fields:
            if not declared.broken:
                self._diagnostics.error(
                    "E0417",
                    f"the sequence has no field: `{declared.name.name}`",
                    declared.name.span,
                    help="write `clicks: sequence[50] { item_id: string }`",
                )
            return None
        checked = self.block(declared.fields, "sequence", broken)
        fields = tuple(f for f in checked if isinstance(f, Field))
        return Sequence(declared.name.name, fields, declared.cap, declared.doc)

    def field(self, declared: tree.Field, place: Place) -> Field | None:
        """The field, or None where something about it is wrong."""
        found = self._types.read(declared.type)
        if found is None:
            return None
        if not self._allowed(declared, found, place):
            return None
        if found.kind is Kind.LIST or found.kind is Kind.MAP:
            return self._collection(declared, found)
        if declared.cap is not None:
            self._diagnostics.error(
                "E0406",
                f"only lists and sequences have a largest length, not `{found}`",
                declared.span,
                help=f"write `list<{found.optional(False)}>[{declared.cap}]`" if found.is_scalar else "",
            )
            return None
        return self._scalar(declared, found, place)

    def _allowed(self, declared: tree.Field, found: Type, place: Place) -> bool:
        """Whether a type can be read there."""
        if place == "sequence" and not found.is_scalar:
            self._diagnostics.error(
                "E0414",
                f"the field of a sequence is a scalar, not `{found}`",
                declared.type.span,
                help="each field is a list already: `item_id: string` is read as a list of texts",
            )
            return False
        inner: Type | None = found
        while inner is not None:
            if inner.kind is Kind.ID:
                self._diagnostics.error(
                    "E0414",
                    "an `id` is made by `hash` or `cross`, it is not read",
                    declared.type.span,
                    help="declare the field as `int64`",
                )
                return False
            if inner.element is not None and inner.kind is Kind.LIST and inner.element.kind is Kind.MAP:
                self._diagnostics.error(
                    "E0414", f"a list of maps cannot be read: `{found}`", declared.type.span
                )
                return False
            inner = inner.element
        return True

    def _collection(self, declared: tree.Field, found: Type) -> Field | None:
        name = declared.name.name
        if found.nullable:
            self._diagnostics.error(
                "E0405",
                f"a list or map is never null: `{name}`",
                declared.type.span,
                help="leave the `?` out: a missing one reads as empty",
            )
            return None
        if declared.default is not None:
            self._diagnostics.error(
                "E0404",
                f"a list or map has no default: `{name}`",
                declared.default.span,
                help="leave it out: a missing one reads as empty",
            )
            return None
        if declared.cap is not None and declared.cap < 1:
            self._cap_error(declared.cap, declared.type.span)
            return None
        if declared.cap is not None and found.kind is Kind.MAP:
            self._diagnostics.error(
                "E0406", f"only lists and sequences have a largest length, not `{found}`", declared.span
            )
            return None
        return Field(name, found, cap=declared.cap, doc=declared.doc)

    def _scalar(self, declared: tree.Field, found: Type, place: Place) -> Field | None:
        name, default = declared.name.name, declared.default
        if default is None:
            return self._without_default(declared, found, place)
        if isinstance(default, tree.Broken):
            return None
        if found.nullable:
            bare = found.optional(False)
            self._diagnostics.error(
                "E0411",
                f"a field has either `?` or a default: `{name}`",
                default.span,
                label="this default is never read",
                notes=(Note("the `?` is here", declared.type.span),),
                help=f"write `{name}: {found}` or `{name}: {bare} = …`",
            )
            return None
        if isinstance(default, tree.Name) and default.name == "now":
            return self._now(declared, found, place)
        value = literal_value(default)
        if value is NO_LITERAL:
            help = "write a number, a text, true or false"
            if found.kind is Kind.VECTOR:
                help = "write one literal, which every element takes"
            self._diagnostics.error("E0403", f"a default is a literal: `{name}`", default.span, help=help)
            return None
        element = found.item if found.kind is Kind.VECTOR else found
        fit = fitted(value, element)
        if fit is NO_LITERAL:
            misfit(value, element, default.span, self._diagnostics)
            return None
        return Field(name, found, default=fit, doc=declared.doc)

    def _without_default(self, declared: tree.Field, found: Type, place: Place) -> Field | None:
        name = declared.name.name
        if found.nullable or place == "sequence":
            return Field(name, found, doc=declared.doc)
        if place in ("request", "candidate"):
            return Field(name, found, required=True, doc=declared.doc)
        element = found.item if found.kind is Kind.VECTOR else found
        zero = _ZEROS.get(element.kind, "0")
        self._diagnostics.error(
            "E0402",
            f"the field does not say what a missing row reads as: `{name}`",
            declared.span,
            help=f"write `{name}: {found} = {zero}` for a default, or `{name}: {found}?` for null",
        )
        return None

    def _now(self, declared: tree.Field, found: Type, place: Place) -> Field | None:
        assert declared.default is not None
        if place != "request" or found.kind is not Kind.TIMESTAMP:
            self._diagnostics.error(
                "E0409",
                "`now` is the default of a timestamp of `request` alone",
                declared.default.span,
                help="write `request { at: timestamp = now }`",
            )
            return None
        return Field(declared.name.name, found, now=True, doc=declared.doc)

    def _cap_error(self, cap: int, span: Span) -> None:
        self._diagnostics.error("E0406", f"a largest length is at least 1, found {cap}", span)
