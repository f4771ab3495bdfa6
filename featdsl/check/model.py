"""Models: their inputs, labels, outputs, `keep` and `score`."""

from __future__ import annotations

from featdsl.check.expressions import Expressions
from featdsl.check.names import Names, twice
from featdsl.check.schema import Input, Members
from featdsl.check.types import DeclaredTypes
from featdsl.diagnostics import Diagnostics, Note
from featdsl.levels import Level
from featdsl.program import Column, Model, ModelInput
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.typed import Typed
from featdsl.types import NUMERIC_KINDS, Kind, Type

TIME_COLUMN = "time"
"""The column of a dataset that holds the time of a sample, beside one for each entity's key."""
TENSOR_KINDS = frozenset({Kind.BOOL, Kind.INT32, Kind.INT64, Kind.FLOAT32, Kind.FLOAT64})
_CASTABLE = NUMERIC_KINDS | {Kind.BOOL}


class ModelChecker:
    """Checks one model after the other."""

    def __init__(
        self, expressions: Expressions, names: Names, types: DeclaredTypes, diagnostics: Diagnostics
    ) -> None:
        self._expressions = expressions
        self._names = names
        self._types = types
        self._diagnostics = diagnostics

    def check(self, declared: tree.Model) -> Model:
        """The model; parts with a mistake are missing."""
        self._unique(declared)
        if not declared.inputs and declared.name.name not in self._names.broken:
            self._diagnostics.error(
                "E0606",
                f"the model has no input: `{declared.name.name}`",
                declared.name.span,
                help="write `dense: float32 = [a, b]` in it",
            )
        labels = [c for label in declared.labels if (c := self._column(label, "label")) is not None]
        outputs = [c for output in declared.outputs if (c := self._column(output, "output")) is not None]
        inputs = [i for each in declared.inputs if (i := self._input(each)) is not None]
        keep, score = self._after(declared, outputs)
        name = declared.name.name
        return Model(name, tuple(inputs), tuple(labels), tuple(outputs), keep, score, declared.doc)

    def _unique(self, declared: tree.Model) -> None:
        """Inputs and labels are columns of one dataset, beside the keys and the time. An output may have the
        name of the label that it predicts."""
        first: dict[str, tree.ModelInput | tree.Label | tree.Output] = {}
        parts: tuple[tree.ModelInput | tree.Label | tree.Output, ...] = (
            *declared.inputs,
            *declared.labels,
            *declared.outputs,
        )
        for one in sorted(parts, key=lambda p: p.span.start):
            name = one.name.name
            other = first.setdefault(name, one)
            if other is not one and {type(one), type(other)} != {tree.Label, tree.Output}:
                twice(self._diagnostics, "E0304", name, other.name.span, one.name.span)
            elif not isinstance(one, tree.Output):
                self._not_a_column(one.name)

    def _not_a_column(self, name: tree.Identifier) -> None:
        entity = self._names.declared.get(name.name)
        if not isinstance(entity, tree.Entity) and name.name != TIME_COLUMN:
            return
        column = f"the key of `{name.name}`" if isinstance(entity, tree.Entity) else "the time of a sample"
        self._diagnostics.error(
            "E0304",
            f"an input or label has the name of a column of every dataset: `{name.name}`",
            name.span,
            label=f"that is {column}",
            notes=(Note(f"`{name.name}` is declared here", entity.name.span),) if entity else (),
            help=f"rename it, such as `{name.name}_id`" if entity else "rename it, such as `sample_time`",
        )

    def _tensor_type(self, written: tree.TypeName, what: str) -> Type | None:
        found = self._types.read(written)
        if found is None:
            return None
        if found.nullable or found.kind not in TENSOR_KINDS:
            shape = " (its shape follows from its value)" if found.is_listlike and what == "input" else ""
            an = "an" if what[0] in "aeiou" else "a"
            self._diagnostics.error(
                "E0602",
                f"the type of {an} {what} is `bool`, `int32`, `int64`, `float32` or `float64`{shape}, "
                f"not `{found}`",
                written.span,
                help="make ids of texts: `hash(x, 1000)` or `lookup(x, vocab)`"
                if found.kind is Kind.STRING
                else "",
            )
            return None
        return found

    def _column(self, declared: tree.Label | tree.Output, what: str) -> Column | None:
        found = self._tensor_type(declared.type, what)
        return None if found is None else Column(declared.name.name, found, declared.doc)

    # --- inputs --------------------------------------------------------------------------------

    def _input(self, declared: tree.ModelInput) -> ModelInput | None:
        wanted = self._tensor_type(declared.type, "input")
        body = declared.body
        written: tuple[tree.Expr, ...] = (body,)
        is_list = isinstance(body, tree.ListLiteral)
        if isinstance(body, tree.ListLiteral):
            if not body.items:
                self._diagnostics.error("E0603", "an input has at least one column", body.span)
                return None
            written = body.items
        checked = [self._expressions.check(w) for w in written]
        values = [c for c in checked if c is not None]
        if len(values) < len(written) or wanted is None:
            return None
        for value, place in zip(values, written, strict=True):
            if not self._fits(value, place.span, wanted, is_list):
                return None
            if declared.per_request and value.level & ~Level.REQUEST:
                self._diagnostics.error(
                    "E0601",
                    f"the input is not the same for all candidates of a request: `{declared.name.name}`",
                    place.span,
                    label=f"this is computed per {_per(value.level)}",
                    notes=self._expressions.causes.of_level(value, Level.REQUEST),
                    help="leave `per request` out",
                )
                return None
        width = len(values) if is_list else values[0].type.size
        name = declared.name.name
        return ModelInput(name, wanted, width, declared.per_request, tuple(values), declared.doc)

    def _fits(self, value: Typed, span: Span, wanted: Type, in_list: bool) -> bool:
        found = value.type
        element = found.item if found.is_listlike else found
        if (
            found.kind is Kind.LIST
            and not in_list
            and not found.item.is_listlike
            and found.item.kind is not Kind.MAP
        ):
            self._diagnostics.error(
                "E0603",
                "the input has no fixed length",
                span,
                label=f"this is `{found}`",
                help="add `|> pad(n)`, with the number of elements that the model takes",
            )
            return False
        if found.kind is Kind.MAP or element.is_listlike or element.kind is Kind.MAP:
            self._diagnostics.error(
                "E0602", f"an input is a number, or a vector of numbers, not `{found}`", span
            )
            return False
        if in_list and found.is_listlike:
            self._diagnostics.error(
                "E0603",
                f"a column of a list is a scalar, not `{found}`",
                span,
                help="make it an input of its own",
            )
            return False
        if element.kind in _CASTABLE or (element.kind is Kind.ID and wanted.kind is Kind.INT64):
            return self.not_null(value, span, "an input")
        help = ""
        if element.kind is Kind.STRING:
            help = "make ids of texts: `hash(x, 1000)` or `lookup(x, vocab)`"
        elif element.kind is Kind.TIMESTAMP:
            help = "`int64(x)` is its microseconds since 1970; `hour(x)` and the like its parts"
        elif element.kind is Kind.ID:
            help = "declare the input as `int64`, or fold the id: `hash(x, 100_000)`"
        if element.kind is Kind.NOTHING:
            return self.not_null(value, span, "an input")
        bare = element.optional(False)
        self._diagnostics.error(
            "E0602", f"a value of type `{bare}` does not become `{wanted}`", span, help=help
        )
        return False

    def not_null(self, value: Typed, span: Span, what: str) -> bool:
        """Reports a value that may be null, or has elements that may be."""
        if value.type.nullable:
            self._diagnostics.error(
                "E0212",
                f"{what} may not be null",
                span,
                label=f"this is `{value.type}`",
                notes=self._expressions.causes.of_null(value),
                help=self._expressions.causes.never_null(value),
            )
            return False
        inner = value.type
        while inner.is_listlike:
            inner = inner.item
            if inner.nullable:
                self._expressions.complaints.null_elements(value, span)
                return False
        return True

    # --- after the model -----------------------------------------------------------------------

    def _after(self, declared: tree.Model, outputs: list[Column]) -> tuple[Typed | None, Typed | None]:
        places = {o.name.name: o.name.span for o in declared.outputs}
        members = Members("output", broken=set(places))
        for column in outputs:
            name = column.name
            members.inputs[name] = Input(f"output.{name}", column.type, Level.AFTER, places[name])
        self._expressions.outputs = members
        try:
            keep = None if declared.keep is None else self._keep(declared.keep)
            score = None if declared.score is None else self._score(declared.score)
        finally:
            self._expressions.outputs = None
        return keep, score

    def _keep(self, body: tree.Expr) -> Typed | None:
        value = self._expressions.check(body)
        if value is None:
            return None
        if value.type.kind is not Kind.BOOL:
            self._diagnostics.error(
                "E0604",
                f"`keep` is a bool, not `{value.type}`",
                body.span,
                help="compare it: `keep = x != 0`" if value.type.kind in NUMERIC_KINDS else "",
            )
            return None
        if not self.not_null(value, body.span, "`keep`"):
            return None
        return value

    def _score(self, body: tree.Expr) -> Typed | None:
        value = self._expressions.check(body)
        if value is None:
            return None
        if value.type.kind not in NUMERIC_KINDS:
            self._diagnostics.error(
                "E0605",
                f"`score` is a number, not `{value.type}`",
                body.span,
                help="make it 0 or 1: `float64(x)`" if value.type.kind is Kind.BOOL else "",
            )
            return None
        if not self.not_null(value, body.span, "`score`"):
            return None
        return self._expressions.as_float64(value, body.span)


def _per(level: Level) -> str:
    return "item" if level == Level.ITEM else "candidate"
