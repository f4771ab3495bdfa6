"""What the manual says about an operator or a def of the standard library: taken from where it is declared,
nothing is written twice."""

from __future__ import annotations

import inspect
import itertools
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from featdsl.check.standard import standard_defs
from featdsl.fit import LEARNED, Learned
from featdsl.operators import OPERATORS
from featdsl.operators.declare import REQUIRED, Operator, Parameter, Signature
from featdsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Entry:
    """`text` is Markdown. `examples` are expressions with their results. `spark` says what computes it with
    `--engine spark` (a Spark column, the engine, or both), `spark_reason` why it is not a column everywhere."""

    name: str
    family: str
    symbol: str
    signatures: tuple[str, ...]
    text: str
    nulls: str
    examples: tuple[tuple[str, str], ...]
    spark: str
    spark_reason: str

    @property
    def summary(self) -> str:
        """The first sentence of the text."""
        return first_sentence(self.text)

    def as_data(self) -> dict[str, Any]:
        """The form of `feat explain OPERATOR --json`."""
        return {
            "name": self.name,
            "family": self.family,
            "symbol": self.symbol,
            "signatures": list(self.signatures),
            "text": self.text,
            "nulls": self.nulls,
            "examples": [{"expression": e, "result": r} for e, r in self.examples],
            "spark": {"level": self.spark, "reason": self.spark_reason},
        }


STANDARD = "std"
"""The family of the defs of the standard library."""
_EXAMPLE = "e.g. "


def entries() -> dict[str, Entry]:
    """Every operator and def, by name; families in alphabetical order, each in the order of its module."""
    found = [entry_of(operator) for operator in OPERATORS.values()]
    found += [entry_of_def(declared) for declared in standard_defs().values()]
    found += [entry_of_learned(learned) for learned in LEARNED.values() if learned.doc]
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.family)}


def entry_of_def(declared: tree.Def) -> Entry:
    """What is said about a def of the standard library: its text is its signature."""
    lines = declared.doc.split("\n")
    examples = [line.removeprefix(_EXAMPLE) for line in lines if line.startswith(_EXAMPLE)]
    return Entry(
        declared.name.name,
        STANDARD,
        "",
        (declared.span.file.text[declared.span.start : declared.span.end],),
        "\n".join(line for line in lines if not line.startswith(_EXAMPLE)),
        "",
        tuple(_split_example(example) for example in examples),
        "as what it is made of",
        "",
    )


def entry_of_learned(learned: Learned) -> Entry:
    """What is said about an operator that is another one with constants that are learned."""
    spark, reason = _spark(learned.operator)
    parameters = ", ".join(["x: float64", *(f"{p.name}: const {_KINDS[p.kind]}" for p in learned.parameters)])
    result = OPERATORS[learned.operator].signatures[0].result
    signature = f"{learned.name}({parameters}) -> {result}"
    return Entry(learned.name, "fitted", "", (signature,), learned.doc, "null gives null", (), spark, reason)


_KINDS = {int: "int64", float: "float64", str: "string"}


def _split_example(text: str) -> tuple[str, str]:
    expression, _, result = text.rpartition(" -> ")
    return expression, result


def entry_of(operator: Operator) -> Entry:
    """What is said about one operator."""
    spark, reason = _spark(operator.name)
    return Entry(
        operator.name,
        operator.family,
        operator.symbol or "",
        tuple(_signature_lines(operator)),
        inspect.cleandoc(operator.doc),
        _nulls(operator),
        tuple((text, written(value)) for text, value in operator.examples.items()),
        spark,
        reason,
    )


def family_text(family: str) -> str:
    """What a family is about: the text of its module."""
    if family == STANDARD:
        return "Defs of the standard library, `featdsl/std.feat`: written in the language, called without an import."
    return inspect.cleandoc(sys.modules[f"featdsl.operators.{family}"].__doc__ or "")


def named(name: str) -> Entry | None:
    """The operator or def of this name or symbol."""
    known = entries()
    by_symbol = {entry.symbol: entry for entry in known.values() if entry.symbol}
    return known.get(name) or by_symbol.get(name)


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence, or the first paragraph; one line."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    end = paragraph.find(". ")
    return paragraph if end < 0 else paragraph[: end + 1]


