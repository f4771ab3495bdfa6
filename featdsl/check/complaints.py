"""Mistakes in expressions, said once each."""

from __future__ import annotations

from collections.abc import Callable

from featdsl.check.nodes import Nodes
from featdsl.check.overloads import CANNOT, Binding, failing_arguments, fit_constant, has_null_elements
from featdsl.check.standard import is_standard
from featdsl.check.suggest import Suggestions
from featdsl.check.values import Given, VocabValue
from featdsl.check.zones import zone, zone_names
from featdsl.diagnostics import Diagnostics, Note
from featdsl.operators.declare import NOT_CONSTANT, REQUIRED, Operator, Parameter, match
from featdsl.source_file import Span
from featdsl.typed import Typed
from featdsl.types import FLOAT_KINDS, INT64, INTEGER_KINDS, NUMERIC_KINDS, STRING, Kind, Type

_ZEROS = {
    Kind.BOOL: "false", Kind.INT32: "0", Kind.INT64: "0", Kind.FLOAT32: "0.0", Kind.FLOAT64: "0.0",
    Kind.STRING: '""', Kind.TIMESTAMP: "timestamp_seconds(0)", Kind.LIST: "[]", Kind.NOTHING: "0",
}  # fmt: skip

_MOST_TYPES = 4
"""More types than these are told in one word."""
_EXPECTED = {"S": "a scalar", "T": "any value", "vocab": "a vocab", "zone": "a time zone"}


def zero_of(given: Type) -> str:
    """How `??` is followed so that a value of this type is never null, as text of the language."""
    return _ZEROS.get(given.kind, "…")


def has_zero(given: Type) -> bool:
    """Whether the language can write a value of this type in place of null."""
    return given.kind in _ZEROS


