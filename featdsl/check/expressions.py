"""Expressions: from the syntax tree to typed nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from featdsl.check.calls import Calls
from featdsl.check.complaints import Complaints, zero_of
from featdsl.check.names import KINDS, Names
from featdsl.check.nodes import Nodes
from featdsl.check.schema import Input, Members
from featdsl.check.suggest import ELSEWHERE
from featdsl.check.types import NO_LITERAL, DeclaredTypes, fitted, misfit
from featdsl.check.values import Given, Value, VocabValue
from featdsl.check.vocabs import DeclaredVocab
from featdsl.diagnostics import Note
from featdsl.levels import Level
from featdsl.operators import OPERATORS, SYMBOLS
from featdsl.source_file import Span
from featdsl.syntax import tree
from featdsl.typed import Typed
from featdsl.types import (
    BOOL,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    Type,
    common_type,
    list_of,
    vector_of,
    widens_to,
)

DEEPEST = 2_500
"""Levels of an expression with its defs inlined: what the interpreter's stack holds for certain."""
MOST_INSTANCES = 20_000
"""Different uses of defs in a program."""


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
        self._types = types
        self._calls = Calls(self.nodes, complaints)
        self._parameters: dict[str, Value | None] = {}
        self._instances: dict[tuple[Any, ...], Typed | None] = {}
        self._inputs: dict[str, Input] = {}
        self._paths: dict[str, str] | None = None
        self._depth = 0
        self._unfolded = False
        self._parameter_types: dict[int, Type | None] = {}
        self._dispatch: dict[type, Callable[[Any], Value | None]] = {
            tree.Literal: self._literal,
            tree.Name: self._name,
            tree.Attribute: self._attribute,
            tree.Call: self._call,
            tree.Unary: self._unary,
            tree.Binary: self._binary,
            tree.If: self._if,
            tree.ListLiteral: self._list,
            tree.Fit: self._fit,
            tree.Broken: lambda node: None,
        }
        complaints.alternatives = self._alternative
        complaints.declared_at = self._declared_at

    def check(self, expression: tree.Expr) -> Typed | None:
        """The typed expression; it is a value of rows or a constant, not a vocab."""
        found = self._value(expression)
        if isinstance(found, VocabValue):
            self.complaints.error(
                "E0305", f"`{found.vocab.name}` is a vocab, not a value", expression.span,
                help=f"write `lookup(x, {found.vocab.name})`",
            )
            return None
        return found

    def _value(self, expression: tree.Expr) -> Value | None:
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                self.complaints.error(
                    "E0214", "the expression is too deep once its defs are put in", expression.span,
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
        if name in self._parameters:
            return self._parameters[name]
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
                self._unknown(name, node.span)
        elif isinstance(declared, (tree.Def, tree.Model)):
            kind = KINDS[type(declared)]
            self.complaints.error(
                "E0305", f"`{name}` is {kind}, not a value", node.span,
                notes=(Note(f"`{name}` is declared here", declared.name.span),),
                help=f"call it: `{name}(…)`" if isinstance(declared, tree.Def) else "",
            )
        return None

    def _attribute(self, node: tree.Attribute) -> Typed | None:
        base = self._members(node.base)
        if base is None:
            return None
        if not isinstance(base, Members):
            self.complaints.error(
                "E0306", f"a value has no fields, and this is one of type `{base.type}`", node.name.span,
                help=f"write `{node.name.name}(x)`" if node.name.name in OPERATORS else "",
            )
            return None
        found = self._member(base, node.name)
        if isinstance(found, Members):
            self._not_a_value(found, node.span)
            return None
        return None if found is None else self._input(found, node.span)

    def _members(self, node: tree.Expr) -> Members | Typed | None:
        """What stands before a dot."""
        if isinstance(node, tree.Name) and node.name not in self._parameters:
            name = node.name
            if name == "output":
                return self._model_outputs(node.span)
            root = self._roots.get(name)
            if isinstance(root, Members):
                return root
            if name in ("request", "candidate"):
                if self._names.excuses(name):
                    return None
                self.complaints.error(
                    "E0301", f"there is no `{name}` block", node.span,
                    help=f"declare what is sent: `{name} {{ … }}`",
                )
                return None
        if isinstance(node, tree.Attribute):
            base = self._members(node.base)
            if not isinstance(base, Members):
                if isinstance(base, Typed):
                    self._attribute_error(base, node.name)
                return None
            found = self._member(base, node.name)
            return self._input(found, node.span) if isinstance(found, Input) else found
        return self.check(node)

    def _attribute_error(self, base: Typed, name: tree.Identifier) -> None:
        self.complaints.error("E0306", f"a value has no fields, and this is one of type `{base.type}`", name.span)

    def _member(self, members: Members, name: tree.Identifier) -> Input | Members | None:
        found = members.inputs.get(name.name)
        if found is None and name.name not in members.broken and name.name not in self._names.broken:
            what = {"request": "`request`", "candidate": "`candidate`", "output": "the model"}
            kind = "output" if members.name == "output" else "field"
            help = self.complaints.suggestions.help(name.name, members.inputs, f"{members.name}.")
            if not help and members.inputs:
                shown = [f"`{members.name}.{n}`" for n in list(members.inputs)[:8]]
                help = "there is " + ", ".join(shown)
            self.complaints.error(
                "E0302", f"{what.get(members.name, f'`{members.name}`')} has no such {kind}: `{name.name}`",
                name.span, help=help,
            )
        return found

    def _model_outputs(self, span: Span) -> Members | None:
        if self.outputs is None:
            self.complaints.error(
                "E0607", "the model's outputs stand only in `keep` and `score`", span,
                help="a def may take one as an argument" if self.complaints.callers else "",
            )
        return self.outputs

    def _input(self, found: Input, span: Span) -> Typed:
        self._inputs[found.name] = found
        return self.nodes.make(
            "input", found.type, found.level, span, attributes=(("name", found.name),), alignment=found.alignment
        )

    def _not_a_value(self, members: Members, span: Span) -> None:
        first = next(iter(members.inputs), None)
        what = "a sequence" if "." in members.name else "a source"
        self.complaints.error(
            "E0305", f"`{members.name}` is {what}, not a value", span,
            help=f"name a field, such as `{members.name}.{first}`" if first else "",
        )

    def _unknown(self, name: str, span: Span) -> None:
        if self._paths is None:
            self._paths = {}
            for root in self._roots.values():
                if isinstance(root, Members):
                    for field, found in root.inputs.items():
                        self._paths.setdefault(field, f"{root.name}.{field}")
                        if isinstance(found, Members):
                            for inner in found.inputs:
                                self._paths.setdefault(inner, f"{found.name}.{inner}")
        help = ""
        if name in self._paths:
            help = f"did you mean `{self._paths[name]}`?"
        elif name in ("True", "False", "None", "Null", "NULL"):
            help = f"did you mean `{ {'True': 'true', 'False': 'false'}.get(name, 'null') }`?"
        else:
            known = [*self._parameters, *self._names.declared]
            help = self.complaints.suggestions.help(name, known)
            if not help:
                close = self.complaints.suggestions.closest(name, self._paths)
                help = f"did you mean `{self._paths[close]}`?" if close else ""
            if not help and name in OPERATORS:
                help = f"an operator is called: `{name}(…)`"
        self.complaints.error("E0301", f"there is no such name: `{name}`", span, help=help)

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
                "W0102", "a comparison with null is always null", node.span, help=f"write `{is_not}is_null(x)`"
            )
        return found

    def _needless(self, found: Typed, value: Typed, span: Span, message: str) -> None:
        element = value.type.item if found.mapped and found.mapped[0] else value.type
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
        if common_type(then.type, otherwise.type) is None and not (then.type.is_listlike or otherwise.type.is_listlike):
            self.complaints.error(
                "E0209", "the two branches have different types", node.otherwise.span,
                label=f"this is `{otherwise.type}`",
                notes=(Note(f"the other branch is `{then.type}`", node.then.span),),
            )
            return None
        return self._calls.call(SYMBOLS["if"], given, node.span, symbol="if")

    def _list(self, node: tree.ListLiteral) -> Typed | None:
        if not node.items:
            return self.nodes.constant((), list_of(NULL.optional(False)), node.span)
        checked = [self.check(item) for item in node.items]
        items = [c for c in checked if c is not None]
        if len(items) < len(checked):
            return None
        common = items[0].type
        for item, written in zip(items, node.items, strict=True):
            if not item.type.is_scalar:
                self.complaints.error(
                    "E0504", f"a list literal holds scalars, not `{item.type}`", written.span,
                    help="join lists with `concat(a, b)`" if item.type.is_listlike else "",
                )
                return None
            if item.type.nullable:
                self.complaints.error(
                    "E0504", "an element of a list is never null", written.span, label=f"this is `{item.type}`",
                    notes=self.cause_of_null(item), help=f"add `?? {zero_of(common)}`",
                )
                return None
            joined = common_type(common, item.type)
            if joined is None:
                self.complaints.error(
                    "E0210", "the elements of a list have one type", written.span, label=f"this is `{item.type}`",
                    notes=(Note(f"the elements before are `{common}`", node.items[0].span),),
                )
                return None
            common = joined
        return self._list_of(node, items, common)

    def _list_of(self, node: tree.ListLiteral, items: list[Typed], common: Type) -> Typed | None:
        args: list[Typed] = []
        for item, written in zip(items, node.items, strict=True):
            coerced = self._calls.coerce(item, common, False, written.span)
            if coerced is None:
                return None
            args.append(coerced)
        wanted = vector_of(common, len(args))
        if all(a.op == "const" for a in args):
            return self.nodes.constant(tuple([a.attributes[0][1] for a in args]), wanted, node.span)
        level = Level.CONSTANT
        for arg in args:
            level |= arg.level
        return self.nodes.make("list", wanted, level, node.span, tuple(args))

    def _fit(self, node: tree.Fit) -> None:
        self.complaints.error(
            "E0213", f"state that is learned from data comes in a later version: `fit {node.what.name}`", node.span,
            help="give the state in the file: a `vocab`, edges, a mean",
        )

    # --- calls ---------------------------------------------------------------------------------

    def _call(self, node: tree.Call) -> Typed | None:
        name = node.function.name
        declared = self._names.declared.get(name)
        if not isinstance(declared, tree.Def) and name not in OPERATORS:
            for argument in node.arguments:
                self._value(argument.value)
            self._unknown_function(node)
            return None
        given: list[Given] = []
        for argument in node.arguments:
            value = self._value(argument.value)
            if value is not None:
                given.append(Given(value, argument.value.span, argument.name))
        if isinstance(declared, tree.Def):
            self.used_defs.add(name)
        if len(given) < len(node.arguments):
            return None
        if isinstance(declared, tree.Def):
            return self._def(declared, given, node)
        found = self._calls.call(name, given, node.span, at=node.function.span)
        if name in ("is_null", "coalesce") and found is not None and found.args:
            value = given[0].value
            assert isinstance(value, Typed)
            self._needless(found, value, given[0].span, f"`{name}` has nothing to find: this is never null")
        return found

    def _unknown_function(self, node: tree.Call) -> None:
        name = node.function.name
        declared = self._names.declared.get(name)
        if declared is not None or name in self._parameters:
            kind = "a parameter" if declared is None else KINDS[type(declared)]
            self.complaints.error(
                "E0303", f"`{name}` is {kind}, and cannot be called", node.function.span,
                help="only operators and defs are called",
            )
        elif not self._names.excuses(name):
            other = ELSEWHERE.get(name.lower())
            defs = [d.name.name for d in self._names.of(tree.Def)]
            known = [*OPERATORS, *defs]
            help = f"write {other}" if other else self.complaints.suggestions.help(name, known)
            self.complaints.error("E0303", f"there is no such operator: `{name}`", node.function.span, help=help)

    def _def(self, declared: tree.Def, given: list[Given], node: tree.Call) -> Typed | None:
        bound = self._bind(declared, given, node)
        if bound is None:
            return None
        key = (
            declared.name.name,
            *(self.nodes.number_of(v) if isinstance(v, Typed) else v.vocab.name for v in bound.values()),
        )
        if key in self._instances:
            return self._instances[key]
        if len(self._instances) >= MOST_INSTANCES:
            if self._unfolded:
                return None
            self._unfolded = True
            self.complaints.error(
                "E0214", f"the defs unfold to more than {MOST_INSTANCES:_} expressions", node.span,
                help="defs that use each other many times grow exponentially: name parts with `let`",
            )
            return None
        return self._instance(declared, bound, node.function.span, key)

    def _instance(
        self, declared: tree.Def, bound: Mapping[str, Value | None], span: Span | None, key: tuple[Any, ...]
    ) -> Typed | None:
        outer, self._parameters = self._parameters, dict(bound)
        outputs, self.outputs = self.outputs, None
        self.complaints.callers.append((declared.name.name, span))
        try:
            found = self.check(declared.body)
        finally:
            self.complaints.callers.pop()
            self._parameters, self.outputs = outer, outputs
        self._instances[key] = found
        return found

    def _bind(self, declared: tree.Def, given: list[Given], node: tree.Call) -> dict[str, Value] | None:
        name = declared.name.name
        parameters = {p.name.name: p for p in declared.parameters}
        usage = f"write `{name}({', '.join(parameters)})`"
        note = (Note(f"`{name}` is declared here", declared.name.span),)
        bound: dict[str, Given] = {}
        positions = iter(parameters)
        for one in given:
            wanted = one.name.name if one.name is not None else next(positions, None)
            if wanted is None or wanted in bound or wanted not in parameters:
                place = one.name.span if one.name is not None else one.span
                code, message = "E0204", f"`{name}` takes {_count(len(parameters))}, found {len(given)}"
                if one.name is not None:
                    twice = wanted in bound
                    code = "E0205"
                    message = f"an argument is given twice: `{wanted}`" if twice else (
                        f"`{name}` has no parameter of this name: `{wanted}`"
                    )
                self.complaints.error(code, message, place, notes=note, help=usage)
                return None
            bound[wanted] = one
        if len(bound) < len(parameters):
            missing = ", ".join(f"`{p}`" for p in parameters if p not in bound)
            self.complaints.error(
                "E0204", f"an argument is missing: {missing}", node.function.span, notes=note, help=usage
            )
            return None
        values: dict[str, Value] = {}
        for parameter in parameters.values():
            one = bound[parameter.name.name]
            value = self._as_declared(parameter, one)
            if value is None:
                return None
            values[parameter.name.name] = value
        return values

    def _as_declared(self, parameter: tree.Parameter, given: Given) -> Value | None:
        """An argument in the type of a def's parameter."""
        value = given.value
        if parameter.type is None:
            return value
        wanted = self.declared_type(parameter.type)
        if wanted is None:
            return None
        note = Note(f"`{parameter.name.name}` is declared here", parameter.span)
        if isinstance(value, VocabValue):
            self.complaints.error(
                "E0203", "the argument type does not match", given.span,
                label=f"expected `{wanted}`, found `vocab`", notes=(note,),
                help="leave the parameter's type out",
            )
            return None
        if value.op == "const" and value.type.is_scalar and wanted.is_scalar:
            fit = fitted(value.attributes[0][1], wanted)
            if fit is NO_LITERAL:
                misfit(value.attributes[0][1], wanted, given.span, self.complaints.diagnostics)
                return None
            return self.nodes.constant(fit, wanted.optional(fit is None), given.span)
        if not widens_to(value.type, wanted):
            help = ""
            if widens_to(value.type.optional(False), wanted):
                help = f"add `?? {zero_of(value.type)}`, or declare `{parameter.name.name}: {wanted.optional()}`"
            elif value.type.optional(False) in (INT64, FLOAT64) and wanted.is_scalar:
                help = f"cast it: `{wanted.kind.value}(x)`"
            self.complaints.error(
                "E0203", "the argument type does not match", given.span,
                label=f"expected `{wanted}`, found `{value.type}`", notes=(note,), help=help,
            )
            return None
        return self._calls.coerce(value, wanted, False, given.span)

    def declared_type(self, written: tree.TypeName) -> Type | None:
        """The type of a parameter; its mistakes are reported once, where it is declared."""
        key = id(written)
        if key not in self._parameter_types:
            self._parameter_types[key] = self._types.read(written)
        return self._parameter_types[key]

    def unused_def(self, declared: tree.Def) -> None:
        """Checks a def that nothing uses: with arguments of its declared types, where it has them."""
        bound: dict[str, Value | None] = {}
        for parameter in declared.parameters:
            found = None if parameter.type is None else self.declared_type(parameter.type)
            name = parameter.name.name
            bound[name] = None
            if found is not None:
                bound[name] = self.nodes.make(
                    "input", found, Level.REQUEST, parameter.span, attributes=(("name", f"({name})"),)
                )
        self._instance(declared, bound, None, (declared.name.name, None))

    def as_float64(self, value: Typed, span: Span) -> Typed | None:
        """A number as a float64."""
        return self._calls.coerce(value, FLOAT64.optional(value.type.nullable), False, span)

    # --- for messages --------------------------------------------------------------------------

    def cause_of_null(self, node: Typed) -> tuple[Note, ...]:
        """The note that says what makes a value null: a field, or an operator that can give it."""
        while True:
            following = None
            if node.op not in ("const", "input", "list"):
                signature = OPERATORS[node.op].signatures[node.overload]
                for i, arg in enumerate(node.args):
                    parameter = signature.parameter_of(i)
                    spreads = parameter.pattern.follows or not parameter.takes_null
                    if spreads and (arg.type.nullable or (arg.type.is_listlike and arg.type.item.nullable)):
                        following = arg
                        break
            if following is None:
                break
            node = following
        if node.op == "input":
            name = str(node.attributes[0][1])
            return (Note(f"`{name}` may be null", self._inputs[name].span),) if name in self._inputs else ()
        if node.op == "const":
            return ()
        operator = OPERATORS.get(node.op)
        shown = operator.symbol if operator is not None and operator.symbol else node.op
        reason = "may give null: the divisor may be zero" if shown in ("/", "//", "%") else "may give null"
        return (Note(f"`{shown}` {reason}", node.span),)

    def cause_of_level(self, node: Typed, wanted: Level) -> tuple[Note, ...]:
        """The note that says what is read at a level beyond `wanted`."""
        while node.op != "input":
            node = next(a for a in node.args if a.level & ~wanted)
        name = str(node.attributes[0][1])
        kinds = {Level.ITEM: "once an item", Level.PAIR: "once a candidate", Level.AFTER: "after the model"}
        found = self._inputs.get(name)
        return (Note(f"`{name}` is read {kinds.get(node.level, '')}", found.span if found else None),)

    def _declared_at(self, node: Typed) -> Note | None:
        if node.op != "input":
            return None
        found = self._inputs.get(str(node.attributes[0][1]))
        return None if found is None else Note(f"`{found.name.rpartition('.')[2]}` is declared here", found.span)

    def _alternative(self, node: Typed, fits: Callable[[Type], bool]) -> str | None:
        """Another field of the source of a field, of a type that fits."""
        if node.op != "input":
            return None
        path = str(node.attributes[0][1]).split(".")
        members = self._roots.get(path[0])
        if not isinstance(members, Members):
            return None
        for found in members.inputs.values():
            if not isinstance(found, Input) or found.type.is_scalar or found.name == ".".join(path):
                continue
            if fits(found.type):
                return found.name
        return None


def _type_of(value: Any) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, str):
        return STRING
    return INT64 if isinstance(value, int) else FLOAT64


def _count(n: int) -> str:
    return "no argument" if n == 0 else f"{n} argument{'' if n == 1 else 's'}"