def written(value: Any) -> str:
    """A value as the language writes it; maps as `{"k": 1}`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"' + "".join(_ESCAPED.get(c, c) for c in value) + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return repr(value)


_ESCAPED = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


# --- signatures --------------------------------------------------------------------------------


def _signature_lines(operator: Operator) -> list[str]:
    """The overloads; those that differ in the type of one parameter alone are one line."""
    merged: list[tuple[list[tuple[Parameter, list[str]]], str]] = []
    for signature in operator.signatures:
        result = str(signature.result)
        for parts, other in merged:
            if other == result and _joins(parts, signature):
                break
        else:
            merged.append(([(p, [_parameter_type(p)]) for p in signature.parameters], result))
    return [_line(operator, parts, result) for parts, result in merged]


def _joins(parts: list[tuple[Parameter, list[str]]], signature: Signature) -> bool:
    """Adds the overload's types to the parts of another if only one parameter differs."""
    if [_shape(p) for p, _ in parts] != [_shape(p) for p in signature.parameters]:
        return False
    types = [_parameter_type(p) for p in signature.parameters]
    different = [i for i, ((_, known), type) in enumerate(zip(parts, types, strict=True)) if known != [type]]
    if len(different) != 1:
        return False
    known = parts[different[0]][1]
    if types[different[0]] not in known:
        known.append(types[different[0]])
    return True


def _shape(parameter: Parameter) -> tuple[str, bool, bool, str]:
    return parameter.name, parameter.constant, parameter.variadic, repr(parameter.default)


def _line(operator: Operator, parts: list[tuple[Parameter, list[str]]], result: str) -> str:
    shown = []
    for parameter, types in parts:
        constant = "const " if parameter.constant else ""
        nullable = len(types) > 1 and all(t.endswith("?") for t in types)
        union = f"({' | '.join(t[:-1] for t in types)})?" if nullable else " | ".join(types)
        more = ", …" if parameter.variadic else ""
        default = "" if parameter.default is REQUIRED else f" = {written(parameter.default)}"
        shown.append(f"{parameter.name}: {constant}{union}{default}{more}")
    return f"{usage(operator.name, shown)} -> {result}"


def usage(name: str, arguments: list[str]) -> str:
    """A call as it is written: `a + b` for an operator that has a symbol."""
    symbol = OPERATORS[name].symbol if name in OPERATORS else None
    if symbol == "if":
        condition, then, otherwise = arguments
        return f"if {condition} then {then} else {otherwise}"
    if symbol and len(arguments) == 1:
        space = " " if symbol.isalpha() else ""
        return f"{symbol.removeprefix('unary ')}{space}({arguments[0]})"
    if symbol:
        return f" {symbol} ".join(f"({argument})" for argument in arguments)
    return f"{name}({', '.join(arguments)})"


def _parameter_type(parameter: Parameter) -> str:
    if parameter.hashed:
        return "list<S>" if parameter.pattern.name == "list" else "S"
    return str(parameter.pattern)


# --- null and Spark ----------------------------------------------------------------------------


def _nulls(operator: Operator) -> str:
    """The rule for null, in words."""
    signatures = operator.signatures
    arguments = list(itertools.chain.from_iterable(s.arguments for s in signatures))
    spread = [p.name for p in arguments if not p.takes_null]
    taken = [p.name for p in arguments if p.pattern.nullable]
    follows = [p.name for p in arguments if p.pattern.follows]
    if not arguments:
        return "never null"
    rules = []
    if taken:
        where = " where it stands so in the signature" if set(taken) & set(spread) else ""
        rules.append(f"takes a null {_names(taken)}{where}")
    if spread:
        rules.append("else spreads" if taken else "spreads")
    if follows:
        rules.append(f"may be null where {_names(follows)} may")
    rule = "; ".join(rules)
    if all(s.result.nullable for s in signatures):
        rule += "; may also be null on arguments that are not"
    elif any(s.result.nullable for s in signatures):
        rule += "; where the result is `?`, may also be null on arguments that are not"
    return rule


def _names(names: list[str]) -> str:
    shown = [f"`{name}`" for name in dict.fromkeys(names)]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _spark(name: str) -> tuple[str, str]:
    """How it runs with `--engine spark`, and why not as a column."""
    from compiler.spark.fallbacks import FALLBACKS

    found = FALLBACKS.get(name)
    if found is None:
        return "column", ""
    return ("engine" if found.always else "column, some uses engine"), found.reason