class Complaints:
    """Reports mistakes in expressions. The same code at the same place is said once, however often a
    def is used; `callers` are the calls of defs that led to where the checker is."""

    def __init__(self, diagnostics: Diagnostics, suggestions: Suggestions) -> None:
        self.diagnostics = diagnostics
        self.suggestions = suggestions
        self.callers: list[tuple[str, Span | None]] = []
        self.alternatives: Callable[[Typed, Callable[[Type], bool]], str | None] = lambda node, fits: None
        """Another field of the same source whose type fits, if an argument is a field."""
        self.declared_at: Callable[[Typed], Note | None] = lambda node: None
        """The note that says where an input is declared."""
        self._said: set[tuple[str, str, int, int]] = set()

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        notes: tuple[Note, ...] = (),
        help: str = "",
    ) -> None:
        place = self._in_program(span)
        if self._first_time(code, place):
            self.diagnostics.error(
                code, message, place, label=label, notes=notes + self._calls(span), help=help
            )

    def once(self, key: tuple[str, ...], code: str, message: str, span: Span, *, help: str = "") -> None:
        """An error of which there is one for `key`; other places become notes of it."""
        if self._first_time(code, span):
            self.diagnostics.once(key, code, message, span, notes=self._calls(span), help=help)

    def warning(self, code: str, message: str, span: Span, *, label: str = "", help: str = "") -> None:
        if not self.callers and self._first_time(code, span):
            self.diagnostics.warning(code, message, span, label=label, help=help)

    def _first_time(self, code: str, span: Span) -> bool:
        key = (code, span.file.path, span.start, span.end)
        if key in self._said:
            return False
        self._said.add(key)
        return True

    def _in_program(self, span: Span) -> Span:
        """The place itself, or the call in the program that led into the standard library."""
        if is_standard(span):
            for _, caller in reversed(self.callers):
                if caller is not None and not is_standard(caller):
                    return caller
        return span

    def _calls(self, span: Span) -> tuple[Note, ...]:
        if not self.callers:
            return ()
        if is_standard(span):
            return (Note(f"in the def `{self.callers[-1][0]}` of the standard library", span),)
        name, caller = self.callers[-1]
        return () if caller is None else (Note(f"in the def `{name}`, used here", caller),)

    # --- calls ---------------------------------------------------------------------------------

    def arguments(self, operator: Operator, given: list[Given], at: Span, symbol: str) -> None:
        """Their number or names fit no overload."""
        names = {p.name for s in operator.signatures for p in s.parameters}
        usage = " or ".join(f"`{_usage(u)}`" for u in _usages(operator)[:4])
        for one in given:
            if one.name is not None and one.name.name not in names:
                help = self.suggestions.help(one.name.name, sorted(names)) or f"write {usage}"
                self.error(
                    "E0205",
                    f"`{operator.name}` has no parameter of this name: `{one.name.name}`",
                    one.name.span,
                    help=help,
                )
                return
        seen: set[str] = set()
        for one in given:
            if one.name is not None:
                if one.name.name in seen:
                    self.error("E0205", f"an argument is given twice: `{one.name.name}`", one.name.span)
                    return
                seen.add(one.name.name)
        self.error(
            "E0204",
            f"the arguments do not fit `{operator.name}`: {_count(len(given))}",
            at,
            help=f"write {usage}",
        )

    def mismatch(
        self, operator: Operator, bindings: list[Binding], nodes: Nodes, at: Span, symbol: str
    ) -> None:
        """Their types fit no overload: says which argument is wrong, or that they do not go together."""
        if self._null_elements(bindings) or self._constants(operator, bindings, nodes, at):
            return
        if any(self._key(binding) for binding in bindings):
            return
        failing = [(failing_arguments(b), b) for b in bindings]
        fewest = min(len(f) for f, _ in failing)
        blamed = {id(f[0][1]) for f, _ in failing if len(f) == fewest and f}
        if fewest and (not symbol or (len(blamed) == 1 and fewest == 1)):
            index_span = next(f for f, _ in failing if len(f) == fewest)[0][1]
            parameters = [f[0][0] for f, _ in failing if len(f) == fewest and f[0][1] is index_span]
            self._argument(index_span, parameters)
            return
        values = [g for _, g in bindings[0].values]
        types = " and ".join(f"`{_type_text(g)}`" for g in values)
        shown = symbol or operator.name
        self.error(
            "E0202",
            f"`{shown}` does not take these types together: {types}",
            at,
            label=types,
            help=_advice_together(shown, [_seen(g, g.value) for g in values if isinstance(g.value, Typed)]),
        )

    def _key(self, binding: Binding) -> bool:
        """Says that a key is not of the type of the map's keys, if that is what is wrong."""
        values = {p.name: (g, g.value) for p, g in binding.values if isinstance(g.value, Typed)}
        here = values["map"][1].type.innermost if "map" in values else INT64
        for name, which in (("key", "keys"), ("keys", "keys"), ("inner_key", "inner keys")):
            if name not in values or here.kind is not Kind.MAP or here.key is None:
                continue
            given, value = values[name]
            found = value.type.innermost.kind
            if (found is Kind.STRING) is not (here.key.kind is Kind.STRING) and found in (
                *INTEGER_KINDS,
                Kind.STRING,
            ):
                advice = "make it a text: `string(x)`"
                if here.key != STRING:
                    wild = any(p.name == "wildcard" for p, _ in binding.constants)
                    advice = "a wildcard is a text" if wild else "a number in a text is `parse_int(s)`"
                note = self.declared_at(value)
                self.error(
                    "E0203",
                    "the argument type does not match",
                    given.span,
                    label=f"expected `{here.key}`, found `{_type_text(given)}`",
                    notes=() if note is None else (note,),
                    help=f"the {which} of the map are `{here.key}`; {advice}",
                )
                return True
            here = here.item.innermost
        return False

    def _argument(self, given: Given, parameters: list[Parameter]) -> None:
        expected = _expected_one_of(parameters)
        found = _type_text(given)
        notes: tuple[Note, ...] = ()
        help = ""
        if isinstance(given.value, Typed):

            def fits(other: Type) -> bool:
                return any(match(p.pattern, other, {}) for p in parameters)

            help = _advice(_seen(given, given.value), parameters)
            note = self.declared_at(given.value)
            if given.each:
                found = f"{found}`, each element of `{given.value.type}"
            elif note is not None:
                notes = (note,)
                other = self.alternatives(given.value, fits)
                help = f"did you mean `{other}`?" if other else help
        self.error(
            "E0203",
            "the argument type does not match",
            given.span,
            label=f"expected {expected}, found `{found}`",
            notes=notes,
            help=help,
        )

    def _null_elements(self, bindings: list[Binding]) -> bool:
        """Says that a list with nulls must be coalesced, if that is what is wrong."""
        for binding in bindings:
            if failing_arguments(binding):
                continue
            for _, given in binding.values:
                if isinstance(given.value, Typed) and has_null_elements(given.value.type):
                    self.null_elements(given.value, given.span)
                    return True
        return False

    def null_elements(self, node: Typed, span: Span) -> None:
        """A list whose elements may be null is used where they may not."""
        note = self.declared_at(node)
        self.error(
            "E0502",
            "the elements of the list may be null",
            span,
            label=f"found `{node.type}`",
            notes=() if note is None else (note,),
            help=f"add `?? {zero_of(node.type.innermost)}`, which replaces each null",
        )

    def _constants(self, operator: Operator, bindings: list[Binding], nodes: Nodes, at: Span) -> bool:
        """Says which constant is wrong, if one is in every overload."""
        first: tuple[Parameter, Given] | None = None
        for binding in bindings:
            wrong = [
                (p, g) for p, g in binding.constants if fit_constant(p, g, binding.signature, nodes) is CANNOT
            ]
            if not wrong:
                return False
            first = first or wrong[0]
        if first is None:
            return False
        parameter, given = first
        value = given.value if isinstance(given.value, VocabValue) else nodes.value_of(given.value)
        name, expected = parameter.name, _expected(parameter)
        if value is NOT_CONSTANT and parameter.pattern.name != "vocab":
            note = self.declared_at(given.value) if isinstance(given.value, Typed) else None
            self.error(
                "E0206",
                f"the argument must be a constant: `{name}`",
                given.span,
                label="this is computed from rows",
                notes=() if note is None else (note,),
            )
        elif parameter.pattern.name == "zone" and isinstance(value, str):
            if zone(value) is None:
                names = zone_names()
                self.error(
                    "E0208",
                    f"there is no such time zone: `{value}`",
                    given.span,
                    help=self.suggestions.help(value, sorted(names))
                    or 'zones are named as in "Europe/Berlin"',
                )
        else:
            self.error(
                "E0203",
                "the argument type does not match",
                given.span,
                label=f"expected {expected}, found `{_type_text(given)}`",
                help=_advice_on_constant(parameter.pattern.name, value),
            )
        return True

    def not_aligned(self, first: Given, second: Given) -> None:
        """Two lists whose elements do not belong together meet in an element-wise operator."""
        assert isinstance(first.value, Typed)
        assert isinstance(second.value, Typed)
        a, b = first.value, second.value
        if a.type.kind is Kind.VECTOR and b.type.kind is Kind.VECTOR:
            reason = f"one has {a.type.size} elements, the other {b.type.size}"
        else:
            reason = "they come from different lists, so they may differ in length"
            if a.drops_null or b.drops_null:
                reason = "elements that become null are dropped from one of them"
        self.error(
            "E0501",
            f"the lists are not aligned: {reason}",
            second.span,
            notes=(Note("the other list is this", first.span),),
            help="element-wise operators take lists of one sequence, or lists made from one list element by "
            "element without dropping any",
        )


