"""Expressions: from the syntax tree to typed nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from featdsl.check.calls import Calls
from featdsl.check.causes import Causes
from featdsl.check.complaints import Complaints, zero_of
from featdsl.check.defs import Defs
from featdsl.check.doubts import Doubts
from featdsl.check.fitting import Fitting, is_fitted_vocab
from featdsl.check.names import KINDS, Named, Names
from featdsl.check.nodes import Nodes, whole
from featdsl.check.schema import Input, Members
from featdsl.check.standard import is_standard, standard_defs
from featdsl.check.types import DeclaredTypes, shown
from featdsl.check.unknown import Unknown
from featdsl.check.values import Given, Value, VocabValue
from featdsl.check.vocabs import DeclaredVocab
from featdsl.diagnostics import Note
from featdsl.fit import LEARNED
from featdsl.levels import Level
from featdsl.operators import OPERATORS, SYMBOLS
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.typed import Constant, Typed
from featdsl.types import (
    BOOL,
    FLOAT64,
    INT64,
    INTEGER_KINDS,
    NULL,
    STRING,
    Kind,
    Type,
    common_type,
    list_of,
    vector_of,
)

DEEPEST = 2_500
"""Levels of an expression with its defs inlined: what the interpreter's stack holds for certain."""


class Expressions:
    """Checks expressions. None means that a mistake was reported, here or where a part is declared.

    `values` are the lets and features that were checked, `roots` what is read, `vocabs` the vocabs;
    `outputs` is set only while `keep` and `score` are checked.
    """

    def __init__(
        self, names: Names, roots: Mapping[str, Input | Members], types: DeclaredTypes, complaints: Complaints
    ) -> None:
        self.nodes = Nodes()
        self.values: dict[str, Typed | None] = {}
        self.vocabs: dict[str, DeclaredVocab] = {}
        self.used_vocabs: set[str] = set()
        self.used_defs: set[str] = set()
        self.outputs: Members | None = None
        self.complaints = complaints
        self._names = names
        self._roots = roots
        self._calls = Calls(self.nodes, complaints)
        self.defs = Defs(self.check, self.nodes, self._calls, types, complaints)
        self.fitting = Fitting(self.nodes, self._calls, complaints)
        self.causes = Causes(roots)
        self._doubts = Doubts(self.nodes, complaints, roots)
        self._unknown = Unknown(names, roots, complaints.suggestions)
        self._depth = 0
        self._dispatch: dict[type, Callable[[Any], Value | None]] = {
            tree.Literal: self._literal,
            tree.Name: self._name,
            tree.Attribute: self._attribute,
            tree.Call: self._call,
            tree.Unary: self._unary,
            tree.Binary: self._binary,
            tree.If: self._if,
            tree.ListLiteral: self._list,
            tree.MapLiteral: self._map,
            tree.Fit: self._fit,
            tree.Broken: lambda node: None,
        }
        complaints.alternatives = self.causes.alternative
        complaints.declared_at = self.causes.declared_at

    def check(self, expression: tree.Expr) -> Typed | None:
        """The typed expression; it is a value of rows or a constant, not a vocab."""
        found = self._value(expression)
        if isinstance(found, VocabValue):
            self.complaints.error(
                "E0305",
                f"`{found.vocab.name}` is a vocab, not a value",
                expression.span,
                help=f"write `lookup(x, {found.vocab.name})`",
            )
            return None
        return found

    def _value(self, expression: tree.Expr) -> Value | None:
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                self.complaints.error(
                    "E0214",
                    "the expression is too deep once its defs are put in",
                    expression.span,
                    help="give inner parts a name with `let`",
                )
                return None
            return self._dispatch[type(expression)](expression)
        finally:
            self._depth -= 1

    # --- literals and names --------------------------------------------------------------------

    def _literal(self, node: tree.Literal) -> Typed:
        return self.nodes.constant(node.value, _type_of(node.value), node.span)

    def _name(self, node: tree.Name) -> Value | None:
        name = node.name
        if name in self.defs.parameters:
            return self.defs.parameters[name]
        if name in self.values:
            return self.values[name]
        if name in self.vocabs:
            self.used_vocabs.add(name)
            return VocabValue(self.vocabs[name], node.span)
        root = self._roots.get(name)
        if isinstance(root, Input):
            return self._input(root, node.span)
        if isinstance(root, Members):
            self._not_a_value(root, node.span)
            return None
        declared = self._names.declared.get(name)
        if declared is None:
            if not self._names.excuses(name):
                self.complaints.once(
                    ("name", name),
                    "E0301",
                    f"there is no such name: `{name}`",
                    node.span,
                    help=self._unknown.name(name, self.defs.parameters, self.outputs),
                )
        elif isinstance(declared, (tree.Def, tree.Model)):
            kind = KINDS[type(declared)]
            self.complaints.error(
                "E0305",
                f"`{name}` is {kind}, not a value",
                node.span,
                notes=(Note(f"`{name}` is declared here", declared.name.span),),
                help=f"call it: `{name}(…)`" if isinstance(declared, tree.Def) else "",
            )
        return None

    def _attribute(self, node: tree.Attribute) -> Typed | None:
        base = self._members(node.base)
        if base is None:
            return None
        if not isinstance(base, Members):
            self._no_fields(base, node.name)
            return None
        found = self._member(base, node.name)
        if isinstance(found, Members):
            self._not_a_value(found, node.span)
            return None
        return None if found is None else self._input(found, node.span)

    def _members(self, node: tree.Expr) -> Members | Typed | None:
        """What stands before a dot."""
        if isinstance(node, tree.Name) and node.name not in self.defs.parameters:
            name = node.name
            if name == "output":
                return self._model_outputs(node.span)
            root = self._roots.get(name)
            if isinstance(root, Members):
                return root
            if name in ("request", "candidate"):
                if self._names.excuses(name):
                    return None
                self.complaints.once(
                    ("name", name),
                    "E0301",
                    f"there is no `{name}` block",
                    node.span,
                    help=f"declare what is sent: `{name} {{ … }}`",
                )
                return None
        if isinstance(node, tree.Attribute):
            base = self._members(node.base)
            if not isinstance(base, Members):
                if isinstance(base, Typed):
                    self._no_fields(base, node.name)
                return None
            found = self._member(base, node.name)
            return self._input(found, node.span) if isinstance(found, Input) else found
        return self.check(node)

    def _no_fields(self, base: Typed, name: tree.Identifier) -> None:
        help = ""
        if name.name in OPERATORS:
            help = f"write `{name.name}(x)`"
        elif base.type.kind is Kind.MAP:
            key = f'"{name.name}"' if base.type.key == STRING else "1"
            help = f"write `get(map, {key})`"
        elif base.op == "input" and "." not in str(base.attributes[0][1]):
            help = self._unknown.field_of_key(name.name)
        self.complaints.error(
            "E0306", f"a value has no fields, and this is one of type `{base.type}`", name.span, help=help
        )

    def _member(self, members: Members, name: tree.Identifier) -> Input | Members | None:
        found = members.inputs.get(name.name)
        if found is None and name.name not in members.broken and name.name not in self._names.broken:
            what = {"request": "`request`", "candidate": "`candidate`", "output": "the model"}
            kind = "output" if members.name == "output" else "field"
            self.complaints.once(
                ("member", members.name, name.name),
                "E0302",
                f"{what.get(members.name, f'`{members.name}`')} has no such {kind}: `{name.name}`",
                name.span,
                help=self._unknown.member(members, name.name),
            )
        return found

    def _model_outputs(self, span: Span) -> Members | None:
        if self.outputs is None or self.complaints.callers:
            self.complaints.error(
                "E0607",
                "the model's outputs stand only in `keep` and `score`",
                span,
                help="a def may take one as an argument" if self.complaints.callers else "",
            )
            return None
        return self.outputs

    def _input(self, found: Input, span: Span) -> Typed:
        self.causes.saw(found)
        return self.nodes.make(
            "input",
            found.type,
            found.level,
            span,
            attributes=(("name", found.name),),
            alignment=found.alignment,
        )

    def _not_a_value(self, members: Members, span: Span) -> None:
        first = next(iter(members.inputs), None)
        what = "a sequence" if "." in members.name else "a source"
        self.complaints.error(
            "E0305",
            f"`{members.name}` is {what}, not a value",
            span,
            help=f"name a field, such as `{members.name}.{first}`" if first else "",
        )

    # --- operators -----------------------------------------------------------------------------

    def _unary(self, node: tree.Unary) -> Typed | None:
        operand = self.check(node.operand)
        if operand is None:
            return None
        if node.operator == "-" and isinstance(node.operand, tree.Literal):
            value = node.operand.value
            # the operator wraps the smallest int64
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value != -(1 << 63):
                return self.nodes.constant(-value, operand.type, node.span)
        symbol = "unary -" if node.operator == "-" else node.operator
        given = [Given(operand, node.operand.span)]
        return self._calls.call(SYMBOLS[symbol], given, node.span, symbol=node.operator)

    def _binary(self, node: tree.Binary) -> Typed | None:
        left, right = self.check(node.left), self.check(node.right)
        if left is None or right is None:
            return None
        given = [Given(left, node.left.span), Given(right, node.right.span)]
        found = self._calls.call(
            SYMBOLS[node.operator], given, node.span, at=node.operator_span, symbol=node.operator
        )
        if node.operator == "??" and found is not None:
            self._needless(found, left, node.left.span, "`??` has nothing to replace: this is never null")
        elif node.operator in ("==", "!=") and NULL in (left.type, right.type):
            is_not = "not " if node.operator == "!=" else ""
            self.complaints.warning(
                "W0102",
                "a comparison with null is always null",
                node.span,
                help=f"write `{is_not}is_null(x)`",
            )
        elif found is not None:
            self._doubts.look(found, node.operator_span, node.operator)
        return found

    def _needless(self, found: Typed, value: Typed, span: Span, message: str) -> None:
        mapped = whole(found)[0].mapped
        element = value.type.inside(mapped[0] if mapped else 0)
        if not element.nullable:
            help = "to replace a list that is null, write `?? []`" if value.type.nullable else "leave it out"
            self.complaints.warning("W0101", message, span, label=f"`{value.type}`", help=help)

    def _if(self, node: tree.If) -> Typed | None:
        parts = (node.condition, node.then, node.otherwise)
        checked = [self.check(p) for p in parts]
        given = [Given(c, p.span) for c, p in zip(checked, parts, strict=True) if c is not None]
        if len(given) < 3:
            return None
        _, then, otherwise = (c for c in checked if c is not None)
        if common_type(then.type, otherwise.type) is None and not (
            then.type.is_listlike or otherwise.type.is_listlike
        ):
            self.complaints.error(
                "E0209",
                "the two branches have different types",
                node.otherwise.span,
                label=f"this is `{otherwise.type}`",
                notes=(Note(f"the other branch is `{then.type}`", node.then.span),),
            )
            return None
        found = self._calls.call(SYMBOLS["if"], given, node.span, symbol="if")
        if found is not None:
            self._doubts.look(found, node.condition.span)
        return found

    def _list(self, node: tree.ListLiteral) -> Typed | None:
        if not node.items:
            return self.nodes.constant((), list_of(NULL.optional(False)), node.span)
        checked = [self.check(item) for item in node.items]
        items = [c for c in checked if c is not None]
        if len(items) < len(checked):
            return None
        common = items[0].type
        for item, written in zip(items, node.items, strict=True):
            if not item.type.is_scalar and not (item.type.is_listlike and item.op == "const"):
                self.complaints.error(
                    "E0504",
                    f"a list literal holds scalars, or lists of constants, not `{item.type}`",
                    written.span,
                    help="join lists with `concat(a, b)`" if item.type.is_listlike else "",
                )
                return None
            if item.type.nullable:
                self.complaints.error(
                    "E0504",
                    "an element of a list is never null",
                    written.span,
                    label=f"this is `{item.type}`",
                    notes=self.causes.of_null(item),
                    help=f"add `?? {zero_of(common)}`",
                )
                return None
            joined = common_type(common, item.type)
            if joined is None:
                self.complaints.error(
                    "E0210",
                    "the elements of a list have one type",
                    written.span,
                    label=f"this is `{item.type}`",
                    notes=(Note(f"the elements before are `{common}`", node.items[0].span),),
                )
                return None
            common = joined
        if common.is_listlike and common.innermost.kind is Kind.NOTHING:
            self.complaints.error("E0504", "a list of empty lists has no type", node.span)
            return None
        return self._list_of(node, items, common)

    def _list_of(self, node: tree.ListLiteral, items: list[Typed], common: Type) -> Typed | None:
        args: list[Typed] = []
        for item, written in zip(items, node.items, strict=True):
            coerced = self._calls.coerce(item, common, 0, written.span)
            if coerced is None:
                return None
            args.append(coerced)
        wanted = vector_of(common, len(args)) if common.is_scalar else list_of(common)
        if all(a.op == "const" for a in args):
            return self.nodes.constant(tuple([a.attributes[0][1] for a in args]), wanted, node.span)
        level = Level.CONSTANT
        for arg in args:
            level |= arg.level
        return self.nodes.make("list", wanted, level, node.span, tuple(args))

    def _map(self, node: tree.MapLiteral) -> Typed | None:
        if not node.keys:
            self.complaints.error("E0504", "a map literal has at least one entry", node.span)
            return None
        keys = self._list(tree.ListLiteral(node.keys, node.keys[0].span.to(node.keys[-1].span)))
        values = self._list(tree.ListLiteral(node.values, node.values[0].span.to(node.values[-1].span)))
        if keys is None or values is None:
            return None
        seen: dict[Constant, Span] = {}
        for written in node.keys:
            if not isinstance(written, tree.Literal):
                continue
            if written.value in seen:
                self.complaints.error(
                    "E0504",
                    f"a key stands twice in a map: {shown(written.value)}",
                    written.span,
                    notes=(Note("it stands here already", seen[written.value]),),
                )
                return None
            seen[written.value] = written.span
        if keys.type.item.kind not in (Kind.STRING, *INTEGER_KINDS):
            self.complaints.error(
                "E0504",
                "the keys of a map are texts or integers",
                node.keys[0].span,
                label=f"this is `{keys.type.item}`",
            )
            return None
        return self._calls.call("to_map", [Given(keys, keys.span), Given(values, values.span)], node.span)

    def _fit(self, node: tree.Fit) -> Value | None:
        given = self._given(node.arguments)
        return None if given is None else self.fitting.expression(node, given)

    # --- calls ---------------------------------------------------------------------------------

    def _call(self, node: tree.Call) -> Typed | None:
        name = node.function.name
        declared = self._callee(node)
        operator = (name in OPERATORS or name in LEARNED) and not self._hidden(node)
        if not isinstance(declared, tree.Def) and not operator:
            for argument in node.arguments:
                self._value(argument.value)
            self._unknown_function(node)
            return None
        given = self._given(node.arguments)
        if isinstance(declared, tree.Def):
            self.used_defs.add(name)
        if given is None:
            return None
        if isinstance(declared, tree.Def):
            return self.defs.call(declared, given, node)
        if self.fitting.leaves_out(name, given):
            return self.fitting.call(name, given, node.span, node.function.span)
        if any(map(is_fitted_vocab, given)):
            return self.fitting.with_vocab(name, given, node.span, node.function.span)
        found = self._calls.call(name, given, node.span, at=node.function.span)
        if name in ("is_null", "coalesce") and found is not None and whole(found)[0].args:
            value = given[0].value
            assert isinstance(value, Typed)
            self._needless(found, value, given[0].span, f"`{name}` has nothing to find: this is never null")
        elif found is not None:
            self._doubts.look(found, node.function.span)
        return found

    def _given(self, arguments: tuple[tree.Argument, ...]) -> list[Given] | None:
        """The arguments, all checked; None where one of them has no value."""
        given: list[Given] = []
        for argument in arguments:
            value = self._value(argument.value)
            if value is not None:
                given.append(Given(value, argument.value.span, argument.name))
        return given if len(given) == len(arguments) else None

    def _callee(self, node: tree.Call) -> Named | None:
        """What the program, else the standard library, declares under the name that is called."""
        name = node.function.name
        declared = None if is_standard(node.span) else self._names.declared.get(name)
        if isinstance(declared, tree.Def) or name in OPERATORS or self._names.excuses(name):
            return declared
        return standard_defs().get(name, declared)

    def _hidden(self, node: tree.Call) -> bool:
        """Whether an operator is meant to be another: by a declaration that is broken."""
        return node.function.name in self._names.broken and not is_standard(node.span)

    def _unknown_function(self, node: tree.Call) -> None:
        name = node.function.name
        declared = self._names.declared.get(name)
        if declared is not None or name in self.defs.parameters:
            kind = "a parameter" if declared is None else KINDS[type(declared)]
            self.complaints.error(
                "E0303",
                f"`{name}` is {kind}, and cannot be called",
                node.function.span,
                help="only operators and defs are called",
            )
        elif not self._names.excuses(name):
            self.complaints.once(
                ("operator", name),
                "E0303",
                f"there is no such operator: `{name}`",
                node.function.span,
                help=self._unknown.operator(name),
            )

    def as_float64(self, value: Typed, span: Span) -> Typed | None:
        """A number as a float64."""
        return self._calls.coerce(value, FLOAT64.optional(value.type.nullable), 0, span)


def _type_of(value: Any) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, str):
        return STRING
    return INT64 if isinstance(value, int) else FLOAT64