def _type_text(given: Given) -> str:
    return "vocab" if isinstance(given.value, VocabValue) else str(_seen(given, given.value))


def _seen(given: Given, value: Typed) -> Type:
    """The type in which the operator is given it: of the elements, where it is mapped over the list."""
    return value.type.inside(min(given.each, value.type.depth))


def _expected(parameter: Parameter) -> str:
    pattern = parameter.pattern
    if parameter.hashed:
        return "a list of scalars" if pattern.name == "list" else "a scalar"
    if parameter.shown:
        return "a string, bool, number or id"
    if pattern.name in _EXPECTED:
        return _EXPECTED[pattern.name]
    return f"`{str(pattern).removesuffix('?').replace('<S>', '<T>')}`"


def _expected_one_of(parameters: list[Parameter]) -> str:
    words = list(dict.fromkeys(_expected(p) for p in parameters))
    if len(words) > _MOST_TYPES and all(p.pattern.name == "list" for p in parameters):
        return "a list of scalars"
    return _either(words)


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _usages(operator: Operator) -> list[tuple[str, ...]]:
    """The ways to call it: names of parameters, those with a default after a colon."""
    found: dict[tuple[str, ...], None] = {}
    for signature in operator.signatures:
        parts = []
        for p in signature.parameters:
            if p.variadic:
                parts.append(f"{p.name}, …")
            elif p.default is REQUIRED:
                parts.append(p.name)
            else:
                parts.append(f"{p.name}: …")
        found.setdefault((operator.name, *parts))
    return list(found)


def _usage(parts: tuple[str, ...]) -> str:
    return f"{parts[0]}({', '.join(parts[1:])})"


def _count(n: int) -> str:
    return "none are given" if n == 0 else f"{n} {'is' if n == 1 else 'are'} given"


def _advice(given: Type, parameters: list[Parameter]) -> str:
    """What to write instead of an argument of this type."""
    wanted = {p.pattern.name for p in parameters}
    if "bool" in wanted and given.kind in NUMERIC_KINDS:
        return "compare it: `x != 0`"
    if wanted == {"bool"} and given.kind is Kind.STRING:
        return 'compare it: `x != ""`'
    if wanted == {"timestamp"} and given.kind is Kind.STRING:
        return "`parse_timestamp(s)` reads a time from a text"
    if "string" in wanted and given.kind in NUMERIC_KINDS | {Kind.BOOL, Kind.ID}:
        return "make it a text: `string(x)`"
    if wanted & {"int64", "int32"} and given.kind in FLOAT_KINDS:
        return "truncate it: `int64(x)`"
    if wanted & {"int64", "float64"} and given.kind is Kind.BOOL:
        return "make it 0 or 1: `int64(x)`"
    if wanted & {"int64", "float64"} and given.kind is Kind.TIMESTAMP:
        return "`int64(x)` is its microseconds since 1970"
    if wanted & {"int64", "float64"} and given.kind is Kind.STRING:
        return (
            "a text becomes a number by `parse_int(s)` or `parse_float(s)`, and an id by `hash` or `lookup`"
        )
    if "timestamp" in wanted and given.kind in NUMERIC_KINDS:
        return "`timestamp_seconds(x)` or `timestamp_millis(x)` makes a timestamp"
    if "list" in wanted and given.is_scalar:
        return ""
    return ""


def _advice_on_constant(wanted: str, value: object) -> str:
    """What to write instead of a constant of another type."""
    if wanted == "vocab":
        return 'declare it: `vocab genres from "genres.txt"`'
    if wanted == "bool":
        return "write `true` or `false`"
    if wanted == "zone":
        return 'zones are named as in "Europe/Berlin"'
    if wanted == "list" and isinstance(value, (int, float)):
        return f"write a list: `[{value}]`"
    if wanted in ("int64", "int32") and isinstance(value, float) and value.is_integer():
        return f"write `{int(value)}`"
    return ""


def _advice_together(shown: str, types: list[Type]) -> str:
    kinds = {t.innermost.kind for t in types}
    if shown == "+" and kinds == {Kind.STRING}:
        return "join texts with `concat(a, b)`"
    if shown in ("+", "-") and Kind.TIMESTAMP in kinds and kinds & FLOAT_KINDS:
        return "a timestamp moves by whole microseconds: `days(7)`, `int64(x)`"
    if Kind.STRING in kinds and kinds & NUMERIC_KINDS:
        return (
            "replace null by a text, or make both texts: `string(x)`"
            if shown == "??"
            else ("make both texts: `string(x)`")
        )
    if shown in ("and", "or") and kinds & NUMERIC_KINDS:
        return "compare them: `x != 0`"
    if Kind.BOOL in kinds and kinds <= NUMERIC_KINDS | {Kind.BOOL}:
        return "make a bool 0 or 1: `int64(x)`"
    if kinds == {Kind.TIMESTAMP} and shown == "+":
        return "a timestamp moves by a length of time: `days(7)`, or the difference of two"
    if shown == "-" and Kind.TIMESTAMP in kinds:
        return "write the timestamp first: `at - days(7)`"
    if Kind.TIMESTAMP in kinds and Kind.STRING in kinds:
        return "`parse_timestamp(s)` reads a time from a text"
    return ""
